"""What each organisation may still spend, and what a request would take of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yunhe.compute.limits.jurisdictions import within
from yunhe.compute.scheduling import cost
from yunhe.compute.scheduling.shapes import Tier
from yunhe.compute.scheduling.state import AwardView, Request, VoucherView
from yunhe.compute.scheduling.weights import Draw, Rates, covered, rate_of, units


@dataclass(frozen=True, slots=True)
class Bill:
    """What running a request somewhere would take."""

    draws: tuple[Draw, ...]
    """Device time, of the award that expires first before the others; all in one unit."""
    voucher: VoucherView | None
    """The voucher that pays most of it."""
    share: cost.Share
    """What it and cash pay."""
    missing_ms: int
    """Device time that no award has, as an award for `of` would give it."""
    missing_cash: int
    """Money that is not there."""
    of: str
    """What the awards are for that it draws on: the chip itself, or the word for several."""
    elsewhere: tuple[str, ...] = ()
    """Where awards may be used that would pay for what is missing, but not there."""

    @property
    def affordable(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing_ms and not self.missing_cash


_Drawn = tuple[list[Draw], int, str]


class Budgets:
    """Awards, vouchers and cash as they change while requests are placed."""

    def __init__(
        self,
        awards: Iterable[AwardView],
        vouchers: Iterable[VoucherView],
        cash: Mapping[tuple[str, str], int],
    ) -> None:
        self._awards: defaultdict[tuple[str, str], list[AwardView]] = defaultdict(list)
        self._award_left: dict[str, int] = {}
        self._several: dict[str, list[str]] = {}
        self._rates: dict[str, Rates] = {}
        self.placed = False
        """Whether any award may be used in some places only."""
        for award in sorted(awards, key=lambda award: (award.expires_at_us, award.id)):
            self.placed |= bool(award.jurisdictions)
            self._awards[award.organisation, award.chip].append(award)
            self._award_left[award.id] = award.left_ms
            if award.rates:
                words = self._several.setdefault(award.organisation, [])
                words += [] if award.chip in words else [award.chip]
                self._rates[award.id] = {(chip, work): rate for chip, work, rate in award.rates}
        self._vouchers: defaultdict[tuple[str, str], list[VoucherView]] = defaultdict(list)
        self._voucher_left: dict[str, int] = {}
        for voucher in sorted(vouchers, key=lambda voucher: voucher.id):
            self._vouchers[voucher.organisation, voucher.currency].append(voucher)
            self._voucher_left[voucher.id] = voucher.left_minor
        self._cash = dict(cash)

    def bill(self, request: Request, tier: Tier, *, wall_seconds: int, now_us: int) -> Bill:
        """What so much wall time on such a chip would take; grows with the wall time.

        Awards for the chip itself pay where they have enough; otherwise those for several chips
        that have, the first to expire first. One workload draws on awards for one thing alone, so
        that one hold covers it.
        """
        need_ms = cost.device_ms_max(
            devices=request.devices_all,
            wall_seconds_max=wall_on(tier, wall_seconds),
            milli=request.milli or 1_000,
        )
        draws, left_ms, of = [], need_ms, tier.chip
        for award in self._awards.get((request.organisation, tier.chip), ()):
            part = min(self._award_left[award.id], left_ms)
            if part > 0 and award.expires_at_us > now_us and _pays_at(award, tier):
                draws.append(Draw(award.id, part))
                left_ms -= part
        if left_ms and request.organisation in self._several:
            draws, left_ms, of = self._of_several(
                request, tier, need_ms, now_us=now_us, otherwise=(draws, left_ms, of)
            )
        amount = cost.cost(need_ms, price_minor_per_device_hour=tier.price)
        voucher, share = self._share(request.organisation, tier.currency, amount)
        cash = max(self._cash.get((request.organisation, tier.currency), 0), 0)
        missing_cash = max(share.cash_minor - cash, 0)
        elsewhere = self._elsewhere(request, tier, now_us) if left_ms and self.placed else ()
        return Bill(tuple(draws), voucher, share, left_ms, missing_cash, of, elsewhere)

    def _elsewhere(self, request: Request, tier: Tier, now_us: int) -> tuple[str, ...]:
        """Where awards that it could draw on may be used, of those that may not be there."""
        found: set[str] = set()
        for word in (tier.chip, *self._several.get(request.organisation, ())):
            for award in self._awards.get((request.organisation, word), ()):
                rates, work = self._rates.get(award.id, {}), request.workload_class
                takes = word == tier.chip or rate_of(rates, tier.chip, work) is not None
                able = award.expires_at_us > now_us and self._award_left[award.id] > 0
                if takes and able and not _pays_at(award, tier):
                    found |= set(award.jurisdictions)
        return tuple(sorted(found))

    def _of_several(
        self, request: Request, tier: Tier, need_ms: int, *, now_us: int, otherwise: _Drawn
    ) -> _Drawn:
        """The first awards for several chips that cover it; else whatever lacks least."""
        chip = tier.chip
        best, lacks_ms = otherwise, otherwise[1]
        for word in self._several[request.organisation]:
            draws, left_ms, last = [], need_ms, 0
            for award in self._awards[request.organisation, word]:
                rate = rate_of(self._rates.get(award.id, {}), chip, request.workload_class)
                if rate is None or award.expires_at_us <= now_us or not _pays_at(award, tier):
                    continue
                last, has = rate, self._award_left[award.id]
                part, raw_ms = min(units(left_ms, rate), has), left_ms
                if part == has < units(left_ms, rate):
                    raw_ms = min(covered(has, rate), left_ms)
                    part = units(raw_ms, rate)
                if raw_ms > 0:
                    draws.append(Draw(award.id, part, word, raw_ms, rate))
                    left_ms -= raw_ms
            if last and left_ms < lacks_ms:
                best, lacks_ms = (draws, units(left_ms, last), word), left_ms
            if not lacks_ms:
                break
        return best

    def _share(
        self, organisation: str, currency: str, amount: int
    ) -> tuple[VoucherView | None, cost.Share]:
        best: tuple[VoucherView | None, cost.Share] = (None, cost.Share(0, amount))
        for voucher in self._vouchers.get((organisation, currency), ()):
            share = cost.share(
                amount,
                share_percent=voucher.share_percent,
                voucher_left_minor=self._voucher_left[voucher.id],
            )
            if share.voucher_minor > best[1].voucher_minor:
                best = (voucher, share)
        return best

    def spend(self, request: Request, tier: Tier, bill: Bill) -> None:
        """Take it."""
        for draw in bill.draws:
            self._award_left[draw.award] -= draw.device_ms
        if bill.voucher is not None:
            self._voucher_left[bill.voucher.id] -= bill.share.voucher_minor
        if bill.share.cash_minor:
            self._cash[request.organisation, tier.currency] -= bill.share.cash_minor

    def expired(self, request: Request, *, now_us: int) -> bool:
        """Whether an award that the request's chip could draw on has expired."""
        for word in (request.chip, *self._several.get(request.organisation, ())):
            for award in self._awards.get((request.organisation, word), ()):
                rates = self._rates.get(award.id, {})
                takes = (
                    word == request.chip
                    or rate_of(rates, request.chip, request.workload_class) is not None
                )
                if takes and award.expires_at_us <= now_us:
                    return True
        return False


def _pays_at(award: AwardView, tier: Tier) -> bool:
    return not award.jurisdictions or within(tier.jurisdiction, award.jurisdictions)


def wall_on(tier: Tier, wall_seconds: int) -> int:
    """A wall limit on another chip: longer on a slower one, and with the data's way there."""
    return -(-wall_seconds * 1_000 // tier.speed) + tier.transfer_seconds
