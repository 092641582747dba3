"""The limits on calls of one network, counted outside of transactions."""

from ..domain.errors import RateLimited
from ..domain.rate_limits import RateLimits, network_windows, refusing_limit
from .ports import RateLimiter


def network_refusal(rate_limiter: RateLimiter, policy: str, network: str, limits: RateLimits, now: float) -> RateLimited | None:
    """Counts one call of `network`; returns the refusal if it has made too many calls of that policy, or its /48 has."""
    for key, of_key in network_windows(policy, network, limits):
        if retry_after := rate_limiter.hit(key, of_key, now):
            return RateLimited(retry_after, policy=policy, limit=refusing_limit(of_key, retry_after))
    return None
