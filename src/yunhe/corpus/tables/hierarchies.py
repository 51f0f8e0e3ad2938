"""How a column's values become less exact, step by step, until nothing is left of them.

Every hierarchy nests: two values that read the same at one level read the same at all later ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import floor, isfinite
from typing import Literal, get_args

Kind = Literal["number", "date", "region", "prefix", "category"]
"""Ranges of 5, 10, 20, 100 and so on; month, year, decade; province and city of a region code;
beginnings of a code; nothing in between."""
KINDS: tuple[Kind, ...] = get_args(Kind)
ANY = "*"
"""What is left at the last level."""
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_REGION = re.compile(r"[1-9]\d{5}")
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d{1,6})?")
_PROVINCES = frozenset(
    str(code)
    for first, end in (
        (11, 16),
        (21, 24),
        (31, 38),
        (41, 47),
        (50, 55),
        (61, 66),
        (71, 72),
        (81, 83),
    )
    for code in range(first, end)
)
"""First two digits of region codes. Source: GB/T 2260."""
_LEVELS_MAX = 12
Value = str | int | float | Decimal | bool | date | datetime | None
Reading = Callable[[Value], str]


def kind_of(values: Sequence[Value]) -> Kind:
    """The hierarchy that fits a column's different values best."""
    present = [value for value in values if value is not None]
    if present and all(_is_number(value) for value in present):
        return "number"
    texts = [_text(value) for value in present]
    if texts and all(_is_day(value) for value in texts):
        return "date"
    if texts and all(_REGION.fullmatch(value) and value[:2] in _PROVINCES for value in texts):
        return "region"
    if texts and all(_PLAIN_NUMBER.fullmatch(value) for value in texts):
        return "number"  # in CSV everything is text; a code with leading zeros is no number
    return "category"


def fits(kind: Kind, values: Sequence[Value]) -> bool:
    """Whether every value can be read by the hierarchy."""
    present = [value for value in values if value is not None]
    if kind == "number":
        return all(_number(value) is not None for value in present)
    if kind == "date":
        return all(_is_day(_text(value)) for value in present)
    if kind == "region":
        return all(_REGION.fullmatch(_text(value)) for value in present)
    return True


def levels(kind: Kind, values: Sequence[Value]) -> list[tuple[str, Reading]]:
    """Names and readings, the exact value first and `ANY` last."""
    made: list[tuple[str, Reading]] = [("exact", _text)]
    if kind == "number":
        whole = all((_number(value) or 0.0).is_integer() for value in values)
        made += [(f"range {width}", _range(width, whole)) for width in _widths(values)]
    elif kind == "date":
        made += [("month", _cut(7)), ("year", _cut(4)), ("decade", _decade)]
    elif kind == "region":
        made += [("city", _keep(4)), ("province", _keep(2))]
    elif kind == "prefix":
        longest = max((len(_text(value)) for value in values), default=0)
        kept = range(min(longest - 1, _LEVELS_MAX), 0, -1)
        made += [(f"first {count}", _keep(count)) for count in kept]
    return [*made, ("any", _nothing)]


def _widths(values: Sequence[Value]) -> list[int]:
    """5, 10, 20, 100, 200, 1000, 2000 …: each divides the next, so ranges nest."""
    numbers = [number for value in values if (number := _number(value)) is not None]
    span = max(numbers, default=0) - min(numbers, default=0)
    widths = [5]
    while widths[-1] < span and len(widths) < _LEVELS_MAX:
        widths.append(widths[-1] * (5 if str(widths[-1])[0] == "2" else 2))
    return widths


def _range(width: int, whole: bool) -> Reading:  # noqa: FBT001 (one column is all of a kind)
    def read(value: Value) -> str:
        number = _number(value)
        if number is None:
            return _text(value)
        low = floor(number // width) * width
        return f"{low}–{low + width - 1}" if whole else f"{low}–<{low + width}"

    return read


def _cut(letters: int) -> Reading:
    return lambda value: _text(value)[:letters]


def _decade(value: Value) -> str:
    return f"{_text(value)[:3]}0s" if value is not None else ""


def _keep(letters: int) -> Reading:
    def read(value: Value) -> str:
        written = _text(value)
        return written[:letters] + ANY * max(0, len(written) - letters)

    return read


def _nothing(_: Value) -> str:
    return ANY


def _text(value: Value) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return "" if value is None else str(value)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _number(value: Value) -> float | None:
    try:
        number = float(_text(value))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _is_day(written: str) -> bool:
    found = _DAY.fullmatch(written[:10])
    return found is not None and 1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31
