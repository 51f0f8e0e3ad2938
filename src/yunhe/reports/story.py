"""What page and terminal both say: the headline, its key figures, one sentence a stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from yunhe.reports.domain import (
    STAGES,
    Amount,
    Chain,
    ComputeSection,
    Confusion,
    CorpusSection,
    EvaluationSection,
    ExchangeSection,
    GovernanceSection,
    Score,
    ServingSection,
    Stage,
    StageName,
    VerificationSection,
)
from yunhe.reports.wording import Piece, Wording

Tone = Literal["plain", "good", "bad", "warn", "quiet"]
"""How a figure is to be taken; always said in words or signs as well."""
Story = tuple[Piece, ...]
"""A text whose values are told apart."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure."""

    label: str
    """What it is."""
    value: str
    """The figure."""
    notes: tuple[str, ...]
    """What it should be seen beside."""
    tone: Tone = "plain"
    """How to take it."""


def stages(chain: Chain) -> tuple[Stage, ...]:
    """All eight stages in order, whether or not the run named them."""
    named = {stage.name: stage for stage in chain.stages}
    against = {name for name in STAGES if _against(chain, name)}
    return tuple(
        replace(stage, state="failed") if stage.name in against else stage
        for name in STAGES
        for stage in (named.get(name, Stage(name=name, state="not_reached")),)
    )


def _against(chain: Chain, name: StageName) -> bool:
    """Whether a stage ended with a verdict against the run."""
    if name == "evaluation" and chain.evaluation and chain.evaluation.gate:
        return not chain.evaluation.gate.passed
    return name == "verification" and chain.verification is not None and not chain.verification.ok


def alarming(chain: Chain) -> bool:
    """Whether the headline is a warning."""
    return chain.verification is not None and not chain.verification.ok


def headline(chain: Chain, wording: Wording) -> Story:
    """The whole run in one sentence."""
    if chain.stopped is not None:
        number = str(STAGES.index(chain.stopped.stage) + 1)
        name = wording.named("stage", chain.stopped.stage)
        return wording.pieces("headline.stopped", number=number, stage=name)
    verification = chain.verification
    if verification is not None and not verification.ok:
        return wording.pieces("headline.broken", **_links(verification, wording))
    if not (chain.corpus and chain.evaluation and chain.evaluation.metrics and chain.governance):
        return wording.pieces("headline.partial")
    if verification is None:
        return wording.pieces("headline.partial")
    first = chain.evaluation.metrics[0]
    return wording.pieces(
        "headline.done",
        incoming=wording.count(chain.corpus.documents_in),
        outgoing=wording.count(chain.corpus.documents_out),
        metric=wording.words(first.name),
        score=wording.fraction(first.model.value),
        tier=chain.governance.tier,
        approvals=str(_approved(chain.governance)),
        **_links(verification, wording),
    )


def _links(verification: VerificationSection, wording: Wording) -> dict[str, str]:
    held = sum(link.ok for link in verification.links)
    every = len(verification.links)
    return {
        "held": wording.count(held),
        "all": wording.count(every),
        "broken": wording.count(every - held),
    }


def _approved(governance: GovernanceSection) -> int:
    return len({line.approver for line in governance.approvals if line.approved})


def tiles(chain: Chain, wording: Wording) -> tuple[Tile, ...]:
    """The six figures an official needs first; what the run has not reached says so."""
    return (
        _documents(chain, wording),
        _details(chain, wording),
        _quality(chain, wording),
        _risk(chain, wording),
        _paid(chain, wording),
        _verified(chain, wording),
    )


def _missing(label: str, wording: Wording) -> Tile:
    return Tile(label, "—", (wording.say("not_reached"),), "quiet")


def _documents(chain: Chain, wording: Wording) -> Tile:
    label = wording.say("tile.documents")
    if chain.corpus is None:
        return _missing(label, wording)
    value = (
        f"{wording.count(chain.corpus.documents_in)} → {wording.count(chain.corpus.documents_out)}"
    )
    dropped = chain.corpus.documents_in - chain.corpus.documents_out
    return Tile(label, value, (wording.say("tile.documents.note", dropped=wording.count(dropped)),))


def _details(chain: Chain, wording: Wording) -> Tile:
    label = wording.say("tile.details")
    if chain.corpus is None:
        return _missing(label, wording)
    return Tile(label, wording.count(masked(chain.corpus)), (recall(chain.corpus.recall, wording),))


def recall(score: Score | None, wording: Wording) -> str:
    """How much of what is known to be there was masked, or that nobody knows."""
    if score is None:
        return wording.say("recall.unknown")
    return wording.say("recall", share=wording.share(score))


def masked(corpus: CorpusSection) -> int:
    """Personal details masked, over all types."""
    return sum(line.masked for line in corpus.details)


def _quality(chain: Chain, wording: Wording) -> Tile:
    evaluation = chain.evaluation
    if evaluation is None or not evaluation.metrics:
        return _missing(wording.say("tile.quality"), wording)
    first = evaluation.metrics[0]
    notes = []
    if first.baseline is not None:
        notes.append(wording.say("tile.baseline", score=wording.score(first.baseline)))
    tone: Tone = "plain"
    if evaluation.gate is not None:
        tone = "good" if evaluation.gate.passed else "bad"
        notes.append(wording.say("gate.passed" if evaluation.gate.passed else "gate.failed"))
    label = wording.say("tile.metric", metric=wording.words(first.name))
    return Tile(label, wording.score(first.model), tuple(notes), tone)


def _risk(chain: Chain, wording: Wording) -> Tile:
    label = wording.say("tile.risk")
    governance = chain.governance
    if governance is None:
        return _missing(label, wording)
    got, needed = _approved(governance), governance.approvals_needed
    notes = [
        wording.words(governance.tier_name),
        wording.say("tile.approvals", got=str(got), needed=str(needed)),
    ]
    if unverified(governance):
        notes.append(wording.say("tile.unverified", count=str(unverified(governance))))
    tone: Tone = "plain" if got >= needed else "warn"
    return Tile(label, wording.words(governance.tier), tuple(notes), tone)


def unverified(governance: GovernanceSection) -> int:
    """Rules and measures whose text nobody checked against the official source."""
    rules = sum(not rule.verified for rule in governance.fired)
    return rules + sum(not measure.verified for measure in governance.measures)


def _paid(chain: Chain, wording: Wording) -> Tile:
    label = wording.say("tile.paid")
    data = (chain.exchange.price,) if chain.exchange and chain.exchange.grant_id else ()
    workloads = chain.compute.workloads if chain.compute else ()
    costs = added(tuple(line.cost for line in workloads if line.cost))
    used = added(tuple(line.used for line in workloads if line.used))
    if not data and not costs:
        return _missing(label, wording)
    notes = []
    if used:
        notes.append(wording.amounts(used))
    if data:
        notes.append(wording.say("tile.paid.data", amount=wording.amounts(data)))
    if costs:
        notes.append(wording.say("tile.paid.compute", amount=wording.amounts(costs)))
    return Tile(label, wording.amounts(added((*data, *costs))), tuple(notes))


def added(amounts: tuple[Amount, ...]) -> tuple[Amount, ...]:
    """One sum per unit, in order of first appearance."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.unit] = sums.get(amount.unit, 0) + amount.minor
    return tuple(Amount(minor, unit) for unit, minor in sums.items())


def _verified(chain: Chain, wording: Wording) -> Tile:
    label = wording.say("tile.verified")
    verification = chain.verification
    if verification is None:
        return _missing(label, wording)
    counts = _links(verification, wording)
    sign = "✓" if verification.ok else "✗"
    notes = [wording.say("verified.yes" if verification.ok else "verified.no")]
    unnoticed = any(not line.found for line in verification.tamper)
    if verification.tamper:
        found = sum(line.found for line in verification.tamper)
        every = len(verification.tamper)
        notes.append(wording.say("tile.tamper", found=str(found), all=str(every)))
    value = f"{sign} {counts['held']} / {counts['all']}"
    return Tile(label, value, tuple(notes), "good" if verification.ok and not unnoticed else "bad")


def sentence(chain: Chain, stage: StageName, wording: Wording) -> Story:
    """What happened in one stage, in a sentence or two; says so when it was not reached."""
    if stage == "corpus" and chain.corpus:
        return _corpus(chain.corpus, wording)
    if stage == "exchange" and chain.exchange:
        return _exchange(chain.exchange, wording)
    if stage == "compute" and chain.compute:
        return _compute(chain.compute, wording)
    if stage == "models" and chain.models:
        name, algorithm = chain.models.name, wording.words(chain.models.algorithm).rstrip(".。")
        return wording.pieces("say.models", name=name, algorithm=algorithm)
    return _sentence_later(chain, stage, wording)


def _sentence_later(chain: Chain, stage: StageName, wording: Wording) -> Story:
    if stage == "evaluation" and chain.evaluation:
        return _evaluation(chain.evaluation, wording)
    if stage == "governance" and chain.governance:
        return _governance(chain.governance, wording)
    if stage == "serving" and chain.serving:
        return _serving(chain.serving, wording)
    if stage == "verification" and chain.verification:
        key = "say.verification" if chain.verification.ok else "say.verification.broken"
        links = _links(chain.verification, wording)
        return wording.pieces(key, answer=wording.brief(chain.verification.answer_id), **links)
    return wording.pieces("say.not_reached")


def _corpus(corpus: CorpusSection, wording: Wording) -> Story:
    return wording.pieces(
        "say.corpus",
        name=corpus.name,
        holder=wording.words(corpus.holder),
        licence=corpus.licence,
        incoming=wording.count(corpus.documents_in),
        outgoing=wording.count(corpus.documents_out),
        dropped=wording.count(corpus.documents_in - corpus.documents_out),
        masked=wording.count(masked(corpus)),
    )


def _exchange(exchange: ExchangeSection, wording: Wording) -> Story:
    return wording.pieces(
        "say.exchange" if exchange.grant_id else "say.exchange.listed",
        buyer=wording.words(exchange.buyer),
        holder=wording.words(exchange.holder),
        title=wording.words(exchange.title),
        price=wording.amount(exchange.price),
    )


def _compute(compute: ComputeSection, wording: Wording) -> Story:
    settled = sum(line.state == "settled" for line in compute.workloads)
    used = added(tuple(line.used for line in compute.workloads if line.used))
    story = wording.pieces(
        "say.compute",
        provider=wording.words(compute.provider),
        devices=wording.count(compute.devices),
        chip=compute.chip,
        settled=wording.count(settled),
        used=wording.amounts(used) or "—",
    )
    waiting = sum(line.state == "waiting" for line in compute.workloads)
    if not waiting:
        return story
    return (*story, *wording.pieces("say.compute.waiting", waiting=wording.count(waiting)))


def _evaluation(evaluation: EvaluationSection, wording: Wording) -> Story:
    heldout = wording.count(evaluation.heldout_documents)
    if not evaluation.metrics:
        return wording.pieces("say.evaluation.bare", heldout=heldout)
    first = evaluation.metrics[0]
    metric, score = wording.words(first.name), wording.score(first.model)
    story = wording.pieces("say.evaluation", heldout=heldout, metric=metric, score=score)
    if first.baseline is None or evaluation.baseline_name is None:
        return story
    name, score = wording.words(evaluation.baseline_name), wording.score(first.baseline)
    return (*story, *wording.pieces("say.evaluation.baseline", name=name, score=score))


def gate(evaluation: EvaluationSection, wording: Wording) -> str:
    """What the gate asks for and what it found, without the verdict; empty without a gate."""
    rule = evaluation.gate
    if rule is None:
        return ""
    text = wording.say(
        "evaluation.gate.text",
        metric=wording.words(rule.metric),
        required=wording.fraction(rule.at_least),
        low=wording.lower(rule.lower_bound),
    )
    if rule.over_baseline is None:
        return text
    over = wording.say("evaluation.gate.over", over=wording.fraction(rule.over_baseline))
    return f"{text} · {over}"


def confusions(confusion: Confusion, wording: Wording, *, most: int = 3) -> tuple[str, ...]:
    """The most frequent mistakes, at most ``most`` of them."""
    mistakes = [
        (count, truth, predicted)
        for truth, row in enumerate(confusion.counts)
        for predicted, count in enumerate(row)
        if truth != predicted and count > 0
    ]
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1], mistake[2]))
    return tuple(
        wording.say(
            "evaluation.confusion.pair",
            truth=confusion.labels[truth],
            predicted=confusion.labels[predicted],
            count=wording.count(count),
        )
        for count, truth, predicted in mistakes[:most]
    )


def _governance(governance: GovernanceSection, wording: Wording) -> Story:
    return wording.pieces(
        "say.governance" if governance.release_id else "say.governance.unreleased",
        tier=wording.words(governance.tier),
        name=wording.words(governance.tier_name),
        fired=wording.count(len(governance.fired)),
        due=wording.count(sum(not line.done for line in governance.measures)),
        got=str(_approved(governance)),
        needed=str(governance.approvals_needed),
    )


def _serving(serving: ServingSection, wording: Wording) -> Story:
    return wording.pieces(
        "say.serving", route=serving.route, answers=wording.count(serving.answers)
    )
