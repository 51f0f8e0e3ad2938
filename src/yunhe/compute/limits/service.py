"""Says where data may be processed, where organisations are, and whom pools serve."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal, get_args

from yunhe.compute import store as pools
from yunhe.compute.abilities import Abilities
from yunhe.compute.domain import Pool
from yunhe.compute.folders.laying import manifest_of
from yunhe.compute.limits import store
from yunhe.compute.limits.domain import Limits, consumers
from yunhe.compute.limits.exports import in_force
from yunhe.compute.limits.jurisdictions import common, faults
from yunhe.compute.remote import store as sites
from yunhe.compute.scheduling.state import AwardView
from yunhe.compute.supply import store as supply
from yunhe.compute.wanted import UNKNOWN, WorkloadSpec
from yunhe.custody import service as custody
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Exhausted, Finding, Invalid, NotFound
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

What = Literal["data", "award", "organisation", "pool"]
"""Where data may be processed; where an award may be used; where an organisation is; where those
are whom a pool serves."""
WHATS: tuple[What, ...] = get_args(What)
REASON_LETTERS_MAX = 200
"""Longest reason."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE = re.compile(r"[0-9a-f]{64}")
NOWHERE = ("-",)
"""What is kept of what may be processed nowhere: an empty list would lift what was said."""
_NOTHING = f"sha256:{sha256(b'').hexdigest()}"
_INPUT = re.compile(r'"input_reference":"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said of a place; the last of a subject holds."""

    number: int
    """Its order."""
    what: What
    """What it is about."""
    subject: str
    """A digest or a custody record; an award; an organisation; a pool."""
    jurisdictions: tuple[str, ...]
    """Where; empty: what was said before no longer holds."""
    reason: str
    """Why."""
    by: str
    """Member; empty: it came with what the data was made of."""
    at_us: int
    """When."""


def limit_data(
    tx: Transaction,
    subject: str,
    jurisdictions: Sequence[str],
    *,
    reason: str,
    by: str,
    at_us: int,
) -> None:
    """Let data be processed in these jurisdictions only; none: anywhere again.

    ``subject``: its digest, or the custody record that everything made of it rests on. What is
    placed already goes on. For floors above, whose terms of data say so; a person says it by
    `say`. Errors: `Invalid` ``compute.limit_invalid``.
    """
    _say(tx, "data", subject, jurisdictions, reason=reason, by=by, at_us=at_us)


def say(
    storage: Storage,
    what: str,
    subject: str,
    jurisdictions: Sequence[str],
    *,
    reason: str,
    by: str,
) -> Said:
    """Say it, and look at what waits again; the same as stands already changes nothing.

    What is said of a file holds for the folders of open work that it lies in; they are looked
    through first, and what came meanwhile within the transaction.
    Errors: `Invalid` ``compute.limit_invalid`` with every finding; `NotAllowed`
    ``identity.role_missing`` unless an operator says it.
    """
    from yunhe.compute.admission import admit  # noqa: PLC0415 - what waits needs these limits
    from yunhe.identity import service as identity  # noqa: PLC0415 - likewise

    now_us = storage.clock.now_us()
    known = next((one for one in WHATS if one == what), None)
    if known is None:
        params = (("value", what[:40]), ("known", ", ".join(WHATS)))
        wrong = [Finding("what", "compute.choice_unknown", params)]
        raise Invalid("compute.limit_invalid", findings=[*wrong, *faults("in", jurisdictions)])
    folders, holding = set[str](), list[str]()
    if known == "data" and _DIGEST.fullmatch(subject):
        with storage.database.read() as tx:
            identity.require(tx, by, "operator")
            folders = set(pools.folders(tx))
        holding = _holding(storage, folders, subject)
    with storage.database.begin() as tx:
        identity.require(tx, by, "operator")
        if known == "organisation":
            identity.organisation(tx, subject)
        if known == "pool" and pools.pool(tx, subject) is None:
            raise NotFound("compute.pool_unknown", pool=subject)
        if known == "award" and not pools.awards(tx, award=subject):
            raise NotFound("compute.award_unknown", award=subject)
        if _say(tx, known, subject, jurisdictions, reason=reason, by=by, at_us=now_us):
            if known == "data" and _DIGEST.fullmatch(subject):
                holding += _holding(storage, set(pools.folders(tx)) - folders, subject)
                carry(tx, [subject], holding, at_us=now_us)
            admit(tx, now_us=now_us)
        there = said(tx, what=known, subject=subject, limit=1)
        return there[0] if there else Said(0, known, subject, (), reason, by, now_us)


def _say(
    tx: Transaction,
    what: What,
    subject: str,
    jurisdictions: Sequence[str],
    *,
    reason: str,
    by: str,
    at_us: int,
) -> bool:
    codes = tuple(sorted(set(jurisdictions)))
    findings = list(faults("in", jurisdictions))
    if what == "organisation" and len(codes) > 1:
        findings.append(Finding("in", "compute.limit_one_seat"))
    if what == "data" and not (_DIGEST.fullmatch(subject) or _REFERENCE.fullmatch(subject)):
        findings.append(Finding("subject", "compute.limit_subject", (("value", subject[:80]),)))
    if not reason.strip() or len(reason) > REASON_LETTERS_MAX or not reason.isprintable():
        params = (("letters_max", REASON_LETTERS_MAX),)
        findings.append(Finding("reason", "compute.text_invalid", params))
    if findings:
        raise Invalid("compute.limit_invalid", findings=findings)
    before = said(tx, what=what, subject=subject, limit=1)
    if codes == (before[0].jurisdictions if before else ()):
        return False
    store.say(tx, what, subject, codes, reason=reason, by=by, at_us=at_us)
    return True


def said(
    tx: Transaction, *, what: str = "", subject: str = "", before: int = 0, limit: int = 50
) -> list[Said]:
    """What was said, the last first; of one subject, its history."""
    rows = store.said(tx, what=what, subject=subject, before=before, limit=limit)
    return [
        Said(**{**row, "jurisdictions": tuple(json.loads(row["jurisdictions"]))}) for row in rows
    ]


def limit_award(
    tx: Transaction,
    award: str,
    jurisdictions: Sequence[str],
    *,
    reason: str,
    by: str,
    at_us: int,
) -> None:
    """Let an award pay only for pools in these jurisdictions; none: for any again.

    Errors: `Invalid` ``compute.limit_invalid``.
    """
    _say(tx, "award", award, jurisdictions, reason=reason, by=by, at_us=at_us)


def read_by(spec: WorkloadSpec) -> list[str]:
    """Digests and the custody record of what a workload reads."""
    return [*spec.inputs.values(), *filter(None, (spec.folder, spec.input_reference))]


def carry(tx: Transaction, read: Iterable[str], made: Iterable[str], *, at_us: int) -> None:
    """What was made of limited data may be processed where all of that may; nothing is widened.

    ``read``: digests and custody records; ``made``: digests. What was read as it is, and a file
    with nothing in it, was not made. An operator who says otherwise of something made is heard: the
    last word counts. Where what was read contradicts itself by now, what was made of it may be
    processed nowhere. Cost: one query where nothing was ever said of data.
    """
    sources = set(read)
    fresh = set(made) - sources - {_NOTHING}
    allowed = _of_data(tx, sources) if fresh and store.any_data(tx) else None
    if allowed is None:
        return
    there = store.last(tx, "data", fresh)
    for digest in sorted(fresh):
        before, by = there.get(digest, (None, ""))
        codes = (allowed if before is None else common(before, allowed)) or NOWHERE
        if codes != before and not by:
            store.say(tx, "data", digest, codes, reason="", by="", at_us=at_us)


def knowing(
    tx: Transaction,
    able: Abilities,
    *,
    texts: Sequence[str],
    organisations: Iterable[str],
    now_us: int,
) -> Abilities:
    """What sites take, and what binds the workloads whose specs these are.

    Cost: a row for each pool of which something was said, each organisation and each limited piece
    of data that is read; where records are limited, a walk up from each that is named.
    """
    rests: dict[str, frozenset[str]] = {}
    data: dict[str, tuple[str, ...]] = {}
    if store.any_data(tx):
        read = {digest for text in texts for digest in _DIGEST.findall(text)}
        named = {found for text in texts for found in _INPUT.findall(text)}
        if named and store.any_records(tx):
            rests = {one: _chain(tx, one) for one in sorted(named)}
        data = store.standing(tx, "data", read.union(*rests.values()))
        for one, chain in rests.items():
            if not chain:
                data[one] = ()  # nobody can say any more what it rests on, so it goes nowhere
            rests[one] = (chain or frozenset({one})) & data.keys()
    seats = store.standing(tx, "organisation", organisations)
    standings, federated = supply.standings(tx).values(), sites.federated(tx)
    carried = any('"consumer":' in text for text in texts)
    limits = Limits(
        jurisdictions={each.pool: each.jurisdiction for each in standings if each.jurisdiction},
        serves=store.standing(tx, "pool"),
        seats={organisation: codes[0] for organisation, codes in seats.items()},
        data=data,
        rests=rests,
        exports=in_force(now_us) if seats or federated or carried else (),
        federated=federated,
        number=store.number(tx),
    )
    return replace(able, limits=limits)


def _holding(storage: Storage, folders: Iterable[str], digest: str) -> list[str]:
    """Those of the folders that a file lies in; one that is no folder any more holds none."""
    found = []
    for folder in sorted(folders):
        with suppress(NotFound, Invalid):
            if digest in manifest_of(storage.blobs, folder).digests():
                found.append(folder)
    return found


def _of_data(tx: Transaction, read: Iterable[str]) -> tuple[str, ...] | None:
    """Where all of this may be processed; None: anywhere; empty: nowhere."""
    names = set(read)
    if store.any_records(tx):
        chains = [_chain(tx, one) for one in sorted(names) if _REFERENCE.fullmatch(one)]
        if not all(chains):
            return ()
        names = names.union(*chains)
    allowed: tuple[str, ...] | None = None
    for one in store.standing(tx, "data", names).values():
        allowed = one if allowed is None else common(allowed, one)
    return () if allowed == NOWHERE else allowed


def reach(tx: Transaction, spec: WorkloadSpec, *, awards: Iterable[str]) -> tuple[str, ...] | None:
    """Where a workload may run by its own words, its data's and its awards', to travel with it.

    None: anywhere; empty: nowhere. Cost: two queries.
    """
    if not store.number(tx):
        return spec.jurisdictions or None
    said = [spec.jurisdictions or None, _of_data(tx, read_by(spec))]
    found: tuple[str, ...] | None = None
    for one in (*said, *store.standing(tx, "award", awards).values()):
        found = one if found is None else found if one is None else common(found, one)
    return found


def abroad(
    tx: Transaction, spec: WorkloadSpec, pool: str, *, awards: Iterable[str], now_us: int
) -> tuple[str, ...] | None:
    """As `reach`, for a pool's platform; for another one, with what export rules leave there.

    Another platform does not learn whose work it is handed, and may place it in any of its pools:
    so where those may stand travels with it, unless whom the pool serves was said.
    """
    found = reach(tx, spec, awards=awards)
    there = _abroad(tx, pool)
    if there is None or store.standing(tx, "pool", [pool]):
        return found
    seats = consumers(spec, _seat(tx, spec), abroad=True)
    for rule in in_force(now_us):
        if any(rule.concerns(there.chip, seat) for seat in seats):
            found = rule.not_at if found is None else common(found, rule.not_at)
    return found


def consumer(tx: Transaction, spec: WorkloadSpec, pool: str) -> str:
    """Where whoever a workload is done for is, to travel with it to a pool's platform.

    Empty where nobody said it, and for a pool that is no other platform. What another platform said
    when it handed the work over here goes before what is said of the organisation it uses here.
    """
    if _abroad(tx, pool) is None:
        return ""
    found = consumers(spec, _seat(tx, spec), abroad=True)[0]
    return "" if found == UNKNOWN else found


def _abroad(tx: Transaction, pool: str) -> Pool | None:
    """A pool that is another platform; None for any other."""
    federated = sites.federated(tx)
    there = pools.pool(tx, pool) if federated else None
    return None if there is None or there.adapter not in federated else there


def _seat(tx: Transaction, spec: WorkloadSpec) -> str:
    """Where its organisation is; empty where nobody said it."""
    said = store.standing(tx, "organisation", [spec.organisation])
    return said.get(spec.organisation, ("",))[0]


def awarded(tx: Transaction, views: Sequence[AwardView], said: Limits) -> Iterator[AwardView]:
    """The awards, each with where it may be used. Cost: one query for some hundred awards."""
    where = store.standing(tx, "award", [view.id for view in views]) if said.number else {}
    for view in views:
        yield replace(view, jurisdictions=where[view.id]) if view.id in where else view


def looking_at(tx: Transaction, able: Abilities, spec: WorkloadSpec, *, now_us: int) -> Abilities:
    """What sites take, and what binds one workload that is asked for."""
    try:
        text = canonical_bytes(spec.as_json()).decode()
    except (TypeError, ValueError):  # what is wrong with it is told elsewhere
        text = ""
    return knowing(tx, able, texts=[text], organisations=[spec.organisation], now_us=now_us)


def _chain(tx: Transaction, reference: str) -> frozenset[str]:
    """A record and all it rests on; nothing where the chain cannot be followed to its end."""
    try:
        entries = custody.ancestors(tx, reference).entries
    except (Exhausted, NotFound):
        return frozenset()
    whole = all(entry.record is not None for entry in entries.values())
    return frozenset(entries) if whole else frozenset()
