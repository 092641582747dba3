"""The account and the session that a verified token belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account and its session, as of the signing of the token. Times are seconds since the epoch.

    `claims` holds all claims of the token. Callers share the mapping, so that it is read-only.
    """

    account_id: int
    session_id: str
    issued_at: int
    expires_at: int
    claims: Mapping[str, object] = field(repr=False, compare=False)
