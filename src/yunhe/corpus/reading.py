"""Opens an input of any format as a stream of parsing tasks; names all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yunhe.corpus import errors
from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import UTF16, Recoded, detect
from yunhe.corpus.inputs import BUCKET, ENDINGS, STANDARD_INPUT, InputFile, of_path
from yunhe.corpus.readers import sources
from yunhe.corpus.readers.blocks import BLOCK_BYTES, Stream
from yunhe.corpus.readers.packed import Damaged, Rejoined, unpacked
from yunhe.corpus.readers.parsed import Opened, Task, refused
from yunhe.kernel.errors import Finding, Invalid

_BOM = b"\xef\xbb\xbf"
_UTF32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")


@dataclass(frozen=True, slots=True)
class Input:
    """An open input."""

    encoding: str
    """``utf-8``, ``gb18030``, ``big5hkscs``, ``utf-16``, or the format of files that say it."""
    tasks: Iterator[Task]
    """Its blocks in order."""
    byte: Callable[[], int]
    """How many bytes of the file were read so far, as it lies there; for showing progress."""
    names: tuple[str, ...] = ()
    """What its columns are called, as far as its beginning tells; none where a format has none."""


@contextmanager
def open_input(
    file: InputFile | Path, columns: Columns, *, tap: sources.Tap | None = None
) -> Iterator[Input]:
    """The input as tasks that may be run in any thread; memory is bounded by `readers.blocks`.

    ``tap``: is shown the file's bytes as they are read, for a digest that costs no second reading;
    those of Parquet, which is not read from front to back, when the tasks are at their end.
    Columns are looked for in JSON lines, CSV and Parquet; other formats have a text, and all but
    ``lines`` and ``paragraphs`` an id. Positions in UTF-16 are those in its text as UTF-8.

    Errors: `NotFound` ``corpus.input_missing``, `Invalid` ``corpus.input_is_folder``,
    ``corpus.format_unknown``, or ``corpus.input_faulty`` with all findings about the file as a
    whole; `Unavailable` ``corpus.input_unreadable``. Faults of single records come with their
    task's result.
    """
    file = of_path(file) if isinstance(file, Path) else file
    _must_be_there(file)
    if not file.format:
        raise Invalid("corpus.format_unknown", where=file.name, known=" ".join(ENDINGS))
    if file.size_bytes == 0:
        raise _empty(file)
    if file.format == "parquet":
        yield _parquet_input(file, columns, tap)
        return
    with sources.opened(file, tap) as raw:
        try:
            yield _stream_input(file, raw, columns)
        except Damaged as damaged:
            raise errors.input_faulty(file, [_packing_damaged(file, damaged)]) from None


def _must_be_there(file: InputFile) -> None:
    if file.where == STANDARD_INPUT or file.where.startswith(BUCKET):
        return
    path = Path(file.where)
    if path.is_dir():
        raise errors.input_is_folder(path)
    if not path.exists():
        raise errors.input_missing(path)


def _empty(file: InputFile) -> Invalid:
    return errors.input_faulty(file, [Finding(file.name, "corpus.input_empty")])


def _packing_damaged(file: InputFile, damaged: Damaged) -> Finding:
    return Finding(file.name, "corpus.packing_damaged", (("byte", damaged.byte),))


def _parquet_input(file: InputFile, columns: Columns, tap: sources.Tap | None) -> Input:
    from yunhe.corpus.readers import parquet  # noqa: PLC0415 (a third of a second)

    with sources.opened(file) as raw:  # says whether it can be read at all
        raw.read(1)
    if file.where.startswith(BUCKET):
        from yunhe.corpus.readers import bucket  # noqa: PLC0415 (an extra, and slow to import)

        opened = parquet.tasks(file, bucket.Seekable(file.where), columns)
    else:
        opened = parquet.tasks(file, file.where, columns)
    size = file.size_bytes or 0
    tasks = _then_tapped(file, opened.tasks, tap)
    return Input("parquet", tasks, lambda: size, opened.names)


def _then_tapped(file: InputFile, tasks: Iterator[Task], tap: sources.Tap | None) -> Iterator[Task]:
    yield from tasks
    if tap is not None:
        with sources.opened(file, tap) as raw:
            while raw.read(BLOCK_BYTES):
                pass


def _stream_input(file: InputFile, raw: sources.Raw, columns: Columns) -> Input:
    stream = unpacked(raw, file.name)

    def byte() -> int:
        return raw.byte

    kind, _, all_of_it = file.format.partition("-")
    if kind in ("html", "warc"):
        tasks = _pages(file, stream, kind, main_content=not all_of_it)
        return Input(kind, _guarded(file, tasks), byte)
    head = stream.read(BLOCK_BYTES)
    encoding = detect(head)
    if head.startswith(_UTF32):
        raise errors.input_faulty(file, [Finding(file.name, "corpus.encoding_unsupported")])
    whole: Stream = Rejoined(head, stream)
    if encoding == UTF16:
        whole = Recoded(whole)
        head = whole.read(BLOCK_BYTES)
        whole = Rejoined(head.removeprefix(_BOM), whole)
    elif head.startswith(_BOM):
        whole = Rejoined(head.removeprefix(_BOM), stream)
    head = head.removeprefix(_BOM)
    if not head.strip():
        raise _empty(file)
    read_as = "utf-8" if encoding == UTF16 else encoding
    opened = _records(file, whole, columns, head=head, encoding=read_as)
    return Input(encoding, _guarded(file, opened.tasks), byte, opened.names)


def _pages(file: InputFile, stream: Stream, kind: str, *, main_content: bool) -> Iterator[Task]:
    if kind == "html":
        from yunhe.corpus.readers import pages  # noqa: PLC0415 (a library of its own)

        return pages.whole(file, stream, main_content=main_content)
    from yunhe.corpus.readers import archives  # noqa: PLC0415 (a library of its own)

    return archives.tasks(file, stream, main_content=main_content)


def _records(
    file: InputFile, stream: Stream, columns: Columns, *, head: bytes, encoding: str
) -> Opened:
    if file.format in ("csv", "tsv"):
        from yunhe.corpus.readers import delimited  # noqa: PLC0415 (only this format needs it)

        delimiter = "\t" if file.format == "tsv" else ","
        return delimited.tasks(
            file, stream, columns, head=head, encoding=encoding, delimiter=delimiter
        )
    if file.format == "jsonl":
        from yunhe.corpus.readers import lines  # noqa: PLC0415 (only this format needs it)

        return lines.tasks(file, stream, columns, head=head, encoding=encoding)
    from yunhe.corpus.readers import plain  # noqa: PLC0415 (only this format needs it)

    if file.format == "text":
        return Opened(plain.whole(file, stream, encoding=encoding), ())
    paragraphs = file.format == "paragraphs"
    return Opened(plain.each(file, stream, encoding=encoding, paragraphs=paragraphs), ())


def _guarded(file: InputFile, tasks: Iterator[Task]) -> Iterator[Task]:
    """The tasks; a packed stream that breaks off becomes a last task with that fault."""
    try:
        yield from tasks
    except Damaged as damaged:
        yield partial(refused, _packing_damaged(file, damaged))
