"""Who a good token speaks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account and its session, as of when the token was signed. Moments are seconds since the epoch.

    `claims` is everything that the token says; it is shared, and not to be changed.
    """

    account_id: int
    session_id: str
    issued_at: int
    expires_at: int
    claims: Mapping[str, object] = field(repr=False, compare=False)
