"""Delimited files as columns of text, turned into numbers with a finding for every faulty row."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yunhe.kernel.errors import Finding, Invalid, NotFound

if TYPE_CHECKING:
    import pyarrow as pa

BYTES_MAX = 2 << 30
"""Largest trace, unpacked."""
FINDINGS_MAX = 1000
"""Faulty rows listed one by one; the rest are counted."""
NUMBER_MAX = 1e15
"""Largest number taken: a microsecond count of 31 years in any unit."""

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_TIME = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?$"
_CHUNK = 1 << 20


SECONDS_MAX = 1e12
"""Times are cut to this before they become microseconds, so that none overflows; what is cut is out
of every bound that a trace has, and found there."""


def micros(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole microseconds of seconds."""
    whole: NDArray[np.int64] = np.round(np.clip(seconds, -SECONDS_MAX, SECONDS_MAX) * 1e6).astype(
        np.int64
    )
    return whole


class Problems:
    """What is wrong with a file: every row is counted, the first ones are kept to be shown."""

    def __init__(self, name: str) -> None:
        """``name`` is the file's, without its folder."""
        self.name = name
        self.findings: list[Finding] = []
        self.count = 0

    def add(self, line: int | str, code: str, **params: str | int) -> None:
        """One fault at a line (0: of the whole file)."""
        self.count += 1
        if len(self.findings) < FINDINGS_MAX:
            where = f"{self.name}:{line}" if line else self.name
            self.findings.append(Finding(where, code, tuple(params.items())))

    def rows(self, lines: NDArray[np.int64], code: str, **params: str | int) -> None:
        """The same fault at several lines."""
        room = max(FINDINGS_MAX - len(self.findings), 0)
        for line in lines[:room].tolist():
            self.add(line, code, **params)
        self.count += max(len(lines) - room, 0)


def load(path: Path, problems: Problems) -> str:
    """The text of a file, unpacked when it is gzip; what cannot be read is named.

    Bytes that are no UTF-8 become U+FFFD, so only their rows are lost. Of a file cut off within
    its packing the readable part is used.

    Errors: `NotFound` ``simulate.file_missing``; `Invalid` ``simulate.file_too_large``.
    """
    if not path.is_file():
        raise NotFound("simulate.file_missing", file=path.name)
    if path.stat().st_size > BYTES_MAX:
        raise Invalid("simulate.file_too_large", file=path.name, bytes_max=BYTES_MAX)
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(content, path, problems)
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    return content.decode("utf-8", errors="replace")


def _unpacked(content: bytes, path: Path, problems: Problems) -> bytes:
    parts: list[bytes] = []
    size = 0
    while content:  # several members may follow one another; each consumes at least its header
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            while not stream.eof and content:
                parts.append(stream.decompress(content, _CHUNK))
                content = stream.unconsumed_tail
                size += len(parts[-1])
                if size > BYTES_MAX:
                    raise Invalid("simulate.file_too_large", file=path.name, bytes_max=BYTES_MAX)
        except zlib.error:
            problems.add(0, "simulate.packing_broken")
            break
        if not stream.eof:
            problems.add(0, "simulate.packing_broken")
        content = stream.unused_data
    return b"".join(parts)


class Rows:
    """n rows of text columns; a row is dropped once something in it is found faulty."""

    def __init__(
        self,
        columns: Mapping[str, pa.Array],
        lines: NDArray[np.int64],
        problems: Problems,
    ) -> None:
        """``lines[i]`` is the line of row i in the file, counted from 1."""
        self.columns = columns
        self.lines = lines
        self.problems = problems
        self.good = np.ones(len(lines), np.bool_)

    def __len__(self) -> int:
        return len(self.lines)

    def fault(self, bad: NDArray[np.bool_], code: str, **params: str | int) -> None:
        """Drop these rows and say why; a row is faulted once."""
        fresh = bad & self.good
        self.problems.rows(self.lines[fresh], code, **params)
        self.good &= ~bad

    def numbers(
        self,
        column: str,
        *,
        least: float | None = None,
        most: float = NUMBER_MAX,
        empty: float | None = None,
    ) -> NDArray[np.float64]:
        """A column of numbers; 0 in faulty rows.

        ``least`` and ``most``: smallest and largest value allowed; ``empty``: what an empty field
        means, else it is a fault.
        """
        import pyarrow.compute as pc  # noqa: PLC0415 (0.2 s that no other command should pay)

        said = pc.utf8_trim_whitespace(self.columns[column])
        blank = _flags(pc.equal(said, ""))
        valid = _flags(pc.match_substring_regex(said, _NUMBER))
        kept = pc.if_else(pc.match_substring_regex(said, _NUMBER), said, "0")
        values = _array(pc.cast(kept, "float64")).astype(np.float64)
        if empty is not None:
            values[blank] = empty
            valid |= blank
        else:
            self.fault(blank, "simulate.row_empty", column=column)
        self.fault(~valid, "simulate.row_not_number", column=column)
        self.fault(np.abs(values) > most, "simulate.row_too_large", column=column)
        if least is not None:
            low = values < least
            if empty is not None:
                low &= ~blank
            self.fault(low, "simulate.row_too_small", column=column, least=f"{least:g}")
        values[~self.good] = 0
        return values

    def whole(
        self,
        column: str,
        *,
        least: int | None = None,
        most: float = NUMBER_MAX,
        empty: int | None = None,
    ) -> NDArray[np.int64]:
        """A column of whole numbers; 0 in faulty rows."""
        values = self.numbers(column, least=least, most=most, empty=empty)
        self.fault(values != np.floor(values), "simulate.row_not_whole", column=column)
        values[~self.good] = 0
        return values.astype(np.int64)

    def times(self, column: str) -> NDArray[np.int64]:
        """A column of calendar times (UTC where nothing is said): microseconds since 1970."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        said = pc.utf8_trim_whitespace(self.columns[column])
        shaped = pc.match_substring_regex(said, _TIME)
        cut = pc.utf8_slice_codeunits(pc.utf8_rtrim(said, "Z"), 0, 26)  # to microseconds
        text = pc.if_else(shaped, cut, "1970-01-01 00:00:00")
        try:
            micros = _array(pc.cast(pc.cast(text, pa.timestamp("us")), pa.int64())).astype(np.int64)
        except pa.ArrowInvalid:  # some date that does not exist
            micros = np.array([_instant(one) for one in text.to_pylist()], np.int64)
        wrong = ~_flags(shaped) | (micros < 0)
        self.fault(wrong, "simulate.row_not_time", column=column)
        return np.where(wrong, 0, micros).astype(np.int64)

    def codes(self, column: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """A column of words as positions in the list of words, in order of first appearance."""
        encoded = self.columns[column].dictionary_encode()
        return (
            _array(encoded.indices).astype(np.int32),
            tuple(str(word) for word in encoded.dictionary.to_pylist()),
        )

    def words(self, column: str) -> list[str]:
        """A column as text, without blanks around it."""
        return [str(one).strip() for one in self.columns[column].to_pylist()]

    def names(self, column: str) -> list[str]:
        """A column as text; a name that came before is a fault."""
        names = self.words(column)
        codes, known = self.codes(column)
        first = np.full(len(known), -1, np.int64)
        where = np.arange(len(codes))
        first[codes[::-1]] = where[::-1]
        self.fault(first[codes] != where, "simulate.row_repeated", column=column)
        return names


def read_csv(
    name: str, content: str, problems: Problems, *, needed: Sequence[str], delimiter: str = ","
) -> Rows:
    """The rows of a delimited text whose first line names its columns.

    Lines with too many or too few fields are dropped with a finding.
    Errors: `Invalid` ``simulate.columns_missing`` with every missing column.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    header = content.split("\n", 1)[0].rstrip("\r")
    found = [word.strip().strip('"') for word in header.split(delimiter)]
    missing = [
        Finding(name, "simulate.column_missing", (("column", c),)) for c in needed if c not in found
    ]
    if missing:
        raise Invalid("simulate.columns_missing", findings=missing, file=name)
    bad: list[int] = []

    def refuse(row: csv.InvalidRow) -> str:
        bad.append(row.number)
        problems.add(
            row.number, "simulate.row_fields", found=row.actual_columns, wanted=row.expected_columns
        )
        return "skip"

    names = [f"{i}" for i in range(len(found))]
    try:
        table = csv.read_csv(
            pa.BufferReader(content.encode()),
            read_options=csv.ReadOptions(use_threads=False, column_names=names),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=refuse
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        ).slice(1)
    except pa.ArrowInvalid as error:
        raise Invalid("simulate.file_unreadable", file=name, reason=str(error)[:200]) from None
    columns = {word: table.column(i).combine_chunks() for i, word in enumerate(found)}
    lines = np.setdiff1d(np.arange(2, 2 + table.num_rows + len(bad)), np.array(bad, np.int64))
    blank = np.ones(table.num_rows, np.bool_)
    for column in columns.values():
        blank &= _flags(pc.equal(column, ""))
    if blank.any():  # an empty line is no row
        kept = pa.array(~blank)
        columns = {word: column.filter(kept) for word, column in columns.items()}
    return Rows(columns, lines[~blank].astype(np.int64), problems)


def _flags(found: pa.Array) -> NDArray[np.bool_]:
    return _array(found).astype(np.bool_)


def _array(found: pa.Array) -> NDArray[np.generic]:
    values: NDArray[np.generic] = found.to_numpy(zero_copy_only=False)
    return values.copy()


def _instant(said: str) -> int:
    try:
        at = datetime.fromisoformat(said).replace(tzinfo=UTC)
    except ValueError:
        return -1
    return round(at.timestamp() * 1_000_000)
