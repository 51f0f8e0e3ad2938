"""The report's sections on serving, verification and the accounts."""

from __future__ import annotations

import json

from yunhe.custody import service as custody
from yunhe.custody.domain import REASONS
from yunhe.identity import service as identity
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger
from yunhe.plans.artefacts import damaged, held_by, named_in, records_of
from yunhe.plans.report.reading import Object, child, children
from yunhe.plans.run import Run
from yunhe.reports.domain import (
    Answer,
    Artefact,
    BalanceLine,
    Both,
    Candidate,
    Check,
    LedgerSection,
    Link,
    Phrase,
    ServingSection,
    TamperLine,
    VerificationSection,
    Words,
)
from yunhe.storage.database import Transaction

CANDIDATES_SHOWN = 3
"""How many classes of an answer a report shows."""


def serving_section(run: Run) -> ServingSection:
    """The deployment and its answers; the one whose chain is verified comes first."""
    result: Object = run.results["serving"]
    answers = [_answer(item) for item in children(result, "answers")]
    return ServingSection(
        route=run.plan.serving.route,
        deployment_id=run.left("serving", "deployment"),
        answers=len(answers),
        shown=tuple(reversed(answers)),
        artefacts=(Artefact(Phrase("plans.artefact.model"), run.left("models", "digest")),),
        checks=tuple(
            Check(Phrase(f"plans.check.{name}"), ok is True)
            for name, ok in child(result, "checks").items()
        ),
    )


def _answer(item: Object) -> Answer:
    scores = item["scores"] if isinstance(item["scores"], list) else []
    best = sorted(scores, key=lambda pair: (-float(pair[1]), pair[0]))
    return Answer(
        id=str(item["id"]),
        question=str(item["question"]),
        label=str(item["label"]),
        candidates=tuple(Candidate(label, score) for label, score in best[:CANDIDATES_SHOWN]),
    )


def verification_section(
    run: Run, *, command: str, tamper: tuple[TamperLine, ...]
) -> VerificationSection:
    """The answer's receipt, verified again now, link by link."""
    digest = run.left("serving", "receipt")
    data = run.storage.blobs.read(digest)
    receipt: Object = json.loads(data)
    verdict = custody.verify(data, run.equipment.trust(), [run.equipment.checkpoints()])
    with run.storage.database.read() as tx:
        entries = custody.ancestors(tx, str(receipt["subject"])).entries
    by_subject = {
        (entry.record.kind, entry.record.subject): (reference, entry.record)
        for reference, entry in entries.items()
        if entry.record is not None
    }
    broken_bytes = {
        (each.kind, each.subject) for each in damaged(held_by(run), named_in(records_of(run)))
    }
    links = []
    for link in verdict.links:
        reference, record = by_subject.get((link.kind, link.subject), ("", None))
        links.append(
            Link(
                reference=reference,
                kind=link.kind,
                subject=link.subject,
                ok=link.ok and (link.kind, link.subject) not in broken_bytes,
                reason=Phrase("plans.tamper.bytes")
                if (link.kind, link.subject) in broken_bytes
                else (None if link.ok else reason_of(link.reason, link.detail)),
                at_us=record.at_us if record else None,
                parents=tuple(record.links.items()) if record else (),
            )
        )
    note = str(receipt["checkpoint"]).splitlines()
    return VerificationSection(
        answer_id=run.left("serving", "answer"),
        ok=verdict.ok and not broken_bytes,
        links=tuple(links),
        reason=None if verdict.seal.ok else reason_of(verdict.seal.reason, verdict.seal.detail),
        origin=note[0],
        tree_size=int(note[1]),
        root=note[2],
        checkpoint_at_us=int(note[3].rpartition(" ")[2]),
        key=run.equipment.trust().split()[-1].rpartition("+")[0],
        outside=(Check(Phrase("plans.check.outside_agrees"), verdict.ok),),
        command=command,
        artefacts=(Artefact(Phrase("plans.artefact.receipt"), digest, len(data)),),
        tamper=tamper,
    )


def reason_of(code: str, detail: str) -> Words:
    """A verifier's reason in both languages."""
    english, chinese = REASONS[code]
    return Both(f"{english} {detail}".strip(), f"{chinese} {detail}".strip())


def ledger_section(run: Run) -> LedgerSection:
    """Every account, the replay, and the holds that are open."""
    with run.storage.database.read() as tx:
        replay = ledger.replay(tx)
        return LedgerSection(
            balances=tuple(
                BalanceLine(
                    owner=_owner(tx, line.owner),
                    purpose=line.purpose,
                    unit=line.unit,
                    available=line.available,
                    held=line.held,
                )
                for line in ledger.balances(tx)
            ),
            transfers=replay.transfers,
            holds_open=len(ledger.holds_open(tx)),
            balanced=replay.ok,
        )


def _owner(tx: Transaction, owner: str) -> Words:
    try:
        return identity.organisation(tx, owner).name
    except YunheError:
        return Phrase("plans.owner.platform")
