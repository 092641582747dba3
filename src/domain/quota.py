"""The hourly totals of mails and SMS, and the share of each that a kind of message may use."""

from collections.abc import Mapping
from dataclasses import dataclass

from .account import AddressKind
from .networks import subscriber_of
from .rate_limits import HOUR, RateLimit, RateLimits


@dataclass(frozen=True, slots=True)
class HourlyQuota:
    """Hourly totals by the kind of address; kinds without an entry in `per_hour` are not limited.

    A third is kept for codes that known networks ask for, so that strangers cannot use it up: all other messages together have
    the rest, and notices among them another third at most. One network has a fifth at most, and so has a /48 of IPv6, which is
    one subscriber's: of the codes that it asks for as an unknown network, of those as a known one, and of the notices that it
    causes. Every share is at least one message.
    """

    per_hour: Mapping[AddressKind, int]

    def windows(
        self, kind: AddressKind, *, is_notice: bool = False, is_known: bool = False, network: str | None = None
    ) -> tuple[tuple[str, RateLimits], ...]:
        """The keys and limits of the windows in which a message counts; it is refused if one of them refuses.

        `is_known` says that an account knows the `network` that asked for the code. `network` is None for a program that calls
        on its own behalf, which has no share of its own.
        """
        total = self.per_hour.get(kind)
        if total is None:
            return ()
        shares = {f"quota:{kind}": total}
        if is_notice or not is_known:
            shares[f"quota:{kind}:others"] = total - total // 3
        if is_notice:
            shares[f"quota:{kind}:notices"] = max(1, total // 3)
        if network is not None:
            of_network = "notices" if is_notice else "known" if is_known else "codes"
            shares[f"quota:{kind}:{of_network}@{subscriber_of(network)}"] = max(1, total // 5)
        return tuple((key, (RateLimit(share, HOUR),)) for key, share in shares.items())
