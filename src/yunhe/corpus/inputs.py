"""Finds what is to be read: files, folders, patterns, standard input, prefixes of a bucket."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from yunhe.kernel.errors import Finding, Invalid

ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".warc": "warc",
}
"""How a file of each ending is read unless something else is asked for."""
FORMATS = (
    *("jsonl", "csv", "tsv", "parquet", "text", "lines", "paragraphs"),
    *("html", "html-all", "warc", "warc-all"),
)
"""``text`` is one document a file, ``lines`` one a line, ``paragraphs`` one between blank lines;
``html`` and ``warc`` keep the main content of a page, those with ``-all`` whatever it shows."""
PACKINGS = (".gz", ".zst")
"""Endings that may follow all of `ENDINGS` but that of Parquet."""
STANDARD_INPUT = "-"
"""Stands for standard input."""
BUCKET = "s3://"
"""Begins the address of a bucket."""
_VARIANTS = {"text": ("lines", "paragraphs"), "html": ("html-all",), "warc": ("warc-all",)}


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file to read."""

    name: str
    """What it is called in records: relative to what was named, unlike any other of the run."""
    where: str
    """Path, ``-`` or ``s3://bucket/key``."""
    format: str
    """One of `FORMATS`."""
    size_bytes: int | None
    """As it lies there, packed or not; None where nobody knows."""


@dataclass(slots=True)
class Found:
    """What there is to read, and what was met on the way that cannot be read."""

    files: list[InputFile] = field(default_factory=list)
    """In the order named; within a folder or pattern by name."""
    findings: list[Finding] = field(default_factory=list)
    """Loops of links, links to nowhere, folders that may not be looked into."""
    passed_over: int = 0
    """Files in folders that are of no format we read; hidden ones are not counted."""


def of_path(path: Path, *, format: str | None = None) -> InputFile:  # noqa: A002
    """The file at a path, called by its name alone; it need not be there."""
    size = path.stat().st_size if path.is_file() else None
    return InputFile(path.name, str(path), format or format_of(path.name) or "", size)


def format_of(name: str) -> str | None:
    """What a file of that name holds; None where the ending says nothing to us."""
    bare = name.lower()
    for packing in PACKINGS:
        bare = bare.removesuffix(packing)
    found = ENDINGS.get(PurePosixPath(bare).suffix)
    return None if found == "parquet" and bare != name.lower() else found


def resolve(
    inputs: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002
) -> tuple[InputFile, ...]:
    """The files of `look`; what it met on the way is dropped."""
    return tuple(look(inputs, format=format).files)


def look(inputs: Sequence[str], *, format: str | None = None) -> Found:  # noqa: A002
    """Every file that the inputs name, each once.

    ``format``: of standard input and of files whose ending says nothing, and of those whose ending
    allows it (``lines`` for ``.txt``). Folders are read to their ends through links, sorted, hidden
    files and folders left out; a pattern is a name with ``*``, ``?``, ``[`` or ``**``.

    Errors: `Invalid` ``corpus.inputs_wrong`` with everything that is named and not there or not
    readable; nothing else is refused here.
    """
    found, wrong = Found(), []
    if format is not None and format not in FORMATS:
        known = (("format", format[:32]), ("known", ", ".join(FORMATS)))
        wrong.append(Finding("--input-format", "corpus.input_format_unknown", known))
    if not inputs:
        wrong.append(Finding("INPUT", "corpus.inputs_none"))
    for given in inputs:
        before = len(found.files)
        said = list(_one(given, format, found))
        wrong += said
        if len(found.files) == before and not said:
            wrong.append(Finding(given, "corpus.input_holds_nothing"))
    if wrong:
        raise Invalid("corpus.inputs_wrong", findings=wrong + found.findings)
    found.files = _named_apart(_each_once(found.files))
    return found


def _one(given: str, asked: str | None, found: Found) -> Iterator[Finding]:
    if given == STANDARD_INPUT:
        if asked is None or asked == "parquet":
            code = "corpus.stdin_format" if asked is None else "corpus.stdin_parquet"
            known = ", ".join(each for each in FORMATS if each != "parquet")
            yield Finding(given, code, (("known", known),))
        else:
            found.files.append(InputFile("stdin", STANDARD_INPUT, asked, None))
    elif given.startswith(BUCKET):
        yield from _bucket(given, asked, found)
    elif Path(given).is_dir():
        _folder(Path(given), asked, found)
    elif os.path.lexists(given):
        yield from _file(given, asked, found)
    elif glob.has_magic(given):
        for path in map(Path, sorted(glob.glob(given, recursive=True))):  # noqa: PTH207 (may be absolute)
            if path.is_file():
                _take(found, _as_input(path, path.name), asked)
    else:
        yield Finding(given, "corpus.input_not_there")


def _bucket(given: str, asked: str | None, found: Found) -> Iterator[Finding]:
    try:
        from yunhe.corpus.readers import bucket  # noqa: PLC0415 (an extra, and slow to import)

        for key, size in bucket.listed(given):
            _take(found, InputFile(key, bucket.address(given, key), "", size), asked)
    except ImportError:
        yield Finding(given, "corpus.bucket_extra")
    except Invalid as error:
        yield Finding(given, error.code, tuple(error.params.items()))


def _file(given: str, asked: str | None, found: Found) -> Iterator[Finding]:
    path = Path(given)
    if not path.exists():
        yield Finding(given, "corpus.link_broken")
        return
    file = _as_input(path, path.name)
    chosen = _chosen(file, asked, named=True)
    if chosen:
        found.files.append(replace(file, format=chosen))
    else:
        yield Finding(given, "corpus.ending_unknown", (("known", " ".join(ENDINGS)),))


def _folder(top: Path, asked: str | None, found: Found) -> None:
    """Everything below, depth first by name; a folder that leads back to itself is not entered."""

    def walk(folder: Path, above: frozenset[tuple[int, int]]) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            shown = str(folder.relative_to(top.parent))
            reason = (("reason", error.strerror or ""),)
            found.findings.append(Finding(shown, "corpus.folder_unreadable", reason))
            return
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            shown = path.relative_to(top).as_posix()
            if not path.exists():
                found.findings.append(Finding(shown, "corpus.link_broken"))
            elif path.is_dir():
                mark = path.stat()
                this = (mark.st_dev, mark.st_ino)
                if this in above:
                    found.findings.append(Finding(shown, "corpus.link_loop"))
                else:
                    walk(path, above | {this})
            elif path.is_file():
                _take(found, _as_input(path, shown), asked)

    mark = top.stat()
    walk(top, frozenset({(mark.st_dev, mark.st_ino)}))


def _as_input(path: Path, shown: str) -> InputFile:
    size = path.stat().st_size if path.is_file() else None
    return InputFile(shown, str(path), "", size)


def _take(found: Found, file: InputFile, asked: str | None) -> None:
    chosen = _chosen(file, asked, named=False)
    if chosen:
        found.files.append(replace(file, format=chosen))
    else:
        found.passed_over += 1


def _chosen(file: InputFile, asked: str | None, *, named: bool) -> str | None:
    """A file named by itself is read as asked; one met in a folder only if its ending fits."""
    own = format_of(file.name)
    if own is None:
        return asked if named else None
    if own == "parquet":
        return own
    return asked if asked is not None and (named or asked in _VARIANTS.get(own, ())) else own


def _each_once(files: Sequence[InputFile]) -> list[InputFile]:
    there: dict[str, InputFile] = {}
    for file in files:
        local = file.where != STANDARD_INPUT and not file.where.startswith(BUCKET)
        there.setdefault(os.path.realpath(file.where) if local else file.where, file)
    return list(there.values())


def _named_apart(files: Sequence[InputFile]) -> list[InputFile]:
    """Names that more than one file has grow by the folders above until all differ."""
    names = [file.name for file in files]
    parts = [PurePosixPath(file.where).parts for file in files]
    deep = [len(PurePosixPath(name).parts) for name in names]
    while True:
        counts = Counter(names)
        alike = [at for at, name in enumerate(names) if counts[name] > 1]
        if not any(deep[at] < len(parts[at]) for at in alike):  # no two places are the same
            return [replace(file, name=name) for file, name in zip(files, names, strict=True)]
        for at in alike:
            deep[at] += 1
            names[at] = str(PurePosixPath(*parts[at][-deep[at] :]))
