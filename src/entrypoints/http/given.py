"""What handlers are given: the call, the use cases, the threads."""

from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from ..vestibule import Vestibule
from .lanes import Lanes

Call = Request[Any, Any, Any]

UseCases = NamedDependency[SkipValidation[Vestibule]]
"""As `vestibule`. Unvalidated: it is the app that provides it, and looking into it costs time at each call."""

Threads = NamedDependency[SkipValidation[Lanes]]
"""As `lanes`."""
