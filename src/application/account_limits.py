"""The limits that keep an account's owner out: which of them are full now, and their windows, which an operator can clear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..domain.account import Account
from ..domain.rate_limits import DAY, Limits, RateLimit, RateLimits, SlidingWindow
from .password_attempts import key_in_a_row
from .ports import Codes, SlidingWindowReads

_IN_A_ROW_SECONDS = 30 * DAY


@dataclass(frozen=True, slots=True)
class LimitInForce:
    """A limit that refuses now: the policy that refusals name, the seconds that are left, and the limit.

    `network` is that of the callers whom it refuses; None for one that refuses other callers too.
    """

    policy: str
    retry_after: int
    limit: RateLimit
    network: str | None = None


@dataclass(frozen=True, slots=True)
class AccountWindow:
    """A stored window that concerns the account, with its limits."""

    window: SlidingWindow
    policy: str
    limits: RateLimits
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """Finds the windows of an account: of its names at logins, of codes to its addresses, of wrong codes, and of changes.

    Those of networks as such are left out: they concern everyone there.
    """

    codes: Codes
    limits: Limits
    cooldown: float

    def in_force(self, windows: SlidingWindowReads, account: Account, now: float) -> Sequence[LimitInForce]:
        """The limits that refuse now, the longest wait first."""
        found = []
        for one in self.windows(windows, account):
            seconds, limit = one.window.longest_wait(one.limits, now)
            if limit is not None:
                found.append(LimitInForce(one.policy, seconds, limit, one.network))
        return sorted(found, key=lambda limit: -limit.retry_after)

    def windows(self, windows: SlidingWindowReads, account: Account) -> Iterator[AccountWindow]:
        limits = self.limits
        in_a_row, changes = windows.get([key_in_a_row(account.id), f"taken-values:{account.id}"])
        yield AccountWindow(in_a_row, "failed-logins-in-a-row", (RateLimit(limits.failed_logins_in_a_row, _IN_A_ROW_SECONDS),))
        yield AccountWindow(changes, "taken-values", limits.taken_values_per_account)
        for name in (f"username:{account.username.canonical}", *(address.key for address in account.addresses)):
            yield from self._logins(windows, self.codes.keyed_digest(name))
        for address in (*account.addresses, *(kept.address for kept in account.recovery_addresses)):
            yield from self._codes(windows, self.codes.keyed_digest(address.key))

    def _logins(self, windows: SlidingWindowReads, digest: str) -> Iterator[AccountWindow]:
        key, policy = f"login:{digest}", "failed-logins"
        for window in windows.beginning_with(key):
            network = window.key.removeprefix(key).removeprefix(":")
            limits = self.limits.failed_logins_per_identity_and_network if network else self.limits.failed_logins_per_identity
            yield AccountWindow(window, policy, limits, network or None)

    def _codes(self, windows: SlidingWindowReads, digest: str) -> Iterator[AccountWindow]:
        limits = self.limits
        for window in windows.beginning_with(key := f"code-requests:{digest}:"):
            callers = window.key.removeprefix(key)
            if callers.startswith("from:"):
                of_network = limits.codes_per_destination_and_network
                yield AccountWindow(window, "codes", of_network, callers.removeprefix("from:"))
            else:
                per_destination = (
                    limits.codes_per_destination_from_unknown_networks
                    if callers == "others"
                    else limits.codes_per_destination_from_known_networks
                )
                yield AccountWindow(window, "codes", (RateLimit(1, self.cooldown), *per_destination))
        for window in windows.beginning_with(key := f"wrong-codes:{digest}:"):
            is_unknown = window.key.removeprefix(key) == "others"
            yield AccountWindow(
                window,
                "wrong-codes",
                limits.wrong_codes_per_destination_from_unknown_networks
                if is_unknown
                else limits.wrong_codes_per_destination_from_known_networks,
            )
