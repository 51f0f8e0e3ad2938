"""The one place that turns rules into the pools a workload may use. Pure.

Five things bind: what the workload itself says, what was said of the data it reads, whom a pool
serves, the export rules of its chip, and (in the scheduler, as it is a matter of who pays) where an
award may be used. What nobody said of a pool never lies within a limit. Work that goes to another
platform, or came from one, is done for somebody there: where nobody said of them where they are,
they may be anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from yunhe.compute.domain import Pool
from yunhe.compute.limits.jurisdictions import common, within
from yunhe.compute.reasons import Change, Why
from yunhe.compute.wanted import UNKNOWN, WorkloadSpec
from yunhe.kernel.errors import Finding

if TYPE_CHECKING:
    from yunhe.compute.limits.exports import ExportRule

NAMED_MAX = 200
"""Most letters of a list in a sentence."""
_OWN = frozenset({"compute.rule_jurisdictions", "compute.rule_provider"})
_FIELDS = {
    "compute.rule_jurisdictions": "jurisdictions",
    "compute.rule_provider": "excluded_providers",
    "compute.rule_provider_hidden": "excluded_providers",
    "compute.rule_data": "inputs",
}


@dataclass(frozen=True, slots=True)
class Beyond:
    """The nearest pool that a rule keeps a workload off."""

    pool: Pool
    """Which."""
    why: Why
    """The rule, and what would lift it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that binds beyond a workload's own words."""

    jurisdictions: Mapping[str, str] = field(default_factory=dict)
    """Whose law holds at pools, as far as somebody said."""
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Where the consumers are that pools serve, as far as their providers vouch."""
    seats: Mapping[str, str] = field(default_factory=dict)
    """Where organisations are, as far as somebody said."""
    data: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Where data may be processed, by its digest or by the custody record it came with."""
    rests: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The records in `data` that a record rests on, itself among them."""
    exports: tuple[ExportRule, ...] = ()
    """Export rules in force."""
    federated: frozenset[str] = frozenset()
    """Adapters that are other platforms."""
    number: int = 0
    """Of the last thing that was said; another number, and the pools may be others."""

    def permitted(self, spec: WorkloadSpec, pools: Iterable[Pool]) -> list[Pool]:
        """Those of the pools that no rule keeps it off. Cost: a look at each, few rules each."""
        data = self.of_data(spec)
        if not self._binds(spec, data):
            return list(pools)
        return [pool for pool in pools if next(self._bars(spec, pool, data), None) is None]

    def of_data(self, spec: WorkloadSpec) -> list[tuple[str, tuple[str, ...]]]:
        """What it reads that may not be processed everywhere, each with where it may."""
        if not self.data:
            return []
        read = {*spec.inputs.values(), spec.folder, *self.rests.get(spec.input_reference or "", ())}
        return [(name, self.data[name]) for name in sorted(read) if name in self.data]

    def reach(self, spec: WorkloadSpec) -> tuple[str, ...] | None:
        """Where it may run by its own words and its data's; None: anywhere; empty: nowhere."""
        allowed = spec.jurisdictions or None
        for _, one in self.of_data(spec):
            allowed = one if allowed is None else common(allowed, one)
        return allowed

    def beyond(self, spec: WorkloadSpec, pools: Iterable[Pool]) -> Beyond | None:
        """Of the pools that rules keep it off, the one that takes least to be allowed.

        What its owner can change alone goes first, then the fewest rules, then the lowest price.
        """
        data = self.of_data(spec)
        if not self._binds(spec, data):
            return None
        found = [
            (not {bar.code for bar in bars} <= _OWN, len(bars), pool, bars)
            for pool in pools
            if (bars := list(self._bars(spec, pool, data)))
        ]
        if not found:
            return None
        _, _, pool, bars = min(
            found, key=lambda one: (*one[:2], one[2].price_minor_per_device_hour, one[2].id)
        )
        changes = tuple(dict.fromkeys(change for bar in bars for change in bar.changes))
        return Beyond(pool, replace(bars[0], changes=changes))

    def faults(self, spec: WorkloadSpec, pools: Sequence[Pool]) -> Iterator[Finding]:
        """Limits that contradict each other, and providers that nobody knows."""
        known = {pool.provider for pool in pools}
        for name in spec.excluded_providers:
            if name not in known:
                who = (("value", name[:80]), ("known", _list(sorted(known))))
                yield Finding("excluded_providers", "compute.provider_nobody", who)
        if self.reach(spec) == ():
            said = [", ".join(spec.jurisdictions)] if spec.jurisdictions else []
            said += [", ".join(allowed) for _, allowed in self.of_data(spec)]
            params = (("limits", _list(f"[{one}]" for one in dict.fromkeys(said))),)
            yield Finding("jurisdictions", "compute.rule_contradiction", params)

    def told(self, spec: WorkloadSpec, pools: Iterable[Pool]) -> Iterator[Finding]:
        """That rules keep it off every one of these pools, with the nearest that would do."""
        found = self.beyond(spec, pools)
        if found is not None:
            where = _FIELDS.get(found.why.code, "chip")
            yield Finding(where, found.why.code, found.why.params)

    def _binds(self, spec: WorkloadSpec, data: Sequence[object]) -> bool:
        """Whether any rule could keep it off any pool."""
        own = spec.jurisdictions or spec.excluded_providers
        return bool(own or data or self.serves or self.exports)

    def _bars(
        self, spec: WorkloadSpec, pool: Pool, data: Iterable[tuple[str, tuple[str, ...]]]
    ) -> Iterator[Why]:
        """Every rule that keeps it off a pool, each with what would lift it."""
        at = self.jurisdictions.get(pool.id, "")
        here = (("pool", pool.id), ("site", pool.site), ("at", at or "-"))
        if spec.jurisdictions and not within(at, spec.jurisdictions):
            change = Change("compute.change_jurisdictions", here)
            params = (*here, ("allowed", _list(spec.jurisdictions)))
            yield Why("compute.rule_jurisdictions", params, (change,))
        if spec.excluded_providers and pool.adapter in self.federated:
            change = Change("compute.change_provider_hidden", here)
            yield Why("compute.rule_provider_hidden", here, (change,))
        elif pool.provider in spec.excluded_providers:
            named = (*here, ("provider", pool.provider))
            yield Why("compute.rule_provider", named, (Change("compute.change_provider", named),))
        for name, allowed in data:
            if not within(at, allowed):
                of = (*here, ("data", name), ("allowed", _list(allowed)))
                yield Why("compute.rule_data", of, (Change("compute.change_data", of),))
        yield from self._served(spec, pool, at)

    def _served(self, spec: WorkloadSpec, pool: Pool, at: str) -> Iterator[Why]:
        """Whom the pool serves: as its provider says, or else as the export rules say."""
        serves = self.serves.get(pool.id, ())
        here = (("pool", pool.id), ("site", pool.site), ("at", at or "-"))
        for seat in consumers(
            spec, self.seats.get(spec.organisation, ""), abroad=pool.adapter in self.federated
        ):
            params = (*here, ("consumer", seat or "-"))
            change = Change("compute.change_serves", params)
            if serves:
                if not within(seat, serves):
                    said = (*params, ("allowed", _list(serves)))
                    yield Why("compute.rule_serves", said, (change,))
                    return
                continue
            for rule in self.exports:
                if rule.forbids(pool.chip, at=at, consumer=seat):
                    named = (*params, ("chip", pool.chip), ("rule", rule.id))
                    if seat == UNKNOWN:
                        lifted = Change("compute.change_seat", named)
                        yield Why("compute.rule_export_unknown", named, (lifted,))
                    else:
                        yield Why("compute.rule_export", named, (change,))
                    return


UNLIMITED = Limits()
"""Where nothing was said."""


def consumers(spec: WorkloadSpec, seat: str, *, abroad: bool) -> tuple[str, ...]:
    """Where those are whom a workload is done for; a pool must be allowed to serve all of them.

    ``seat``: where its organisation is, as far as somebody said. Of work that came from another
    platform both count, that one and whoever stands behind it. ``abroad``: for a pool that is
    another platform, which holds `UNKNOWN` against it, as this one does.
    """
    if spec.consumer:
        return (spec.consumer, seat) if seat else (spec.consumer,)
    return (seat or (UNKNOWN if abroad else ""),)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)[:NAMED_MAX] or "-"
