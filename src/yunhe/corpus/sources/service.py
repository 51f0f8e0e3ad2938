"""Commands of the register of sources: register, sample, decide, and look before a cleansing.

Three people at least: who registers a source does not judge its samples, and neither decides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from yunhe.corpus.sources import acceptance, licences, tables
from yunhe.corpus.sources.domain import (
    CONSENTS,
    METHODS,
    PERSONAL_DATA,
    ROBOTS,
    Decision,
    Facts,
    Sample,
    Source,
    State,
)
from yunhe.corpus.sources.judging import LOOKED_MAX, judge, rules
from yunhe.corpus.sources.licences import Terms, merged
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction

__all__ = [
    "Facts",
    "Sample",
    "Source",
    "Terms",
    "decide",
    "merged",
    "newest",
    "obstacles",
    "register",
    "require_accepted",
    "sample",
    "samples",
    "source",
    "source_unknown",
]

SAMPLES_MAX = 1000
"""Most samples of one source."""
_AFTER: dict[Decision, State] = {
    "accept": "accepted", "refuse": "refused", "withdraw": "withdrawn",
}  # fmt: skip
obstacles = acceptance.obstacles
"""What stands against using a source."""


def source_unknown(source: str) -> NotFound:
    """The same whether it does not exist or is somebody else's."""
    return NotFound("corpus.source_not_registered", source=source[:64])


def register(
    tx: Transaction, facts: Facts, *, key: str, holder: str, member: str, at_us: int
) -> Source:
    """Put a source into the register; the same key is the same source.

    Errors: `Invalid` ``corpus.source_invalid`` with every field; `Conflict`
    ``corpus.request_differs``.
    """
    _check(facts)
    named = derived_id("source", "register", holder, key)
    content = {name: getattr(facts, name) for name in Facts.__dataclass_fields__}
    asked = digest_of(
        {**content, "declared": dict(facts.declared), "languages": list(facts.languages)}
    )
    before = tables.request_of(tx, named)
    if before is None:
        made = Source(
            id=named,
            holder=holder,
            facts=facts,
            state="registered",
            judgement=judge(0, 0),
            terms=licences.terms(facts.licence, facts.declared),
            registered_by=member,
            at_us=at_us,
            decided_by="",
            decided_at_us=None,
            reference="",
        )
        tables.add(tx, made, request=asked)
    elif before != asked:
        raise Conflict("corpus.request_differs", key=key)
    return source(tx, named)


def source(tx: Transaction, source: str) -> Source:
    """One source. Errors: `NotFound` ``corpus.source_not_registered``."""
    found = tables.by_id(tx, source)
    if found is None:
        raise source_unknown(source)
    return found


def newest(
    tx: Transaction,
    *,
    holder: str | None,
    state: str = "",
    after: tuple[int, str] = (0, ""),
    limit: int = 50,
) -> list[Source]:
    """Sources of one holder, or of anybody, newest first; ``after`` the last one already seen."""
    return tables.newest(tx, holder=holder, state=state, after=after, limit=limit)


def samples(tx: Transaction, source: str) -> list[Sample]:
    """All samples of a source, in order."""
    return tables.samples_of(tx, source)


def sample(
    tx: Transaction,
    source_id: str,
    *,
    key: str,
    looked: int,
    illegal: int,
    method: str,
    member: str,
    at_us: int,
) -> Source:
    """Add what was found in a sample; an accepted source that it speaks against is open again.

    Errors: `Invalid` ``corpus.source_invalid``; `NotAllowed` ``corpus.source_own_sample`` for who
    registered it; `Conflict` ``corpus.source_ended`` for one refused or withdrawn,
    ``corpus.request_differs``; `NotFound`.
    """
    there = source(tx, source_id)
    _check_sample(looked, illegal, method)
    before = tables.sample_by_key(tx, key)
    if before is not None:
        asked = (source_id, looked, illegal, method, member)
        known = (before[0], *(getattr(before[1], name) for name in _SAMPLED))
        if asked != known:
            raise Conflict("corpus.request_differs", key=key)
        return there
    if member == there.registered_by:
        raise NotAllowed("corpus.source_own_sample", source=source_id)
    if there.state in ("refused", "withdrawn"):
        raise Conflict("corpus.source_ended", source=source_id, state=there.state)
    number = tables.count_samples(tx, source_id) + 1
    if number > SAMPLES_MAX:
        raise Conflict("corpus.source_samples_many", max=SAMPLES_MAX)
    made = Sample(number, looked, illegal, method, member, at_us)
    tables.add_sample(tx, source_id, made, key=key)
    now = source(tx, source_id)
    if there.state != "accepted" or obstacles(now):
        tables.change(tx, source_id, state="sampled")
    return source(tx, source_id)


_SAMPLED = ("looked", "illegal", "method", "labelled_by")


def decide(
    tx: Transaction, source_id: str, decision: Decision, *, reason: str, member: str, at_us: int
) -> Source:
    """Accept or refuse a source, or withdraw it, with a record in custody.

    Deciding again what is decided changes nothing. Errors: `Conflict` ``corpus.source_ended``,
    ``corpus.source_not_acceptable`` with everything that stands against it; `NotAllowed`
    ``corpus.source_own_decision`` for who registered it or judged a sample, unless it is withdrawn;
    `NotFound`.
    """
    there = source(tx, source_id)
    if there.state == _AFTER[decision]:
        return there
    if there.state == "withdrawn" or (there.state == "refused" and decision == "accept"):
        raise Conflict("corpus.source_ended", source=source_id, state=there.state)
    labelled_by = {each.labelled_by for each in tables.samples_of(tx, source_id)}
    if decision != "withdraw" and member in {there.registered_by, *labelled_by}:
        raise NotAllowed("corpus.source_own_decision", source=source_id)
    against = obstacles(there)
    if decision == "accept" and against:
        raise Conflict("corpus.source_not_acceptable", source=source_id, findings=against)
    number = tables.decisions(tx, source_id) + 1
    decided = replace(there, state=_AFTER[decision], decided_by=member, decided_at_us=at_us)
    reference = _append(tx, decided, decision, reason=reason, number=number)
    tables.change(
        tx,
        source_id,
        state=decided.state,
        decided_by=member,
        decided_at_us=at_us,
        decisions=number,
        reference=reference,
    )
    return source(tx, source_id)


def require_accepted(tx: Transaction, source_id: str, *, holder: str) -> Source:
    """The source, if this holder may cleanse data of it.

    Errors: `NotFound` ``corpus.source_not_registered``, also for somebody else's; `Conflict`
    ``corpus.source_not_accepted``.
    """
    found = source(tx, source_id)
    if found.holder != holder:
        raise source_unknown(source_id)
    if found.state != "accepted":
        raise Conflict("corpus.source_not_accepted", source=source_id, state=found.state)
    return found


def _append(
    tx: Transaction, decided: Source, decision: Decision, *, reason: str, number: int
) -> str:
    earlier = {"before": decided.reference} if decided.reference else {}
    return custody.append(
        tx,
        Record(
            kind="data.source_review",
            subject=derived_id("review", decided.id, str(number)),
            at_us=decided.decided_at_us or 0,
            body={
                "source": decided.id,
                "holder": decided.holder,
                "decision": decision,
                "reason": reason,
                "sample": decided.judgement.as_json(),
                "terms": decided.terms.as_json(),
                "method": decided.facts.method,
                "consent": decided.facts.consent,
                "personal_data": decided.facts.personal_data,
                "robots": decided.facts.robots,
                "against": [finding.code for finding in obstacles(decided)],
                "registered_by": decided.registered_by,
                "decided_by": decided.decided_by,
                "rules_version": rules().version,
            },
            links=earlier,
        ),
    )


def _check(facts: Facts) -> None:
    findings = []
    closed = {"method": METHODS, "consent": CONSENTS, "robots": ROBOTS}
    for name, words in {**closed, "personal_data": PERSONAL_DATA}.items():
        if getattr(facts, name) not in words:
            known = (("known", ", ".join(words)),)
            findings.append(Finding(name, "corpus.source_choice", known))
    findings += [
        Finding(name, "corpus.field_empty")
        for name in ("name", "licence")
        if not getattr(facts, name).strip()
    ]
    for name in ("collected_from", "collected_to"):
        if getattr(facts, name) and not _is_day(getattr(facts, name)):
            findings.append(Finding(name, "corpus.source_day"))
    if facts.collected_to and facts.collected_from > facts.collected_to:
        findings.append(Finding("collected_to", "corpus.source_days_order"))
    terms = (*licences.PERMISSIONS, *licences.DUTIES)
    for name, answer in facts.declared.items():
        if name not in terms or answer not in licences.ANSWERS:
            known = (("known", ", ".join(licences.ANSWERS)),)
            findings.append(Finding(f"declared.{name[:64]}", "corpus.source_choice", known))
    if findings:
        raise Invalid("corpus.source_invalid", findings=findings)


def _is_day(written: str) -> bool:
    try:
        return date.fromisoformat(written).isoformat() == written
    except ValueError:
        return False


def _check_sample(looked: int, illegal: int, method: str) -> None:
    findings = []
    if not 1 <= looked <= LOOKED_MAX:
        bound = (("max", LOOKED_MAX),)
        findings.append(Finding("looked", "corpus.source_looked_range", bound))
    if not 0 <= illegal <= looked:
        findings.append(Finding("illegal", "corpus.source_illegal_range"))
    if not method.strip():
        findings.append(Finding("method", "corpus.field_empty"))
    if findings:
        raise Invalid("corpus.source_invalid", findings=findings)
