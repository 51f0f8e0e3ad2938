"""How values read for people: sentences, numbers, amounts, times, digests, in one language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from string import Formatter

from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import Language, text, texts
from yunhe.kernel.units import format_minor
from yunhe.reports.values import Amount, Both, Phrase, Score, Words

TEXT_LENGTH_MAX = 2_000
"""Characters of one value that a report shows; a longer one is cut with an ellipsis."""

_CODE = re.compile(r"[a-z][a-z_]*(\.[A-Za-z0-9_-]+)+")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SPACES = {"\n", "\r", "\t", "\v", "\f"}
_JOINERS = {"\u200c", "\u200d"}

Piece = tuple[str, bool]
"""A run of text, and whether it is a value to stress."""


def clean(value: str) -> str:
    """``value`` without anything that acts instead of showing: escapes, text-direction marks.

    White space becomes a space, every other control or format character (but the joiners that
    scripts need) a ``�``, so that a hidden one is seen.
    """
    if value.isascii() and value.isprintable() and len(value) <= TEXT_LENGTH_MAX:
        return value
    cut = value if len(value) <= TEXT_LENGTH_MAX else value[: TEXT_LENGTH_MAX - 1] + "…"
    return "".join(_shown(character) for character in cut)


def _shown(character: str) -> str:
    if character in _SPACES:
        return " "
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return "\ufffd"


def ratio(value: str | None) -> Decimal | None:
    """A fraction's text as a number within 0…1; ``None`` when it is none."""
    try:
        number = Decimal(value or "")
    except InvalidOperation:
        return None
    return min(max(number, Decimal(0)), Decimal(1)) if number.is_finite() else None


@dataclass(frozen=True, slots=True)
class Wording:
    """Every text of a report in one language."""

    language: Language
    """The language."""

    def say(self, key: str, **params: str) -> str:
        """The sentence ``reports.<key>``. Errors: ``KeyError`` when nobody wrote it."""
        return "".join(piece for piece, _ in self.pieces(key, **params))

    def pieces(self, key: str, **params: str) -> tuple[Piece, ...]:
        """The same sentence, with its values told apart so that a page can stress them."""
        template = texts("reports", self.language)[f"reports.{key}"]
        found: list[Piece] = []
        for literal, name, _, _ in Formatter().parse(template):
            found.append((literal, False))
            if name is not None:
                found.append((clean(params[name]), True))
        return tuple(piece for piece in found if piece[0])

    def words(self, words: Words) -> str:
        """The text in this language, cleaned."""
        if isinstance(words, str):
            return clean(words)
        if isinstance(words, Both):
            return clean(words.zh if self.language == "zh" else words.en)
        return clean(self._phrase(words))

    def _phrase(self, phrase: Phrase) -> str:
        if not _CODE.fullmatch(phrase.code):
            return phrase.code
        return text(phrase.code, self.language, **dict(phrase.params))

    def named(self, group: str, code: str) -> str:
        """The name ``reports.<group>.<code>``, or the bare code when it is not one we know."""
        return texts("reports", self.language).get(f"reports.{group}.{code}") or clean(code)

    def proof(self, kind: str) -> str:
        """What a record of that kind proves; empty for a kind we do not know."""
        return texts("reports", self.language).get(f"reports.proves.{kind}", "")

    def many(self, several: tuple[Words, ...]) -> str:
        """Several texts as one list."""
        return ("、" if self.language == "zh" else ", ").join(self.words(one) for one in several)

    def count(self, number: int) -> str:
        """A whole number with thousands separators."""
        return f"{number:,}"

    def amount(self, amount: Amount) -> str:
        """An amount with its unit, e.g. ``CNY 1,200.00`` or ``41.300 device-seconds (cpu)``."""
        family, _, rest = amount.unit.partition(":")
        try:
            number = format_minor(amount.minor, amount.unit)
        except Invalid:
            return clean(f"{amount.minor:,} × {amount.unit}")
        known = {"device": "unit.device", "voucher": "unit.voucher", "epsilon": "unit.epsilon"}
        if rest:
            return self.say(known[family], number=number, rest=rest)
        return self.say("unit.money", number=number, currency=family)

    def balance(self, minor: int, unit: str) -> str:
        """What an account holds, with its unit."""
        return self.amount(Amount(minor, unit))

    def amounts(self, several: tuple[Amount, ...]) -> str:
        """Several amounts as one sum that is not added up."""
        return " + ".join(self.amount(one) for one in several)

    def fraction(self, value: str) -> str:
        """A score to three decimals; never rounded up to a perfect 1 or down to a bare 0."""
        return _fixed(value, places=3, rounding=ROUND_HALF_EVEN)

    def percent(self, value: str) -> str:
        """The same as a percentage with one decimal, without its sign."""
        return _percent(value, rounding=ROUND_HALF_EVEN)

    def score(self, score: Score) -> str:
        """``0.912 [0.901, 0.922]``; bounds are rounded outwards."""
        if score.low is None or score.high is None:
            return self.fraction(score.value)
        low = _fixed(score.low, places=3, rounding=ROUND_FLOOR)
        high = _fixed(score.high, places=3, rounding=ROUND_CEILING)
        return f"{self.fraction(score.value)} [{low}, {high}]"

    def share(self, score: Score) -> str:
        """``99.2 % [98.9, 99.4]``; bounds are rounded outwards."""
        if score.low is None or score.high is None:
            return f"{self.percent(score.value)} %"
        low = _percent(score.low, rounding=ROUND_FLOOR)
        high = _percent(score.high, rounding=ROUND_CEILING)
        return f"{self.percent(score.value)} % [{low}, {high}]"

    def lower(self, value: str) -> str:
        """A lower bound, rounded downwards."""
        return _fixed(value, places=3, rounding=ROUND_FLOOR)

    def time(self, at_us: int) -> str:
        """``2026-01-01 00:00:00 UTC``."""
        return iso(at_us)[:19].replace("T", " ") + " UTC"

    def day(self, at_us: int) -> str:
        """``2026-01-01``."""
        return iso(at_us)[:10]

    def clock(self, at_us: int) -> str:
        """``00:00:00``, for where the day is clear."""
        return iso(at_us)[11:19]

    def instant(self, at_us: int) -> str:
        """The exact time, as machines read it."""
        return iso(at_us)

    def size(self, size_bytes: int) -> str:
        """A length in bytes with the unit that suits it."""
        if size_bytes < 1_000:
            return f"{size_bytes} B"
        scaled, unit = float(size_bytes), "B"
        for larger in ("kB", "MB", "GB", "TB"):
            if scaled < 1_000:
                break
            scaled, unit = scaled / 1_000, larger
        return f"{scaled:,.1f} {unit}"

    def short(self, digest: str) -> str:
        """The part of a digest or reference that people compare."""
        body = clean(digest.removeprefix("sha256:"))
        return body if len(body) <= 12 else f"{body[:10]}…"

    def brief(self, identifier: str) -> str:
        """An id with its middle left out: the prefix tells what, the end tells which."""
        shown = clean(identifier)
        if len(shown) <= 16:
            return shown
        prefix, mark, _ = shown.partition("_")
        start = prefix + mark if mark and len(prefix) <= 6 else shown[:4]
        return f"{start}…{shown[-8:]}"


def _fixed(value: str, *, places: int, rounding: str) -> str:
    number = ratio(value)
    if number is None:
        return clean(value)
    step = Decimal(1).scaleb(-places)
    rounded = number.quantize(step, rounding)
    if rounding == ROUND_HALF_EVEN and rounded != number:
        rounded = min(max(rounded, step if number > 0 else rounded), 1 - step)
    return str(rounded)


def _percent(value: str, *, rounding: str) -> str:
    number = ratio(value)
    if number is None:
        return clean(value)
    fixed = Decimal(_fixed(value, places=3, rounding=rounding))
    return str((fixed * 100).quantize(Decimal("0.1")))
