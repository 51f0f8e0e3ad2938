"""Which drawing shows which part of a run: from sections to bars, dots, matrix and picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from yunhe.reports import picture
from yunhe.reports.charts import (
    HEAT_CLASSES_MAX,
    Bar,
    Caption,
    Dot,
    Span,
    axis_start,
    bars,
    dots,
    heat,
)
from yunhe.reports.domain import (
    Answer,
    ComputeSection,
    Confusion,
    CorpusSection,
    EvaluationSection,
    Link,
    Score,
    VerificationSection,
)
from yunhe.reports.lineage import LINKS_DRAWN_MAX, Lineage, arrange
from yunhe.reports.wording import Wording, ratio


@dataclass(frozen=True, slots=True)
class Figures:
    """The drawings of one page in one language; names are unique to the language."""

    wording: Wording
    """The language."""

    def _caption(self, key: str, *, said: str) -> Caption:
        name = f"{self.wording.language}-figure-{key.replace('.', '-')}"
        return Caption(name, self.wording.say(key), said)

    def drop_bars(self, corpus: CorpusSection) -> list[Bar]:
        """Documents dropped, by reason, most frequent first."""
        counts = [(self.wording.words(drop.name), drop.count) for drop in corpus.drops]
        return self._ordered(counts, tone="quiet")

    def detail_bars(self, corpus: CorpusSection) -> list[Bar]:
        """Personal details masked, by type, most frequent first."""
        counts = [(self.wording.words(line.name), line.masked) for line in corpus.details]
        return self._ordered(counts, tone="bar")

    def _ordered(self, counts: list[tuple[str, int]], *, tone: str) -> list[Bar]:
        most = max((count for _, count in counts), default=0) or 1
        return [
            Bar(name, count / most, self.wording.count(count), tone)
            for name, count in sorted(counts, key=lambda one: -one[1])
        ]

    def budget_bars(self, compute: ComputeSection) -> list[Bar]:
        """Device time awarded, used and asked for; none without an award."""
        if compute.award is None:
            return []
        unit, say = compute.award.unit, self.wording.say
        rows = [(say("compute.awarded"), compute.award.minor, "quiet")]
        for line in compute.workloads:
            name = self.wording.words(line.name)
            wanted = [amount.minor for amount in line.held if amount.unit == unit]
            if line.used is not None and line.used.unit == unit:
                rows.append((say("compute.used", name=name), line.used.minor, "bar"))
            elif line.state == "waiting" and wanted:
                rows.append((say("compute.wanted", name=name), sum(wanted), "warn"))
        most = max(minor for _, minor, _ in rows) or 1
        return [
            Bar(name, minor / most, self.wording.balance(minor, unit), tone)
            for name, minor, tone in rows
        ]

    def candidate_bars(self, answer: Answer) -> list[Bar]:
        """How likely the model thought each class."""
        scored = [(one.label, one.score, ratio(one.score)) for one in answer.candidates]
        return [
            Bar(self.wording.words(name), float(score), f"{self.wording.percent(value)} %")
            for name, value, score in scored
            if score is not None
        ]

    def bars(self, key: str, rows: list[Bar]) -> Markup:
        """Any of the above as a drawing called ``key``."""
        said = "; ".join(f"{row.name}: {row.value}" for row in rows)
        return bars(rows, caption=self._caption(key, said=said))

    def score_dots(self, evaluation: EvaluationSection) -> tuple[list[Dot], float]:
        """Whole figures, then every class, against the baseline; and where their axis starts."""
        rows = [
            self._dot(
                self.wording.words(line.name),
                "",
                model=line.model,
                baseline=line.baseline,
                strong=True,
            )
            for line in evaluation.metrics
        ]
        rows += [
            self._dot(
                line.name,
                self._support(line.support),
                model=line.model,
                baseline=line.baseline,
            )
            for line in evaluation.classes
        ]
        drawn = [row for row in rows if row is not None]
        return drawn, axis_start([value for row in drawn for value in _values(row)])

    def scores(self, evaluation: EvaluationSection) -> Markup | None:
        """The same as a drawing; ``None`` when there are no scores."""
        rows, axis_from = self.score_dots(evaluation)
        if not rows:
            return None
        said = "; ".join(_spoken(row, self.wording) for row in rows)
        return dots(rows, axis_from=axis_from, caption=self._caption("evaluation.chart", said=said))

    def _support(self, support: int) -> str:
        return self.wording.say("evaluation.documents", count=self.wording.count(support))

    def _dot(
        self, name: str, note: str, *, model: Score, baseline: Score | None, strong: bool = False
    ) -> Dot | None:
        span = self._span(model)
        if span is None:
            return None
        return Dot(
            self.wording.words(name), note, span, self._span(baseline) if baseline else None, strong
        )

    def _span(self, score: Score) -> Span | None:
        value, low, high = ratio(score.value), ratio(score.low), ratio(score.high)
        if value is None:
            return None
        if low is None or high is None:
            return Span(float(value), None, None, self.wording.score(score))
        return Span(float(value), float(low), float(high), self.wording.score(score))

    def confusion(self, confusion: Confusion) -> Markup | None:
        """Truth against prediction; ``None`` beyond `HEAT_CLASSES_MAX`."""
        if len(confusion.labels) > HEAT_CLASSES_MAX:
            return None
        said = self.wording.say("evaluation.confusion.note")
        return heat(
            confusion,
            cell_title=partial(self._cell, confusion),
            caption=self._caption("evaluation.confusion", said=said),
        )

    def _cell(self, confusion: Confusion, truth: int, predicted: int) -> str:
        return self.wording.say(
            "evaluation.confusion.cell",
            truth=confusion.labels[truth],
            predicted=confusion.labels[predicted],
            count=self.wording.count(confusion.counts[truth][predicted]),
        )

    def chain(self, lineage: Lineage) -> Markup:
        """The chain's records and what rests on what."""
        wording = self.wording
        numbers = {link.reference: i + 1 for i, link in enumerate(lineage.links)}
        names = {link.reference: wording.named("kind", link.kind) for link in lineage.links}
        boxes = {
            link.reference: picture.Box(
                title=f"{numbers[link.reference]} {names[link.reference]}",
                subject=wording.brief(link.subject),
                digest=wording.short(link.reference),
                time=wording.clock(link.at_us) if link.at_us is not None else "",
                full=self._full(link),
                anchor=f"{wording.language}-link-{numbers[link.reference]}",
            )
            for link in lineage.links
        }
        said = wording.say(
            "verification.picture.description",
            all=wording.count(len(lineage.links)),
            held=wording.count(sum(link.ok for link in lineage.links)),
            order=" → ".join(names.values()),
        )
        caption = self._caption("verification.picture", said=said)
        return picture.chain(lineage, boxes, caption=caption)

    def _full(self, link: Link) -> str:
        verdict = self.wording.say("verification.ok" if link.ok else "verification.bad")
        time = self.wording.time(link.at_us) if link.at_us is not None else "—"
        return f"{link.kind} · {link.subject} · {link.reference} · {time} · {verdict}"


def lineage(verification: VerificationSection) -> Lineage:
    """The arrangement of a chain's records, from its answer."""
    return arrange(verification.links)


def left_out(verification: VerificationSection) -> int:
    """How many records the picture does not show."""
    return max(len(verification.links) - LINKS_DRAWN_MAX, 0)


def _values(row: Dot) -> list[float]:
    spans = [row.model] + ([row.baseline] if row.baseline else [])
    return [value for span in spans for value in (span.value, span.low) if value is not None]


def _spoken(row: Dot, wording: Wording) -> str:
    if row.baseline is None:
        return f"{row.name}: {row.model.text}"
    return f"{row.name}: {row.model.text}, {wording.say('tile.baseline', score=row.baseline.text)}"
