"""What is held against requests that come together, looked up once for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from yunhe.compute import store
from yunhe.compute.abilities import Abilities
from yunhe.compute.asking import Ways, start_by_us
from yunhe.compute.columns import why_text
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.gaps import Asked, tellable
from yunhe.compute.lasting import lasting
from yunhe.compute.limits import service as limits
from yunhe.compute.nearest import FLAT, Nodes, alone, nodes_for
from yunhe.compute.reasons import Why
from yunhe.compute.referring import reference_faults
from yunhe.compute.remote import store as sites
from yunhe.compute.specs import WORD, spec_faults
from yunhe.compute.supply.chips import chips_known, unknown_chip
from yunhe.compute.wanted import PRIORITIES
from yunhe.compute.ways import store as ways
from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.errors import Finding
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


class Known:
    """What there is when requests come, of one transaction in which none of it changes.

    *Cost*: some ten queries, however many requests; few more for each that names records, secrets
    or files, and those of its organisation once.
    """

    def __init__(self, storage: Storage, tx: Transaction, *, now_us: int) -> None:
        self._storage, self._tx, self._now_us = storage, tx, now_us
        self._able: dict[str, Abilities] = {}
        self._nodes: dict[frozenset[str], Nodes] = {}
        self._pointed: dict[tuple[object, ...], list[Finding]] = {}

    @cached_property
    def _pools(self) -> list[Pool]:
        return lasting(self._tx, [status.pool for status in store.pools(self._tx)])

    @cached_property
    def _chips(self) -> frozenset[str]:
        return chips_known(self._tx, offered=(pool.chip for pool in self._pools))

    @cached_property
    def _ways(self) -> Ways:
        return ways.ways(self._tx)

    @cached_property
    def _sites(self) -> Abilities:
        return sites.abilities(self._tx)

    def findings(self, asked: Asked) -> list[Finding]:
        """All that is wrong with it: in itself, against supply, and in what it points at."""
        spec, places = asked.spec, asked.unread.places
        faults = spec_faults(
            spec,
            self._pools,
            now_us=self._now_us,
            able=self._able_for(spec),
            nodes=self._nodes_for(spec),
            ways=self._ways,
            gaps=places,
        )
        told = {*places, *(each.where for each in faults if each.code == "compute.chip_nowhere")}
        names = _chip_names(spec, self._chips)
        findings = [*asked.unread.findings, *faults, *tellable(names, told), *asked.unfound]
        unsound = {finding.where for finding in findings} | places
        return findings + tellable(self._pointing(asked, unsound), places)

    def _able_for(self, spec: WorkloadSpec) -> Abilities:
        """What sites take and what binds it; once for all of an organisation that read no data.

        And that nobody handed over: of those another platform said where its consumer is.
        """
        if spec.consumer or limits.read_by(spec):
            return limits.looking_at(self._tx, self._sites, spec, now_us=self._now_us)
        found = self._able.get(spec.organisation)
        if found is None:
            found = limits.knowing(
                self._tx,
                self._sites,
                texts=[],
                organisations=[spec.organisation],
                now_us=self._now_us,
            )
            self._able[spec.organisation] = found
        return found

    def _nodes_for(self, spec: WorkloadSpec) -> Nodes:
        if alone(spec):
            return FLAT
        chips = frozenset({spec.chip, *spec.substitutes})
        if chips not in self._nodes:
            self._nodes[chips] = nodes_for(self._tx, spec, self._pools)
        return self._nodes[chips]

    def _pointing(self, asked: Asked, unsound: set[str]) -> list[Finding]:
        """What it points at and is not there; of those that point at nothing, once of each kind."""
        spec = asked.spec

        def found() -> list[Finding]:
            return reference_faults(
                self._storage, self._tx, spec, unsound=unsound, member=asked.member
            )

        if spec.input_reference is not None or spec.inputs or spec.secrets:
            return found()
        named = (spec.organisation, asked.member, spec.priority, "priority" in unsound)
        work = (spec.chip, tuple(spec.substitutes), spec.workload_class or spec.kind)
        if (*named, *work) not in self._pointed:
            self._pointed[*named, *work] = found()
        return self._pointed[*named, *work]


def _chip_names(spec: WorkloadSpec, known: Collection[str]) -> Iterator[Finding]:
    """Chips that it names and that mean nothing here."""
    named = {"chip": spec.chip} | {f"substitutes.{each[:64]}": each for each in spec.substitutes}
    for where, chip in named.items():
        if WORD.fullmatch(chip):  # what is no word at all is told already
            yield from unknown_chip(where, chip, known)


def digest(spec: WorkloadSpec) -> str | None:
    """Of a request; None for one that cannot be kept."""
    try:
        return sha256(canonical_bytes(spec.as_json()))
    except (TypeError, ValueError):
        return None


def row_of(
    workload: str, spec: WorkloadSpec, *, member: str | None, why: Why, at_us: int
) -> dict[str, object]:
    """The columns of a new workload, which waits for ``why``; all rows have the same."""
    said = canonical_bytes(spec.as_json())
    return {
        "id": workload,
        "organisation": spec.organisation,
        "project": spec.project or None,
        "member": member,
        "entry_point": spec.entry_point,
        "chip": spec.chip,
        "devices": spec.devices_all,
        "wall_seconds_max": spec.wall_seconds_max,
        "spec": said.decode(),
        "spec_digest": sha256(said),
        "state": "waiting",
        "why": why_text(why),
        "blocked": 0,
        "cancel_asked": 0,
        "submitted_at_us": at_us,
        "placements": 0,
        "attempts": 0,
        "provider_failures": 0,
        "held_voucher_minor": 0,
        "held_cash_minor": 0,
        "used_voucher_minor": 0,
        "start_by_us": start_by_us(spec) if spec.deadline_us else None,
        "priority": PRIORITIES[spec.priority] or None,
        "saves_seconds": spec.saves_seconds,
    }
