"""The report for a terminal: the same story as the page, in 80 columns or more.

Everything is a `rich.text.Text` made from cleaned values, never markup, so no value can colour,
move or clear anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from yunhe.reports import blocks, figures, story
from yunhe.reports.domain import (
    Chain,
    Check,
    ComputeSection,
    CorpusSection,
    EvaluationSection,
    GovernanceSection,
    LedgerSection,
    ServingSection,
    Stage,
    VerificationSection,
)
from yunhe.reports.wording import Wording

ROWS_MAX = 60
"""Rows of one table; the page shows more."""

SIGNS = {"done": "✓", "reused": "↺", "failed": "✗", "stopped": "✗", "not_reached": "○"}
"""How a stage ended, as one sign."""
_STYLES = {
    "done": "green",
    "reused": "green",
    "failed": "bold red",
    "stopped": "bold red",
    "not_reached": "dim",
}
_TONES = {"plain": "bold", "good": "bold green", "bad": "bold red", "warn": "bold yellow"}
Parts = list[RenderableType]


def render(chain: Chain, wording: Wording) -> RenderableType:
    """The whole report."""
    drawn = figures.Figures(wording)
    parts: Parts = _head(chain, wording)
    bodies: tuple[Parts, ...] = (
        _corpus(chain.corpus, drawn) if chain.corpus else [],
        _checks(chain.exchange.checks, wording) if chain.exchange else [],
        _compute(chain.compute, drawn) if chain.compute else [],
        _checks(chain.models.checks, wording) if chain.models else [],
        _evaluation(chain.evaluation, drawn) if chain.evaluation else [],
        _governance(chain.governance, wording) if chain.governance else [],
        _serving(chain.serving, drawn, synthetic=chain.synthetic) if chain.serving else [],
        _verification(chain.verification, wording) if chain.verification else [],
    )
    for index, (stage, body) in enumerate(zip(story.stages(chain), bodies, strict=True)):
        parts.append(_title(stage, wording, number=index + 1))
        parts.append(_told(story.sentence(chain, stage.name, wording)))
        parts += body
    if chain.ledger is not None:
        parts += _ledger(chain.ledger, wording)
    return Group(*parts, *_foot(chain, wording))


def _told(pieces: story.Story) -> Text:
    return Text.assemble(*((piece, "bold" if value else "") for piece, value in pieces))


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)  # a file has no width to fill


def _rule(title: Text, *, style: str = "rule.line") -> Constrain:
    return Constrain(Rule(title, align="left", style=style), blocks.LINE_CELLS)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _note(text: str) -> Text:
    return Text(text, style="dim")


def _sign(*, ok: bool) -> tuple[str, str]:
    return ("✓ ", "bold green") if ok else ("✗ ", "bold red")


def _table(*headings: str, right: Iterable[int] = ()) -> Table:
    aligned = set(right)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(
            Text(heading), justify="right" if index in aligned else "left", overflow="fold"
        )
    return table


def _head(chain: Chain, wording: Wording) -> Parts:
    times = wording.time(chain.started_at_us)
    if chain.finished_at_us is not None:
        times += f" → {wording.clock(chain.finished_at_us)}"
    run = wording.say("meta.run", run=chain.run_id)
    plan = wording.say("meta.plan", plan=chain.plan)
    parts: Parts = [
        Text(wording.say("brand"), style="cyan"),
        Text(wording.words(chain.title), style="bold"),
        _note(f"{run} · {plan} · {times}"),
    ]
    if chain.synthetic:
        badge = (f" {wording.say('synthetic.badge')} ", "bold black on yellow")
        parts.append(Text.assemble(badge, " ", wording.say("synthetic.note")))
    told = _told(story.headline(chain, wording))
    if story.alarming(chain):
        told = Text.assemble("✗ ", told, style="bold red")
    parts += [Text(), told, Text()]
    if chain.stopped is not None:
        lines = [wording.words(chain.stopped.why)]
        if chain.stopped.next_step is not None:
            lines.append(wording.words(chain.stopped.next_step))
        why = f"✗ {wording.say('stopped.why')}"
        told_why = Panel(Text("\n".join(lines)), title=Text(why), border_style="red")
        parts.append(Constrain(told_why, blocks.LINE_CELLS))
    parts.append(_tiles(chain, wording))
    parts += [
        Text(),
        _note(f"{wording.say('interval.note')} {wording.say('notice.deidentified')}"),
        Text(wording.say("notice.evidence"), style="bold"),
    ]
    return parts


def _tiles(chain: Chain, wording: Wording) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=28, overflow="fold")
    table.add_column(overflow="fold")
    for tile in story.tiles(chain, wording):
        value = Text(tile.value, style=_TONES.get(tile.tone, "dim"))
        notes = Text("\n".join(tile.notes), style="dim")
        table.add_row(Text(tile.label), Group(value, notes))
    return table


def _title(stage: Stage, wording: Wording, *, number: int) -> RenderableType:
    took = f" · {wording.say('meta.seconds', seconds=stage.seconds)}" if stage.seconds else ""
    state = f"{SIGNS[stage.state]} {wording.named('state', stage.state)}{took}"
    name = Text(f"{number} {wording.named('stage', stage.name)}  ", style="bold cyan")
    name.append(state, style=_STYLES[stage.state])
    return Group(Text(), _rule(name, style="dim"))


def _checks(checks: Sequence[Check], wording: Wording, *, heading: str = "checks") -> Parts:
    if not checks:
        return []
    lines = [
        _indented(Text.assemble(_sign(ok=check.ok), wording.words(check.what)))
        for check in checks[:ROWS_MAX]
    ]
    return [_heading(wording.say(heading)), *lines]


def _corpus(corpus: CorpusSection, drawn: figures.Figures) -> Parts:
    wording = drawn.wording
    parts: Parts = []
    for key, rows in (
        ("corpus.drops", drawn.drop_bars(corpus)),
        ("corpus.details", drawn.detail_bars(corpus)),
    ):
        chart = blocks.bars(rows[:ROWS_MAX]) if rows else Text(wording.say(f"{key}.none"))
        parts += [_heading(wording.say(key)), _indented(chart)]
    parts.append(_indented(_note(story.recall(corpus.recall, wording))))
    return parts + _checks(corpus.checks, wording)


def _compute(compute: ComputeSection, drawn: figures.Figures) -> Parts:
    wording = drawn.wording
    parts: Parts = []
    budget = drawn.budget_bars(compute)
    if budget:
        parts += [_heading(wording.say("compute.budget")), _indented(blocks.bars(budget))]
    for line in compute.workloads[:ROWS_MAX]:
        state = wording.named("workload", line.state)
        text = Text.assemble((wording.words(line.name), "bold"), f" · {state}")
        if line.cost is not None:
            text.append(f" · {wording.amount(line.cost)}")
        if line.why is not None:
            text.append(f"\n{wording.words(line.why)}", style="yellow")
        if line.isolation is not None:
            text.append(f"\n{wording.words(line.isolation)}", style="dim")
        parts += [Text(), _indented(text)]
    return parts + _checks(compute.checks, wording)


def _evaluation(evaluation: EvaluationSection, drawn: figures.Figures) -> Parts:
    wording = drawn.wording
    parts: Parts = []
    if evaluation.gate is not None:
        passed = evaluation.gate.passed
        verdict = wording.say("gate.passed" if passed else "gate.failed") + wording.say("colon")
        asked = story.gate(evaluation, wording)
        parts.append(Text.assemble((verdict, "bold green" if passed else "bold red"), asked))
    rows, axis_from = drawn.score_dots(evaluation)
    if rows:
        legend = f"● {wording.say('evaluation.legend.model')}  ◇ "
        legend += wording.say("evaluation.legend.baseline")
        chart = blocks.dots(rows[:ROWS_MAX], axis_from=axis_from)
        parts += [_heading(wording.say("evaluation.chart")), _indented(_note(legend))]
        parts.append(_indented(chart))
    if evaluation.confusion is not None:
        parts.append(_heading(wording.say("evaluation.confusion")))
        table = blocks.matrix(evaluation.confusion)
        if table is not None:
            parts.append(_indented(table))
        mistakes = story.confusions(evaluation.confusion, wording)
        if mistakes:
            worst = wording.say("evaluation.confusion.worst") + wording.say("colon")
            parts.append(_indented(_note(worst + "; ".join(mistakes))))
    return parts + _checks(evaluation.checks, wording)


def _governance(governance: GovernanceSection, wording: Wording) -> Parts:
    parts: Parts = []
    if governance.missing:
        parts.append(_heading(wording.say("governance.missing")))
        parts += [
            _indented(Text(f"⚠ {wording.words(missing)}", style="yellow"))
            for missing in governance.missing[:ROWS_MAX]
        ]
    if governance.approvals:
        parts.append(_heading(wording.say("governance.approvals")))
    for line in governance.approvals[:ROWS_MAX]:
        role = f"{wording.words(line.role)} · {wording.brief(line.approver)}"
        at = wording.time(line.at_us)
        parts.append(_indented(Text.assemble(_sign(ok=line.approved), role, (f" · {at}", "dim"))))
    if governance.fired:
        parts.append(_heading(wording.say("governance.rules")))
    for rule in governance.fired[:ROWS_MAX]:
        text = Text.assemble(
            (wording.words(f"{rule.id} {rule.tier} "), "bold"), wording.words(rule.name)
        )
        parts.append(_sourced(text, wording.words(rule.source), wording, verified=rule.verified))
    if governance.measures:
        parts.append(_heading(wording.say("governance.measures")))
    for measure in governance.measures[:ROWS_MAX]:
        evidence = wording.say(f"governance.evidence.{'yes' if measure.done else 'no'}")
        text = Text.assemble(
            _sign(ok=measure.done), (f"{evidence} ", "bold"), wording.words(measure.name)
        )
        source = wording.words(measure.source)
        parts.append(_sourced(text, source, wording, verified=measure.verified))
    return parts + _checks(governance.checks, wording)


def _sourced(text: Text, source: str, wording: Wording, *, verified: bool) -> Padding:
    text.append(f"\n  {source} · ", style="dim")
    sign, key = ("✓", "governance.verified") if verified else ("⚠", "governance.unverified")
    text.append(f"{sign} {wording.say(key)}", style="dim" if verified else "yellow")
    return _indented(text)


def _serving(serving: ServingSection, drawn: figures.Figures, *, synthetic: bool) -> Parts:
    wording = drawn.wording
    parts: Parts = []
    for index, answer in enumerate(serving.shown[:ROWS_MAX]):
        badge = f" · {wording.say('synthetic.badge')}" if synthetic else ""
        asked = f"{wording.say('serving.question')}{badge}\n"
        given = wording.say("serving.answer") + wording.say("colon")
        text = Text.assemble(
            ("\n" + asked, "dim"),
            wording.words(answer.question),
            ("\n" + given, "dim"),
            (wording.words(answer.label), "bold"),
            (f"\n{wording.say('serving.id')} {wording.words(answer.id)}", "dim"),
        )
        parts.append(_indented(text))
        likely = drawn.candidate_bars(answer) if index == 0 else []
        if likely:
            parts.append(_indented(blocks.bars(likely)))
    return parts + _checks(serving.checks, wording)


def _verification(verification: VerificationSection, wording: Wording) -> Parts:
    parts: Parts = []
    if verification.reason is not None:
        why = f"✗ {wording.say('verification.reason')}: {wording.words(verification.reason)}"
        parts.append(Text(why, style="bold red"))
    parts += [_note(wording.say("notice.limits")), *_links(verification, wording)]
    if verification.command is not None:
        command = wording.words(verification.command)
        parts += [_heading(wording.say("verification.command")), _indented(Text(command))]
    if verification.outside:
        parts += _checks(verification.outside, wording, heading="verification.outside")
    else:
        parts.append(_heading(wording.say("verification.outside")))
        parts.append(_indented(Text(wording.say("verification.outside.none"), style="yellow")))
    return parts + _checks(verification.checks, wording) + _tamper(verification, wording)


def _links(verification: VerificationSection, wording: Wording) -> Parts:
    if not verification.links:
        return []
    lineage = figures.lineage(verification)
    numbers = {link.reference: index + 1 for index, link in enumerate(lineage.links)}
    below: dict[str, list[int]] = {}
    for child, parent in lineage.lines:
        below.setdefault(child, []).append(numbers[parent])
    parts: Parts = [_heading(wording.say("verification.picture"))]
    for link in lineage.links:
        number = numbers[link.reference]
        at = f"  {wording.clock(link.at_us)}" if link.at_us is not None else ""
        kind = blocks.fitted(wording.named("kind", link.kind), 22)
        where = f"{wording.brief(link.subject)}  {wording.short(link.reference)}{at}"
        text = Text.assemble(_sign(ok=link.ok), f"{number:>2} ", (kind, "bold"), (where, "dim"))
        parts.append(_indented(text))
        rests = ", ".join(str(one) for one in below.get(link.reference, []))
        proof = wording.proof(link.kind)
        if not link.ok:
            proof = wording.words(link.reason) if link.reason else wording.say("verification.bad")
        tail = f" · {wording.say('verification.rests')} {rests}" if rests else ""
        parts.append(
            Padding(
                Text(proof + tail, style="dim" if link.ok else "red"), (0, 0, 0, 7), expand=False
            )
        )
    return parts


def _tamper(verification: VerificationSection, wording: Wording) -> Parts:
    parts: Parts = [_heading(wording.say("tamper"))]
    if not verification.tamper:
        return [*parts, _indented(_note(wording.say("tamper.not_tried")))]
    table = _table(*(wording.say(f"tamper.{key}") for key in ("where", "breaks", "reason")))
    for line in verification.tamper[:ROWS_MAX]:
        broken = Text.assemble(("✗ ", "bold red"), wording.named("kind", line.kind or "—"))
        unnoticed = Text(f"⚠ {wording.say('tamper.unnoticed')}", style="bold red")
        reason = Text(wording.words(line.reason) if line.reason else "")
        table.add_row(
            Text(wording.words(line.artefact)), broken if line.found else unnoticed, reason
        )
    return [*parts, _indented(table)]


def _ledger(ledger: LedgerSection, wording: Wording) -> Parts:
    parts: Parts = [Text(), _rule(Text(wording.say("ledger"), style="bold cyan"))]
    keys = ("owner", "purpose", "available", "held")
    table = _table(*(wording.say(f"ledger.{key}") for key in keys), right=(2, 3))
    for line in ledger.balances[:ROWS_MAX]:
        table.add_row(
            Text(wording.words(line.owner)),
            Text(wording.named("purpose", line.purpose)),
            Text(wording.balance(line.available, line.unit)),
            Text(wording.balance(line.held, line.unit) if line.held else "—"),
        )
    parts.append(table)
    if ledger.balanced is not None:
        key = "ledger.balanced" if ledger.balanced else "ledger.unbalanced"
        parts.append(Text.assemble(_sign(ok=ledger.balanced), wording.say(key)))
    return parts


def _foot(chain: Chain, wording: Wording) -> Parts:
    parts: Parts = []
    if chain.commands:
        title = Text(wording.say("engineers.commands"), style="bold cyan")
        parts += [Text(), _rule(title)]
    for command in chain.commands[:ROWS_MAX]:
        parts.append(_note(wording.words(command.what)))
        parts.append(_indented(Text(wording.words(command.line))))
    return parts
