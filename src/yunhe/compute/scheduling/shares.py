"""Who used how much of late: city, kind of organisation, organisation, project, against its equals.

Where every organisation is of one city, that level is left out: it would change no order.

Device time counts half after each half-life; what is occupied now counts at once, so that nobody
takes everything in one pass. The past is read once in each *tick*, a 256th part of the
half-life, as it was at the beginning of the tick: within a tick a share changes only for those
whose devices do, so an order by shares is kept and need not be made anew. A share follows from what
was occupied and when, never from who asked for it. Whole numbers only: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yunhe.compute.scheduling.state import Request

Path = tuple[str, ...]
"""A level of the hierarchy from the top: ``(kind,)``, ``(kind, organisation)``, …; where there are
cities, ``(city,)``, ``(city, kind)``, …
"""
SCALE = 1_000
"""Shares are thousandths of a device for each unit of weight."""
TICKS = 256
"""Ticks of a half-life: 5.6 minutes of a day."""
_UNREAD = -1


@dataclass(frozen=True, slots=True)
class Cities:
    """The level above the kinds, where a platform serves several cities."""

    of: Mapping[str, str] = field(default_factory=dict)
    """City by organisation; whoever is not named belongs to the platform's own, ``""``."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Shares of the cities to one another; 1 where not said."""


ONE_CITY = Cities()
"""Everybody belongs to the platform's own."""


@dataclass(slots=True, eq=False)
class Account:
    """What one part of the hierarchy used and occupies."""

    weight: int = 1
    """Its share among its equals."""
    used_us: int = 0
    """Device time, as it counted at `at_us`."""
    busy: int = 0
    """Thousandths of devices occupied now."""
    at_us: int = 0
    """When anything of it changed last."""
    tick: int = _UNREAD
    """For which `average` holds."""
    average: int = 0
    """Devices over the recent past, in parts of `SCALE`."""


@dataclass(slots=True)
class Shares:
    """The hierarchy and what each part of it used."""

    half_life_us: int
    """After this time what was used counts half; 0: only what is occupied counts."""
    weights: Mapping[Path, int] = field(default_factory=dict)
    """Shares to one another among the children of one node, by path below the city; 1 unsaid."""
    cities: Cities = ONE_CITY
    """The level above; none where it names nobody."""
    _accounts: dict[Path, Account] = field(default_factory=dict)
    _chains: dict[tuple[str, str, str], tuple[Account, ...]] = field(default_factory=dict)
    _tick_us: int = 1
    _city: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tick_us = max(self.half_life_us // TICKS, 1)
        self._city = self.cities.of

    def path(self, request: Request) -> Path:
        """All levels above a request, from the top down to its project."""
        organisation = request.organisation
        if self._city:
            city = self._city.get(organisation, "")
            return city, request.kind, organisation, request.project
        return request.kind, organisation, request.project

    def paths(self, request: Request) -> tuple[Path, ...]:
        """Each of these levels, from the top."""
        path = self.path(request)
        return tuple(path[:end] for end in range(1, len(path) + 1))

    def whole(self, path: Path) -> Path:
        """From the top, of a path that begins at the kind."""
        if not self._city:
            return path
        return (self._city.get(path[1], "") if len(path) > 1 else "", *path)

    def occupy(self, request: Request, milli: int, *, now_us: int) -> None:
        """Thousandths of devices taken, or returned when negative, on each level above it."""
        key = request.kind, request.organisation, request.project
        chain = self._chains.get(key)
        if chain is None:
            chain = self._chains[key] = tuple(self.account(path) for path in self.paths(request))
        tick = self.tick(now_us)
        for account in chain:
            if now_us > account.at_us:
                self._settle(account, now_us, tick)
            account.busy += milli

    def occupy_by(self, path: Path, devices: int, *, now_us: int) -> None:
        """Whole devices taken by a part of the hierarchy below the city, on each level to it."""
        path = self.whole(path)
        for end in range(1, len(path) + 1):
            self._settled(path[:end], now_us).busy += devices * 1_000

    def used(self, request: Request, device_us: int, *, now_us: int) -> None:
        """Device time known from elsewhere, e.g. of before a restart; it counts at once."""
        for path in self.paths(request):
            account = self._settled(path, now_us)
            account.used_us += device_us
            account.tick = _UNREAD

    def used_by(self, path: Path, device_us: int, *, now_us: int) -> None:
        """As `used`, by a part of the hierarchy below the city, on each level down to it."""
        path = self.whole(path)
        for end in range(1, len(path) + 1):
            account = self._settled(path[:end], now_us)
            account.used_us += device_us
            account.tick = _UNREAD

    def rank(self, request: Request, *, now_us: int) -> tuple[int, ...]:
        """Use by weight on each level, from the top: the least goes first."""
        tick = self.tick(now_us)
        return tuple(self.share(self.account(path), tick) for path in self.paths(request))

    def tick(self, now_us: int) -> int:
        """The tick that an instant falls into."""
        return now_us // self._tick_us if self.half_life_us else 0

    def account(self, path: Path) -> Account:
        """That of a part of the hierarchy; the same object for ever."""
        account = self._accounts.get(path)
        if account is None:
            account = self._accounts[path] = Account(max(self._weight(path), 1))
        return account

    def _weight(self, path: Path) -> int:
        if not self._city:
            return self.weights.get(path, 1)
        below = path[1:]
        return self.weights.get(below, 1) if below else self.cities.weights.get(path[0], 1)

    def share(self, account: Account, tick: int) -> int:
        """Use by weight in a tick, which is not before that of the account's last change."""
        if account.tick != tick:
            self._read(account, tick)
        weight = account.weight
        used = account.busy + account.average  # thousandths both
        return used if weight == 1 else used // weight

    def _read(self, account: Account, tick: int) -> None:
        account.tick = tick
        # What decays at this half-life averages to so many devices over the recent past.
        used_us = account.used_us
        if used_us or account.busy:
            used_us = self._used_us(account, tick * self._tick_us)
            account.average = used_us * SCALE // (self.half_life_us or 1) * 69 // 100
        else:
            account.average = 0

    def _used_us(self, account: Account, now_us: int) -> int:
        used_us, busy, half_us = account.used_us, account.busy, self.half_life_us
        elapsed = now_us - account.at_us
        if elapsed <= 0 or not half_us or not (used_us or busy):
            return used_us
        if elapsed < half_us:  # as `decayed` and the bound below, without a call
            left_us = used_us * (2 * half_us - elapsed) // (2 * half_us) if used_us else 0
            return left_us + busy * elapsed // 1_000
        left_us = decayed(used_us, elapsed, half_us)
        return left_us + busy * min(elapsed, 2 * half_us) // 1_000

    def _settled(self, path: Path, now_us: int) -> Account:
        account = self.account(path)
        if now_us > account.at_us:
            self._settle(account, now_us, self.tick(now_us))
        return account

    def _settle(self, account: Account, now_us: int, tick: int) -> None:
        """Bring it to an instant, of that tick, that is after its own."""
        if account.tick != tick:
            self._read(account, tick)
        account.used_us = self._used_us(account, now_us)
        account.at_us = now_us


def decayed(amount: int, elapsed_us: int, half_life_us: int) -> int:
    """What is left of an amount, halved each half-life and falling straight in between."""
    halvings, rest = divmod(elapsed_us, half_life_us)
    if halvings > amount.bit_length():
        return 0
    return (amount >> halvings) * (2 * half_life_us - rest) // (2 * half_life_us)
