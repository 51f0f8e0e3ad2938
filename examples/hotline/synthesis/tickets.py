"""Writes tickets in a stream: complaints, re-sent copies, adverts and insults, with the truth.

Ticket n depends on the seed and on tickets before it only, so a shorter run is the beginning of a
longer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from synthesis import damage
from synthesis.grammar import (
    Department,
    Draw,
    Lexicon,
    Segment,
    Template,
    Weighted,
    expand,
    load_lexicon,
)
from synthesis.scene import Scene

LENGTH_MIN, LENGTH_MAX = 15, 400
"""Characters in a ticket."""
SHARES = {
    "near_duplicate": 0.05,
    "exact_duplicate": 0.02,
    "spam": 0.02,
    "abuse": 0.015,
    "mojibake": 0.015,
    "label_noise": 0.08,
    "ambiguous": 0.04,
}
"""How much of each kind of trouble is put in."""
_MEMORY = 2_000  # how many recent tickets may be sent again
_START = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
_CHANNELS = Weighted.of([("电话", 45), ("微信小程序", 22), ("APP", 15), ("网站", 13), ("来信", 5)])
_REGISTERS = Weighted.of([("clerk", 24), ("formal", 26), ("colloquial", 36), ("terse", 14)])

Part = list[Segment]
Shares = tuple[tuple[str, float], ...]
"""Sections of phrases, each with how often it is used."""
Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one kind of writer builds a complaint."""

    titled: float  # how often the problem is named as a clerk would
    title: str
    opening: Shares
    around: Shares
    ending: Shares


_SHAPES = {
    "clerk": _Shape(
        0.8,
        "clerk_title",
        (("clerk_open", 1.0), ("locate", 0.3)),
        (("since", 0.4), ("history", 0.35), ("passing", 0.2), ("extra", 0.15)),
        (("demand_formal", 0.9), ("contact", 0.4)),
    ),
    "formal": _Shape(
        0.5,
        "formal_title",
        (("greeting", 0.6), ("intro", 0.7), ("locate", 0.3)),
        (("since", 0.4), ("effect", 0.4), ("history", 0.45), ("passing", 0.3), ("extra", 0.2)),
        (("demand_formal", 0.8), ("contact", 0.55), ("payment", 0.05), ("closing", 0.35)),
    ),
    "colloquial": _Shape(
        0.35,
        "colloquial_title",
        (("greeting", 0.5), ("intro", 0.4)),
        (("effect", 0.5), ("passing", 0.3), ("since", 0.35), ("history", 0.35), ("extra", 0.15)),
        (("demand_colloquial", 0.7), ("contact", 0.4), ("closing", 0.3)),
    ),
    "terse": _Shape(0.2, "formal_title", (), (("passing", 0.1),), (("contact", 0.35),)),
}
_MORE: Shares = (("effect", 0.5), ("passing", 0.1), ("extra", 0.2), ("payment", 0.1))


@dataclass(frozen=True, slots=True)
class _Written:
    """A ticket as its writer meant it."""

    id: str
    label: str
    parts: tuple[Part, ...]
    core: int
    segments: tuple[Segment, ...]
    spam: bool = False
    abuse: bool = False


class Writer:
    """One stream of tickets."""

    def __init__(self, seed: int, lexicon: Lexicon | None = None) -> None:
        """``lexicon`` defaults to the one that is shipped."""
        self._draw = Draw(seed)
        self._lexicon = lexicon or load_lexicon()
        departments = self._lexicon.departments
        self._by_weight = Weighted.of([(d, d.weight) for d in departments])
        self._names = [d.name for d in departments]
        self._recent: list[_Written] = []
        self._made = 0
        self._at = _START

    def tickets(self, count: int) -> Iterator[tuple[Record, Record]]:
        """The next ``count`` pairs of ticket and truth."""
        for _ in range(count):
            self._made += 1
            yield self._next(f"synthetic-{self._made:06d}")

    def _next(self, ticket: str) -> tuple[Record, Record]:
        draw, original = self._draw, None
        form = draw.random()
        near, exact = SHARES["near_duplicate"], SHARES["exact_duplicate"]
        if form < near + exact and self._recent:
            original = draw.pick(self._recent)
            written = self._resent(ticket, original) if form < near else original
        else:
            written = self._fresh(ticket, draw.random())
            self._remember(written)
        return self._records(ticket, written, None if original is None else original.id)

    def _remember(self, written: _Written) -> None:
        if len(self._recent) < _MEMORY:
            self._recent.append(written)
        else:
            self._recent[self._made % _MEMORY] = written

    def _fresh(self, ticket: str, form: float) -> _Written:
        draw, scene = self._draw, Scene(self._lexicon, self._draw)
        spam, abuse = form < SHARES["spam"], form > 1 - SHARES["abuse"]
        department = self._by_weight.draw(draw)
        label, core = department.name, 0
        if spam:
            parts = [self._phrase("spam", scene)]
        elif abuse and draw.chance(0.4):
            parts = [self._phrase("abuse", scene) for _ in range(2 + draw.below(2))]
        else:
            title = ""
            if draw.chance(SHARES["ambiguous"]):
                template, targets = draw.pick(self._lexicon.ambiguous)
                label = targets.draw(draw)
            else:
                problem = draw.pick(department.problems)
                template, title = draw.pick(problem.wordings), problem.title
            parts, core = self._complaint(template, scene, title)
            if abuse:
                parts.append(self._phrase("abuse", scene))
        parts, core = self._fit(parts, core, scene)
        segments = self._finish(parts, damage.STYLES.draw(draw))
        return _Written(ticket, label, tuple(parts), core, tuple(segments), spam, abuse)

    def _phrase(self, section: str, scene: Scene) -> Part:
        return expand(self._draw.pick(self._lexicon.phrases[section]), self._draw, scene.fill)

    def _some(self, scene: Scene, wanted: Shares) -> list[Part]:
        return [self._phrase(name, scene) for name, share in wanted if self._draw.chance(share)]

    def _complaint(self, template: Template, scene: Scene, title: str) -> tuple[list[Part], int]:
        """Opening, problem, what surrounds it, demand and contact; and where the problem is."""
        draw, register = self._draw, _REGISTERS.draw(self._draw)
        shape = _SHAPES[register]
        problem = expand(template, draw, scene.fill)
        opening = self._some(scene, shape.opening)
        if title and draw.chance(shape.titled):
            scene.say("title", title)
            opening.insert(0, self._phrase(shape.title, scene))
        middle = self._some(scene, shape.around)
        rounds = draw.random()
        for _ in range(0 if register == "terse" or rounds > 0.16 else 1 if rounds > 0.05 else 4):
            middle += self._some(scene, (*shape.around, *_MORE))
        if draw.chance(0.05):
            other = draw.pick(draw.pick(self._by_weight.draw(draw).problems).wordings)
            middle.append(self._phrase("second", scene) + expand(other, draw, scene.fill))
        for at in range(len(middle) - 1, 0, -1):  # Fisher-Yates
            swap = draw.below(at + 1)
            middle[at], middle[swap] = middle[swap], middle[at]
        before = middle[:1] if draw.chance(0.25) else []
        ending = self._some(scene, shape.ending)
        parts = [*opening, *before, problem, *middle[len(before) :], *ending]
        return parts, len(opening) + len(before)

    def _fit(self, parts: list[Part], core: int, scene: Scene) -> tuple[list[Part], int]:
        """Within the bounds on length, each part closed by a mark; the part at ``core`` stays."""
        parts = list(parts)
        while sum(map(_length, parts)) < LENGTH_MIN + 5:
            parts.append(self._phrase("effect", scene))
        # Style, slips and separators may add some.
        while sum(map(_length, parts)) > LENGTH_MAX - 40 and len(parts) > 1:
            core = self._drop_one(parts, core)
        closed = "，。：！？；、） ~】"
        return [p if p[-1][0][-1] in closed else [*p, ("。", "")] for p in parts], core

    def _drop_one(self, parts: list[Part], core: int) -> int:
        at = self._draw.below(len(parts) - 1)
        at += at >= core
        del parts[at]
        return core - (at < core)

    def _finish(self, parts: Sequence[Part], style: str) -> list[Segment]:
        """Slips and habits of the writer."""
        draw = self._draw
        segments: list[Segment] = []
        for text, kind in (segment for part in parts for segment in part):
            if segments and not kind and not segments[-1][1]:
                segments[-1] = (segments[-1][0] + text, "")
            else:
                segments.append((text, kind))
        if draw.chance(0.1):
            segments = damage.speak(segments, draw, self._lexicon.dialect)
        if draw.chance(0.25):
            segments = damage.misspell(
                segments, draw, typos=self._lexicon.typos, count=1 + draw.below(3)
            )
        return damage.separate(damage.punctuate(segments, draw, style))

    def _resent(self, ticket: str, original: _Written) -> _Written:
        """The same complaint again, with a few edits."""
        draw, scene = self._draw, Scene(self._lexicon, self._draw)
        parts = list(original.parts)
        if len(parts) > 3 and draw.chance(0.25):
            self._drop_one(parts, original.core)
        if draw.chance(0.5):
            parts.insert(0, self._phrase("resent", scene))
        if len(parts) > 2 and draw.chance(0.35):
            parts.append(self._phrase("resent_tail", scene))
        segments = self._finish(parts, "plain")
        while tuple(segments) == original.segments:
            segments = damage.separate(
                damage.misspell(segments, draw, typos=self._lexicon.typos, count=2)
            )
        return replace(original, id=ticket, segments=tuple(segments))

    def _records(
        self, ticket: str, written: _Written, duplicate_of: str | None
    ) -> tuple[Record, Record]:
        draw, spans, text = self._draw, [], ""
        for run, kind in written.segments:
            if kind:
                spans.append([len(text), len(text) + len(run), kind, run])
            text += run
        department, noisy = written.label, draw.chance(SHARES["label_noise"])
        if noisy:
            department = draw.pick([name for name in self._names if name != written.label])
        shown = damage.mojibake(text, draw, SHARES["mojibake"])
        self._at += timedelta(seconds=60 + draw.below(2_280))
        record: Record = {
            "id": ticket,
            "created": self._at.isoformat(),
            "channel": _CHANNELS.draw(draw),
            "text": shown,
            "department": department,
            "synthetic": True,
        }
        truth: Record = {
            "id": ticket,
            "text": text,
            "spans": spans,
            "label": written.label,
            "noisy": noisy,
            "duplicate_of": duplicate_of,
            "mojibake": shown != text,
            "spam": written.spam,
            "abuse": written.abuse,
            "synthetic": True,
        }
        return record, truth


def _length(part: Part) -> int:
    return sum(len(text) for text, _ in part) + 2


def department_names(lexicon: Lexicon | None = None) -> list[str]:
    """The labels, in the order of their files."""
    departments: Sequence[Department] = (lexicon or load_lexicon()).departments
    return [department.name for department in departments]
