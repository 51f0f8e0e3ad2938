"""Reads what a provider says it delivered: CSV or JSON, every fault at once, nothing guessed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, DecimalException, Inexact, localcontext
from functools import partial
from typing import TYPE_CHECKING

from yunhe.compute.statements.domain import Form
from yunhe.compute.statements.matching import LINE_NUMBERS, LINE_TEXTS
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.units import CURRENCIES

if TYPE_CHECKING:
    import pyarrow as pa

REQUIRED = (
    "workload",
    "device_seconds",
    "price_per_device_hour",
    "currency",
    "amount",
    "ended_at",
)
"""Columns that every line has; amounts in the major unit, e.g. ``12.30``."""
OPTIONAL = ("pool", "voucher")
"""Columns it may have."""
LINES_MAX = 1_000_000
"""Most lines of one statement."""
BYTES_MAX = 256 << 20
"""Largest file."""
FINDINGS_MAX = 1_000
"""Faults told one by one; the rest are counted."""
_TEXT_LETTERS_MAX = 200
_NUMBER_LETTERS_MAX = 40
_UNKEPT = re.compile("[\0\ud800-\udfff]")  # JSON can spell half a letter, which no UTF-8 holds
# Narrower than `Decimal`, which takes 1_000 and digits of other scripts.
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_TIMES_MAX_US = 253_402_300_800 * 1_000_000  # the year 10000, where ISO 8601 ends


@dataclass(slots=True)
class _Reader:
    """What was read, and what was wrong with it."""

    columns: dict[str, list[str | int]] = field(
        default_factory=lambda: {name: [] for name in (*LINE_TEXTS, *LINE_NUMBERS)}
    )
    findings: list[Finding] = field(default_factory=list)
    wrong: int = 0

    def fault(self, where: str, code: str, **params: str | int) -> None:
        self.wrong += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(where, code, tuple(params.items())))

    def check(self) -> None:
        """Raise all that was found."""
        if self.wrong > len(self.findings):
            more = (("count", self.wrong - len(self.findings)),)
            self.findings.append(Finding("…", "compute.statement_more_faults", more))
        if self.findings:
            raise Invalid("compute.statement_invalid", findings=self.findings)


def read(content: bytes, form: Form, *, provider: str) -> pa.Table:
    """The lines as a table (`matching.LINE_TEXTS`, `matching.LINE_NUMBERS`).

    Errors: `Invalid` ``compute.statement_invalid`` with every fault by line and column, at most
    `FINDINGS_MAX` of them. Cost: linear; about 15 µs a line.
    """
    import pyarrow as pa  # noqa: PLC0415

    reader = _Reader()
    if len(content) > BYTES_MAX:
        reader.fault("file", "compute.statement_too_large", bytes_max=BYTES_MAX)
        reader.check()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reader.fault(f"byte {error.start}", "compute.statement_not_utf8")
        reader.check()
        raise
    rows = _of_csv(reader, text) if form == "csv" else _of_json(reader, text, provider)
    for line, row in rows:
        _line(reader, line, row, provider)
    reader.check()
    return pa.table(
        {
            **{name: pa.array(reader.columns[name], pa.string()) for name in LINE_TEXTS},
            **{name: pa.array(reader.columns[name], pa.int64()) for name in LINE_NUMBERS},
        }
    )


def _of_csv(reader: _Reader, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(rows, [])]
        if not _head(reader, head):
            return
        for count, row in enumerate(rows, start=1):
            if not row:
                continue
            if count > LINES_MAX:
                reader.fault(f"line {rows.line_num}", "compute.statement_too_long", most=LINES_MAX)
                return
            if len(row) != len(head):
                said = {"columns": len(row), "expected": len(head)}
                reader.fault(f"line {rows.line_num}", "compute.statement_ragged", **said)
                continue
            yield rows.line_num, dict(zip(head, row, strict=True))
    except csv.Error as error:
        reader.fault(f"line {rows.line_num}", "compute.statement_not_csv", reason=str(error)[:100])


def _head(reader: _Reader, head: list[str]) -> bool:
    for name in REQUIRED:
        if name not in head:
            reader.fault("line 1", "compute.statement_column_missing", column=name)
    for name in dict.fromkeys(head):
        if name not in (*REQUIRED, *OPTIONAL):
            reader.fault("line 1", "compute.statement_column_unknown", column=ascii(name)[1:61])
        elif head.count(name) > 1:
            reader.fault("line 1", "compute.statement_column_twice", column=name)
    return not reader.wrong


def _of_json(
    reader: _Reader, text: str, provider: str
) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        # Numbers stay as they were written: 0.1 + 0.2 is nobody's invoice.
        said = json.loads(
            text, parse_float=str, parse_int=str, object_pairs_hook=partial(_once, reader)
        )
    except (json.JSONDecodeError, RecursionError) as error:
        at = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "file"
        reader.fault(at, "compute.statement_not_json")
        return
    lines = said.get("lines") if isinstance(said, dict) else None
    if not isinstance(lines, list):
        reader.fault("lines", "compute.statement_no_lines")
        return
    if said.get("provider", provider) != provider:
        value = ascii(said["provider"])[:80]
        reader.fault("provider", "compute.statement_other_provider", value=value)
    if len(lines) > LINES_MAX:
        reader.fault("lines", "compute.statement_too_long", most=LINES_MAX)
        return
    for number, row in enumerate(lines, start=1):
        if not isinstance(row, dict):
            reader.fault(f"line {number}", "compute.statement_no_object")
            continue
        for name in row.keys() - {*REQUIRED, *OPTIONAL}:
            code = "compute.statement_column_unknown"
            reader.fault(f"line {number}", code, column=ascii(name)[1:61])
        for name in [name for name in REQUIRED if name not in row]:
            reader.fault(f"line {number}", "compute.statement_column_missing", column=name)
        yield number, row


def _once(reader: _Reader, pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON; a name that is there twice is a fault, not what came last."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        for name in [name for name in made if names.count(name) > 1]:
            column = ascii(name)[1:61]
            reader.fault("file", "compute.statement_column_twice", column=column)
    return made


def _line(reader: _Reader, line: int, row: Mapping[str, object], provider: str) -> None:
    """Take one line in; what is wrong with it is told, and zeros stand in for it."""
    texts = {name: _text(reader, line, name, row) for name in ("workload", "pool", "currency")}
    currency = texts["currency"]
    if currency not in CURRENCIES:
        known = ", ".join(CURRENCIES)
        params = {"value": ascii(currency)[1:41], "known": known}
        reader.fault(f"line {line}: currency", "compute.currency_unknown", **params)
    digits = CURRENCIES.get(currency, 2)
    values: dict[str, str | int] = {
        **texts,
        "provider": provider,
        "line": line,
        "device_ms": _number(reader, line, "device_seconds", row, digits=3),
        "price_minor_per_device_hour": _number(
            reader, line, "price_per_device_hour", row, digits=digits
        ),
        "amount_minor": _number(reader, line, "amount", row, digits=digits),
        "voucher_minor": _number(reader, line, "voucher", row, digits=digits),
        "ended_us": _instant(reader, line, row),
    }
    if not texts["workload"]:
        reader.fault(f"line {line}: workload", "compute.statement_empty")
    for name, column in reader.columns.items():
        column.append(values[name])


def _text(reader: _Reader, line: int, name: str, row: Mapping[str, object]) -> str:
    value = row.get(name, "")
    if not isinstance(value, str) or len(value) > _TEXT_LETTERS_MAX or _UNKEPT.search(value):
        reader.fault(f"line {line}: {name}", "compute.statement_not_text")
        return ""
    return value.strip()


def _number(
    reader: _Reader, line: int, name: str, row: Mapping[str, object], *, digits: int
) -> int:
    """A decimal as a whole number of its smallest part; not finer than that, and bounded."""
    absent = "0" if name in OPTIONAL else ""
    value = row.get(name, absent)
    whole = _whole(value.strip() or absent, digits) if isinstance(value, str) else None
    if whole is None:
        params: dict[str, str | int] = {"value": ascii(value)[:40], "digits": digits}
        reader.fault(f"line {line}: {name}", "compute.statement_number", **params)
        return 0
    return whole


def _whole(value: str, digits: int) -> int | None:
    """``12.30`` with two digits → 1230; None for what is no number, too fine or too large."""
    if len(value) > _NUMBER_LETTERS_MAX or not _DECIMAL.fullmatch(value):
        return None
    try:
        with localcontext() as exactly:
            exactly.traps[Inexact] = True  # beyond 28 digits it would be rounded in silence
            scaled = Decimal(value).scaleb(digits)
            fits = scaled.adjusted() < _NUMBER_LETTERS_MAX and abs(scaled) <= INTEGER_MAX
            return int(scaled) if fits and scaled == scaled.to_integral_value() else None
    except DecimalException:
        return None


def _instant(reader: _Reader, line: int, row: Mapping[str, object]) -> int:
    value = row.get("ended_at", "")
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        if moment.tzinfo is None:
            raise ValueError
        # In two parts: a float of microseconds would lose the last of them.
        at_us = int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
        if not 0 <= at_us < _TIMES_MAX_US:
            raise ValueError
    except (ValueError, OverflowError):
        reader.fault(f"line {line}: ended_at", "compute.statement_instant", value=ascii(value)[:40])
        return 0
    return at_us


def written(lines: Iterable[Mapping[str, object]]) -> bytes:
    """Lines as a CSV file that `read` takes: for tests, benchmarks and providers' own programs."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*REQUIRED, *OPTIONAL], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue().encode()
