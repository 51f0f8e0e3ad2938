"""The datasheet as one HTML page: both languages inside, charts as SVG, no outside resource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from yunhe.corpus.datasheet.facts import Facts
from yunhe.kernel.language import LANGUAGES, Language, text, texts
from yunhe.reports import palette
from yunhe.reports.charts import Bar, Caption, Dot, Span, axis_start, bars, dots
from yunhe.reports.wording import Wording, clean

ROWS_MAX = 40
"""Bars of one chart and rows of one table; how many more there are is said."""


def render(facts: Facts, *, language: Language) -> str:
    """The page, opening in ``language``; the same facts give the same bytes.

    Every value is escaped, and what acts instead of showing is made visible.
    """
    page = _environment().get_template("datasheet.html.j2")
    return page.render(
        facts=facts,
        first=Sheet(facts, language),
        sheets=[Sheet(facts, one) for one in LANGUAGES],
        light=palette.LIGHT,
        dark=palette.DARK,
        heat_steps=range(palette.HEAT_STEPS),
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("yunhe.corpus.datasheet", "templates"),
                PackageLoader("yunhe.reports", "templates"),  # the style sheet
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page's words and drawings in one language."""

    facts: Facts
    """What it is about."""
    language: Language
    """The language."""

    def say(self, key: str, **params: str | int) -> str:
        """The sentence ``corpus.sheet.<key>``."""
        return text(f"corpus.sheet.{key}", self.language, **params)

    def limit(self, code: str) -> str:
        """One sentence of what is not promised."""
        return text(code, self.language)

    def count(self, number: int | None) -> str:
        """A whole number with separators; a dash for none."""
        return "–" if number is None else f"{number:,}"

    def size(self, size_bytes: int | None) -> str:
        """A length in bytes."""
        return "–" if size_bytes is None else Wording(self.language).size(size_bytes)

    def named(self, group: str, code: str) -> str:
        """The text ``corpus.<group>.<code>``, or the code where nobody wrote one."""
        return texts("corpus", self.language).get(f"corpus.{group}.{code}", code)

    def lead(self) -> str:
        """What happened, in one sentence."""
        facts = self.facts
        return self.say(
            "lead",
            read=self.count(facts.documents_in),
            released=self.count(facts.documents_out),
            spans=self.count(sum(spans for _, spans, _ in facts.details)),
        )

    def terms(self) -> list[tuple[str, str]]:
        """What the licence says, name and answer."""
        return [
            (self.named("term", str(name)), self.named("answer", _flat(value)))
            for name, value in sorted(self.facts.terms.items())
        ]

    def drops(self) -> Markup | None:
        """Documents dropped, by reason, with the step that did it."""
        rows = [
            (self.named("reason", reason) + (f" ({step})" if step else ""), count, "")
            for step, reason, count in self.facts.dropped
        ]
        return self._bars("drops", rows, tone="quiet")

    def details(self) -> Markup | None:
        """Personal details masked, by type."""
        rows = [
            (self.named("type", kind), spans, self.say("in_documents", count=self.count(documents)))
            for kind, spans, documents in sorted(self.facts.details, key=lambda one: -one[1])
        ]
        return self._bars("details", rows, tone="bar")

    def lengths(self) -> Markup | None:
        """Released documents by length."""
        rows = [
            (_range(bits), out, self.say("of_read", count=self.count(read)))
            for bits, read, out in self.facts.lengths
        ]
        return self._bars("lengths", rows, tone="bar")

    def languages(self) -> Markup | None:
        """Documents by language."""
        rows = [(self.named("language", code), count, "") for code, count in self.facts.languages]
        return self._bars("languages", rows, tone="bar")

    def clusters(self) -> Markup | None:
        """Groups of equal or alike documents by size."""
        grouped: dict[int, int] = {}
        for members, groups in self.facts.clusters:
            grouped[members.bit_length()] = grouped.get(members.bit_length(), 0) + groups
        rows = [(_range(bits), groups, "") for bits, groups in sorted(grouped.items())]
        return self._bars("clusters", rows, tone="quiet")

    def risk_lead(self) -> str:
        """What the library is, in a sentence or two."""
        risks = self.facts.risks
        if risks is None:
            return ""
        said = self.say(
            "risks.lead",
            entries=self.count(risks.entries),
            wanted=self.count(risks.wanted),
            covered=risks.covered,
            classes=len(risks.lines),
        )
        return f"{said} {self.say('risks.sample')}" if risks.sample else said

    def residual(self) -> Markup | None:
        """Recall on probes by type, with intervals."""
        rows = [
            (self.named("type", each.name), each.found, each.of, each.low, each.high)
            for each in self.facts.residual
        ]
        return self._dots("residual", rows)

    def reviewed(self) -> Markup | None:
        """Shares that passed, with intervals."""
        rows = []
        for each in self.facts.reviews:
            share = each.result.get("share") or {}
            if share.get("share") is not None:
                low, high = float(share["low"]), float(share["high"])
                name = self.say(f"review.{each.kind}", round=each.round)
                rows.append((name, share["found"], share["of"], low, high))
        return self._dots("reviews", rows)

    def verdicts(self) -> Iterator[tuple[str, str, list[tuple[str, str]], str]]:
        """(name, tone, (name, value) …, reference) of each check."""
        for each in self.facts.reviews:
            result = each.result
            tone = "plain"
            if result:
                tone = "good" if result.get("meets_standard") else "bad"
            yield (
                self.say(f"review.{each.kind}", round=each.round),
                tone,
                list(self._verdict(each.state, each.items, result)),
                each.reference,
            )

    def _verdict(
        self,
        state: str,
        items: int,
        result: dict[str, Any] | Any,  # noqa: ANN401 (stored JSON)
    ) -> Iterator[tuple[str, str]]:
        yield self.say("state"), text(f"corpus.review.state.{state}", self.language)
        yield self.say("items"), self.count(items)
        if not result:
            return
        verified = "" if result["verified"] else self.say("unverified")
        yield self.say("standard"), f"{result['standard']} {verified}".strip()
        yield self.say("passed"), _interval(result["share"], "share")
        needed = (result["passes_needed"], result["passes_needed_with_confidence"])
        yield self.say("needed"), " / ".join(map(self.count, needed))
        for name in ("meets_standard", "meets_with_confidence"):
            yield self.say(name), self.say("yes" if result[name] else "no")
        both = result.get("agreement") or {}
        if both.get("kappa") is not None:
            yield self.say("kappa"), _interval(both, "kappa")

    def _bars(self, key: str, rows: Sequence[tuple[str, int, str]], *, tone: str) -> Markup | None:
        if not rows:
            return None
        most = max(count for _, count, _ in rows) or 1
        drawn = [
            Bar(name, count / most, f"{self.count(count)} {note}".rstrip(), tone)
            for name, count, note in rows[:ROWS_MAX]
        ]
        said = "; ".join(f"{bar.name}: {bar.value}" for bar in drawn)
        return bars(drawn, caption=self._caption(key, said))

    def _dots(self, key: str, rows: Sequence[tuple[str, int, int, float, float]]) -> Markup | None:
        if not rows:
            return None
        drawn = [
            Dot(
                name,
                f"{self.count(found)} / {self.count(of)}",
                Span(found / of, low, high, f"{found / of:.3f} [{low:.3f}, {high:.3f}]"),
                None,
            )
            for name, found, of, low, high in rows[:ROWS_MAX]
        ]
        said = "; ".join(f"{dot.name}: {dot.model.text}" for dot in drawn)
        start = axis_start([low for *_, low, _ in rows])
        return dots(drawn, axis_from=start, caption=self._caption(key, said))

    def _caption(self, key: str, said: str) -> Caption:
        return Caption(f"{self.language}-sheet-{key}", self.say(key), said)


def _range(bits: int) -> str:
    low, high = (1 << bits) >> 1, (1 << bits) - 1
    return f"{low:,}" if low >= high else f"{low:,} – {high:,}"


def _interval(of: dict[str, Any], name: str) -> str:
    counted = f"{of['found']:,} / {of['of']:,} = " if "found" in of else ""
    if of.get(name) is None:
        return counted.removesuffix(" = ") or "–"
    return f"{counted}{of[name]} [{of['low']}, {of['high']}]"


def _flat(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
