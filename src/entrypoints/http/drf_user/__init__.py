"""The API as clients of drf-user know it: the answers of the calls whose answers differ, form bodies, and its errors.

The use cases are the same. No answer reveals more than the documented one.
"""

from ..dependencies import WireFormat
from ..responses import JSON
from .bodies import body_reader
from .errors import error_body
from .routes import in_place_of

__all__ = ["FORMAT", "in_place_of"]

FORMAT = WireFormat(reader_of=body_reader, error_body=error_body, error_type=JSON)
