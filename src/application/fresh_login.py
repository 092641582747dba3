"""The fresh login that sensitive calls want."""

from dataclasses import dataclass

from ..domain.errors import InvalidCredentials, LoginNotFresh
from ..domain.events import Caller
from .password_attempts import PasswordAttempts
from .ports import Clock, Database, Hasher, LoginIdentifier
from .tokens import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshLogin:
    """Requires a fresh login for a sensitive call: a session that began lately, or the current password.

    `fresh_login_seconds` is the age up to which a session is fresh; None lifts the rule.
    """

    database: Database
    hasher: Hasher
    password_attempts: PasswordAttempts
    clock: Clock
    fresh_login_seconds: float | None

    def require(self, identity: Identity, current_password: str | None, caller: Caller) -> None:
        """Raises `LoginNotFresh`; for a wrong password, also where the session is fresh, `InvalidCredentials` or `RateLimited`.

        A wrong password is counted like that of a login.
        """
        if current_password is not None:
            self._check(identity, current_password, caller)
        elif self.fresh_login_seconds is not None and self.clock() - identity.logged_in_at > self.fresh_login_seconds:
            raise LoginNotFresh(int(self.fresh_login_seconds))

    def _check(self, identity: Identity, password: str, caller: Caller) -> None:
        identifier = LoginIdentifier(None, identity.account.username.canonical)  # the username as such, whatever it looks like
        attempt, _ = self.password_attempts.begin(identifier, caller)
        is_right = self.hasher.verify(identity.account.password_hash, password)
        with self.database.begin() as tx:
            locked = self.password_attempts.lock(tx, attempt)
            if (refusal := locked.refusal()) is None:
                if is_right and not attempt.is_paused(locked):
                    attempt.clear(tx, locked)
                    return
                self.password_attempts.count_failure(tx, attempt, locked)
        raise refusal or InvalidCredentials()
