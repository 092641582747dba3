"""The format of bodies that the API's description documents."""

from ...domain.errors import Refusal
from ...verify.refusals import MEDIA_TYPE
from .dependencies import HttpRequest, WireFormat
from .problems import Problem, problem_document
from .request_body import json_reader


def _problem_of(refusal: Refusal, _: HttpRequest) -> Problem:
    return problem_document(refusal)


DOCUMENTED = WireFormat(reader_of=json_reader, error_body=_problem_of, error_type=MEDIA_TYPE)
"""JSON objects, and problem documents (RFC 9457)."""
