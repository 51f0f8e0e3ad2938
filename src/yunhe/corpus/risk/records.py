"""Reads CSV, TSV and YAML of words into records with their places; what they say is not judged."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml

from yunhe.kernel.errors import Finding

COLUMNS = {
    "word": "word", "词": "word", "关键词": "word",
    "class": "class", "类别": "class",
    "weight": "weight", "权重": "weight",
    "exceptions": "exceptions", "例外": "exceptions",
    "note": "note", "备注": "note",
}  # fmt: skip
"""Headings and what they mean."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH_MAX = 4  # mapping of classes, list of words, mapping of a word, list of its exceptions


@dataclass(frozen=True, slots=True)
class Record:
    """One entry as written."""

    line: int
    """Where it stands."""
    word: str
    """The word."""
    risk: str
    """Its class."""
    weight: str = ""
    """Points of one occurrence; empty for one."""
    exceptions: tuple[str, ...] = ()
    """Longer words inside which it does not count."""
    column: int = 0
    """Where on the line, in YAML."""

    def at(self, name: str, column: str) -> str:
        """The place of a fault in one of its columns."""
        return f"{name}:{self.line}:{self.column or column}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as read."""

    records: list[Record] = field(default_factory=list)
    """Entries."""
    findings: list[Finding] = field(default_factory=list)
    """Places that are no entries and should be."""


def of_csv(text: str, name: str) -> Sheet:
    """Comma-separated, with quotation marks as RFC 4180."""
    return _rows(text, name, csv.reader(_lines(text), strict=True))


def of_tsv(text: str, name: str) -> Sheet:
    """Tab-separated; quotation marks are nothing special."""
    return _rows(text, name, csv.reader(_lines(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def _lines(text: str) -> Iterator[str]:
    """Lines as editors count them: other separators of Unicode are part of a word."""
    return (f"{line}\n" for line in text.replace("\r\n", "\n").split("\n"))


def _rows(text: str, name: str, reader: Iterator[list[str]]) -> Sheet:
    sheet = Sheet()
    if not text.strip():
        return sheet
    try:
        header = [COLUMNS.get(cell.strip().lower(), "") for cell in next(reader)]
        for place, heading in enumerate(header, 1):
            if not heading or heading in header[: place - 1]:
                sheet.findings.append(Finding(f"{name}:1:{place}", "corpus.library_column"))
        for wanted in ("word", "class"):
            if wanted not in header:
                missing = Finding(f"{name}:1", "corpus.library_column_missing", (("name", wanted),))
                sheet.findings.append(missing)
        if sheet.findings:
            return sheet
        for cells in reader:
            _row(sheet, name, header, cells, line=getattr(reader, "line_num", 0))
    except csv.Error:
        where = f"{name}:{getattr(reader, 'line_num', 0)}"
        sheet.findings.append(Finding(where, "corpus.library_quotes"))
    return sheet


def _row(sheet: Sheet, name: str, header: Sequence[str], cells: list[str], *, line: int) -> None:
    if not any(cells):
        return
    if len(cells) > len(header):
        params = (("there", len(cells)), ("expected", len(header)))
        sheet.findings.append(Finding(f"{name}:{line}", "corpus.fields_wrong", params))
        return
    found = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    exceptions = tuple(part.strip() for part in found.get("exceptions", "").split("|"))
    sheet.records.append(
        Record(
            line,
            found.get("word", ""),
            found.get("class", ""),
            found.get("weight", ""),
            tuple(part for part in exceptions if part),
        )
    )


class _Refused(Exception):
    """YAML that a library of words has no use for."""

    def __init__(self, mark: object) -> None:
        self.problem_mark = mark


@dataclass(slots=True)
class _Node:
    """A scalar, a list, or a mapping as a list of keys and values in turn."""

    event: yaml.NodeEvent
    parts: list[_Node] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, int]:
        mark = self.event.start_mark
        return (0, 0) if mark is None else (mark.line + 1, mark.column + 1)

    def at(self, name: str) -> str:
        line, column = self.place
        return f"{name}:{line}:{column}"

    def pairs(self) -> list[tuple[_Node, _Node]]:
        return list(zip(self.parts[::2], self.parts[1::2], strict=False))

    @property
    def value(self) -> str | None:
        return self.event.value if isinstance(self.event, yaml.ScalarEvent) else None


def of_yaml(text: str, name: str) -> Sheet:
    """A mapping of classes to lists of words; aliases are refused, so nothing multiplies."""
    sheet = Sheet()
    try:
        root = _tree(text)
    except (yaml.YAMLError, _Refused) as error:
        mark = getattr(error, "problem_mark", None)
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        sheet.findings.append(Finding(place, "corpus.profile_no_yaml"))
        return sheet
    if root is None:
        return sheet
    if not isinstance(root.event, yaml.MappingStartEvent):
        sheet.findings.append(Finding(root.at(name), "corpus.library_shape"))
        return sheet
    for risk, words in root.pairs():
        if risk.value is None or not isinstance(words.event, yaml.SequenceStartEvent):
            sheet.findings.append(Finding(words.at(name), "corpus.library_shape"))
            continue
        for word in words.parts:
            _word(sheet, name, risk.value, word)
    return sheet


def _tree(text: str) -> _Node | None:
    """The document as nodes; read from events, because composing it would recurse."""
    root: _Node | None = None
    open_: list[_Node] = []
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            deep = not isinstance(event, yaml.ScalarEvent) and len(open_) >= _DEPTH_MAX
            second = root is not None and not open_  # another document would be lost
            if isinstance(event, yaml.AliasEvent) or deep or second:
                raise _Refused(event.start_mark)
            node = _Node(event)
            if open_:
                open_[-1].parts.append(node)
            root = root or node
            if not isinstance(event, yaml.ScalarEvent):
                open_.append(node)
    return root


def _word(sheet: Sheet, name: str, risk: str, node: _Node) -> None:
    line, column = node.place
    if node.value is not None:
        sheet.records.append(Record(line, node.value.strip(), risk, column=column))
        return
    found: dict[str, str] = {}
    exceptions: tuple[str, ...] = ()
    for key, value in node.pairs():
        heading = COLUMNS.get(key.value or "", "")
        if heading == "exceptions" and isinstance(value.event, yaml.SequenceStartEvent):
            exceptions = tuple(part.value.strip() for part in value.parts if part.value)
        elif heading in {"word", "weight", "note"} - found.keys() and value.value is not None:
            found[heading] = value.value.strip()
        else:
            sheet.findings.append(Finding(key.at(name), "corpus.library_shape"))
            return
    if not isinstance(node.event, yaml.MappingStartEvent):
        sheet.findings.append(Finding(node.at(name), "corpus.library_shape"))
        return
    weight = found.get("weight", "")
    sheet.records.append(Record(line, found.get("word", ""), risk, weight, exceptions, column))
