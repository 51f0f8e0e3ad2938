"""Whose turn it is in the long run: what parts of the hierarchy weigh, and what they used of late.

One row for each organisation and project holds what it used, halved each half-life of the policy,
and changes when something of it is settled: no pass ever reads what happened before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from yunhe.compute.errors import refuse
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import WEIGHT_MAX, Weight
from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.scheduling.shares import decayed
from yunhe.compute.sharing import store
from yunhe.compute.specs import amount_faults
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.identity.domain import KINDS
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Finding
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction

_MS = 1_000


def note(tx: Transaction, organisation: str, project: str, *, device_ms: int, now_us: int) -> None:
    """Something was metered and settled. Cost: one row."""
    if device_ms:
        before_ms, at_us = store.used_by(tx, organisation, project)
        left_ms = _left(before_ms, at_us, now_us)
        store.set_used_by(tx, organisation, project, used_ms=left_ms + device_ms, at_us=now_us)


def _left(used_ms: int, at_us: int, now_us: int) -> int:
    half_us = YUNHE.half_life_us
    return decayed(used_ms, max(now_us - at_us, 0), half_us) if half_us else 0


def used(tx: Transaction, *, now_us: int) -> dict[tuple[str, str, str], int]:
    """Device time used, as it counts now, by kind, organisation and project, in microseconds.

    Cost: a row for each project that ever used anything.
    """
    rows = store.all_used(tx)
    kinds = identity.kinds(tx, sorted({organisation for organisation, _, _, _ in rows}))
    found = {}
    for organisation, project, used_ms, at_us in rows:
        left_ms = _left(used_ms, at_us, now_us)
        if left_ms:
            found[kinds.get(organisation, ""), organisation, project] = left_ms * _MS
    return found


def by_path(tx: Transaction) -> Mapping[tuple[str, ...], int]:
    """What the operator said parts of the hierarchy weigh, below the cities; the rest weighs 1."""
    found: dict[tuple[str, ...], int] = {}
    for one in store.weights(tx):
        if one.city:
            continue
        path = (one.kind, one.organisation, one.project)
        found[path[: 1 + bool(one.organisation) + bool(one.project)]] = one.weight
    return found


def by_city(tx: Transaction) -> dict[str, int]:
    """What the operator said cities weigh, the platform's own as ``""``; the rest weighs 1."""
    own = identity.own_city(tx)
    said = (one for one in store.weights(tx) if one.city)
    return {"" if one.city == own else one.city: one.weight for one in said}


def weigh(tx: Transaction, weight: Weight, *, said_by: str, at_us: int) -> Weight:
    """Say what a city, a kind of organisation, an organisation, or a project weighs among equals.

    From the next pass on it gets so many times the device time of an equal that weighs 1, while
    both want it. Who said so is on record; the same again changes nothing. Errors: `Invalid`
    ``compute.weight_invalid`` with every finding; `NotAllowed` ``identity.role_missing`` unless an
    operator does; `NotFound` for an unknown city, organisation or project.
    """
    findings = list(amount_faults("weight", weight.weight, least=1, most=WEIGHT_MAX))
    if weight.city:
        if weight.kind or weight.organisation or weight.project:
            findings.append(Finding("city", "compute.weight_city"))
    elif weight.kind not in KINDS:
        findings.append(Finding("kind", "compute.weight_kind", (("value", weight.kind[:64]),)))
    if weight.project and not weight.organisation:
        findings.append(Finding("project", "compute.weight_project"))
    refuse("compute.weight_invalid", findings)
    identity.require(tx, said_by, "operator")
    if weight.city:
        identity.city(tx, weight.city)
    if weight.organisation:
        found = identity.organisation(tx, weight.organisation)
        if found.kind != weight.kind:
            params = (("value", weight.kind),)
            refuse("compute.weight_invalid", [Finding("kind", "compute.weight_kind", params)])
    if weight.project:
        identity.project(tx, weight.project, organisation=weight.organisation)
    before = next((each for each in store.weights(tx) if each.part == weight.part), None)
    if before is not None and before.weight == weight.weight:
        return before
    said = replace(weight, reference=_record(tx, weight, before, said_by=said_by, at_us=at_us))
    store.set_weight(tx, said, said_by=said_by, at_us=at_us)
    passes.mark(tx)
    return said


def _record(
    tx: Transaction, weight: Weight, before: Weight | None, *, said_by: str, at_us: int
) -> str:
    body: dict[str, Json] = {} if not weight.city else {"city": weight.city}
    body |= {
        "kind": weight.kind,
        "organisation": weight.organisation,
        "project": weight.project,
        "weight": weight.weight,
        "before": 1 if before is None else before.weight,
        "said_by": said_by,
    }
    last = "" if before is None else before.reference
    links = {"replaces": last} if last else {}
    subject = derived_id("weight", *(weight.part if weight.city else weight.part[1:]), last)
    return custody.append(tx, Record("compute.weight", subject, at_us, body, links))


def weights(tx: Transaction) -> list[Weight]:
    """What was said, by city, kind, organisation and project."""
    return store.weights(tx)
