"""How often a key may ask: a bucket for each key, one for each address without a key, and a quota.

Buckets live in this process; the quota of a key's day is counted durably over all processes, in
blocks (`yunhe.storage.quotas`). What is said in the headers is what is enforced here:

``RateLimit-Policy: "burst";q=200;w=4, "day";q=500000;w=86400``
``RateLimit: "burst";r=187;t=1`` or ``"day";r=0;t=3600`` when that is what is used up.

Source: draft-ietf-httpapi-ratelimit-headers-10 (q: how many, w: seconds until a used-up bucket is
full again, r: how many are left, t: seconds until all of them are back). 429 has ``Retry-After``.

A key that was never seen is looked up before it gets a bucket, so that nobody fills the memory, or
empties somebody's bucket, with invented ones: they all count for the address they come from.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from yunhe.api.authentication import Authentication
from yunhe.api.requests import Facts, facts_of
from yunhe.api.runtime import Runtime
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Exhausted, NotAllowed, YunheError
from yunhe.storage import quotas
from yunhe.storage.database import Transaction

ADDRESS_PER_SECOND = 20
"""Requests without a valid key that one address may make, in the long run."""
ADDRESS_BURST = 100
"""The same, at once."""
HOLDERS_MAX = 50_000
"""Keys, and addresses, whose buckets are kept; the one longest unseen goes first, as if full."""
BLOCK_MAX = 500
"""Requests of a day's quota that a process reserves at a time, unless the quota is small."""
_KEPT_DAYS = 7
_Key = TypeVar("_Key", str, bytes)
_Item = TypeVar("_Item")


@dataclass(slots=True, eq=False)
class Bucket:
    """A token bucket: filled at a steady rate up to a bound, one token a request."""

    rate: float
    """Tokens a second."""
    burst: int
    """Tokens it holds when full."""
    tokens: float
    """Tokens in it at ``at``."""
    at: float
    """When it was last looked at, in seconds of a steady clock."""

    def take(self, now: float) -> bool:
        """Take a token; False when there is none."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def wait_seconds(self) -> int:
        """Whole seconds until there is a token."""
        return max(1, math.ceil((1 - self.tokens) / self.rate))

    def full_seconds(self) -> int:
        """Whole seconds until it is full."""
        return math.ceil((self.burst - self.tokens) / self.rate)


@dataclass(slots=True, eq=False)
class _Holder:
    """A key that was found genuine."""

    bucket: Bucket
    key: str
    day: int = -1
    left: int = 0  # of the block reserved
    used_up: bool = False


class Rates:
    """The layer that counts."""

    def __init__(
        self,
        app: ASGIApp,
        runtime: Runtime,
        authentication: Authentication,
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds`` is a clock that never goes back."""
        self._app = app
        self._runtime = runtime
        self._authentication = authentication
        self._seconds = seconds
        settings = runtime.settings
        self._rate, self._burst = settings.rate_per_second, settings.rate_burst
        self._quota = settings.quota_per_day
        self._block = max(1, min(BLOCK_MAX, self._quota // 200))
        self._holders: OrderedDict[bytes, _Holder] = OrderedDict()
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()
        self._purged_day = -1
        key_window = math.ceil(self._burst / self._rate)
        self._key_policy = (
            f'"burst";q={self._burst};w={key_window}, "day";q={self._quota};w=86400'.encode()
        )
        window = math.ceil(ADDRESS_BURST / ADDRESS_PER_SECOND)
        self._address_policy = f'"address";q={ADDRESS_BURST};w={window}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request and let it through.

        Errors: `Exhausted` ``api.rate_exceeded`` or ``api.quota_exceeded``, with the seconds until
        the next try can succeed.
        """
        facts = facts_of(scope)
        holder = await self._holder(facts)
        if holder is None:
            self._count_address(facts)
        else:
            await self._count_key(facts, holder)
        await self._app(scope, receive, send)

    async def _holder(self, facts: Facts) -> _Holder | None:
        """The bucket of a genuine key; None for a request without one."""
        if not facts.secret:
            return None
        name = hashlib.sha256(facts.secret.encode("utf-8", "surrogatepass")).digest()
        known = _touched(self._holders, name)
        if known is None:
            try:
                principal = await self._authentication.principal(facts)
            except NotAllowed:  # told by the route that wants a key
                return None
            bucket = Bucket(self._rate, self._burst, self._burst, self._seconds())
            known = _kept(self._holders, name, _Holder(bucket, principal.key))
        return known

    def _count_address(self, facts: Facts) -> None:
        now = self._seconds()
        bucket = _touched(self._addresses, facts.client)
        if bucket is None:
            fresh = Bucket(ADDRESS_PER_SECOND, ADDRESS_BURST, ADDRESS_BURST, now)
            bucket = _kept(self._addresses, facts.client, fresh)
        taken = bucket.take(now)
        _say(facts, self._address_policy, "address", int(bucket.tokens), bucket.full_seconds())
        if not taken:
            raise Exhausted(
                "api.rate_exceeded", retry_seconds=bucket.wait_seconds(), retryable=True
            )

    async def _count_key(self, facts: Facts, holder: _Holder) -> None:
        taken = holder.bucket.take(self._seconds())
        left, full = int(holder.bucket.tokens), holder.bucket.full_seconds()
        if not taken:
            _say(facts, self._key_policy, "burst", left, full)
            wait = holder.bucket.wait_seconds()
            raise Exhausted("api.rate_exceeded", retry_seconds=wait, retryable=True)
        now_us = self._runtime.now_us()
        day = now_us // DAY_US
        if holder.day != day:
            holder.day, holder.left, holder.used_up = day, 0, False
        if holder.left == 0 and not holder.used_up:
            await self._reserve(holder, day)
        if holder.used_up:
            wait = -(-((day + 1) * DAY_US - now_us) // SECOND_US)
            _say(facts, self._key_policy, "day", 0, wait)
            raise Exhausted("api.quota_exceeded", retry_seconds=wait, quota=self._quota)
        holder.left -= 1
        _say(facts, self._key_policy, "burst", left, full)

    async def _reserve(self, holder: _Holder, day: int) -> None:
        def reserve(tx: Transaction) -> int:
            if self._purged_day != day:
                quotas.purge(tx, before_day=day - _KEPT_DAYS)
            return quotas.reserve(
                tx, holder=holder.key, day=day, block=self._block, most=self._quota
            )

        try:
            granted = await self._runtime.write(reserve)
        except YunheError:
            # A disk that takes no more must not keep people from reading what is there.
            granted = self._block
        self._purged_day = day
        if holder.day == day:  # others may have reserved meanwhile
            holder.left += granted
            holder.used_up = holder.left == 0


def _say(facts: Facts, policy: bytes, name: str, left: int, seconds: int) -> None:
    facts.answer.append((b"ratelimit-policy", policy))
    facts.answer.append((b"ratelimit", f'"{name}";r={left};t={seconds}'.encode()))


def _touched(kept: OrderedDict[_Key, _Item], name: _Key) -> _Item | None:
    found = kept.get(name)
    if found is not None:
        kept.move_to_end(name)
    return found


def _kept(kept: OrderedDict[_Key, _Item], name: _Key, item: _Item) -> _Item:
    kept[name] = item
    if len(kept) > HOLDERS_MAX:
        kept.popitem(last=False)
    return item
