"""Rate limits: how often one owner may ask, and how often anybody may guess a token."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.errors import TooManyRequests


class RateLimits:
    """Counts requests of the last minute, in this process.

    Args:
        requests: that an owner may send in a minute.
        wrong_tokens: that an address may send in a minute; right ones are never refused for it.
    """

    def __init__(self, requests: int, wrong_tokens: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests)
        self._wrong_tokens = RateLimitItemPerMinute(wrong_tokens)

    def admit(self, owner: str) -> None:
        """Count a request of an owner.

        Raises:
            TooManyRequests: it is one too many.
        """
        self._count(self._requests, "owner", owner, "You have sent {} requests in a minute")

    def refuse(self, address: str) -> None:
        """Count a token that nobody has.

        Raises:
            TooManyRequests: there were too many from this address.
        """
        self._count(
            self._wrong_tokens, "address", address, "{} wrong tokens came from you in a minute"
        )

    def _count(self, limit: RateLimitItemPerMinute, kind: str, who: str, text: str) -> None:
        if not self._limiter.hit(limit, kind, who):
            resets = self._limiter.get_window_stats(limit, kind, who).reset_time
            raise TooManyRequests(
                f"{text.format(limit.amount)}, which is all that is allowed. Wait a little.",
                retry_after_seconds=max(1, math.ceil(resets - time.time())),
                allowed=limit.amount,
            )
