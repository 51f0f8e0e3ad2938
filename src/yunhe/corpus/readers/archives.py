"""Reads WARC: the pages among the responses, called by their addresses or the records' ids."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fastwarc.warc import ArchiveIterator, HeaderMap, WarcRecord, WarcRecordType

from yunhe.corpus.errors import Named
from yunhe.corpus.readers.blocks import BLOCK_BYTES, LINE_BYTES_MAX, Stream
from yunhe.corpus.readers.packed import Damaged
from yunhe.corpus.readers.pages import Page, charset_of, parsed
from yunhe.corpus.readers.parsed import Task, refused
from yunhe.kernel.errors import Finding

MARKUP = ("text/html", "application/xhtml+xml")
"""Content types whose text is taken out of markup."""
PLAIN = ("text/plain",)
"""Content types taken as they are."""


class _File:
    """What the library expects of a Python file besides reading; keeps the damage it swallows."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.damaged: Damaged | None = None
        self._byte = 0

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        try:
            data = self._stream.read(size)
        except Damaged as damaged:
            self.damaged = damaged
            return b""
        self._byte += len(data)
        return data

    def tell(self) -> int:
        return self._byte

    def seek(self, offset: int, whence: int = 0) -> int:
        """Never asked for, but expected to be there."""
        raise OSError(offset, whence)

    def close(self) -> None:
        """Leave the stream to whoever opened it."""


def tasks(file: Named, stream: Stream, *, main_content: bool) -> Iterator[Task]:
    """One task for about two megabytes of pages; what is no page of a status 200 is passed over.

    A record over the bound on documents is a fault and not read.
    """
    source = _File(stream)
    held: list[Page] = []
    held_bytes, records = 0, 0
    try:
        for record in ArchiveIterator(
            source,
            record_types=WarcRecordType.response | WarcRecordType.resource,
            parse_http=True,
            stream_detect=False,
        ):
            records += 1
            if record.content_length > LINE_BYTES_MAX:
                name = f"{file.name} (record {records})"
                yield partial(refused, Finding(name, "corpus.document_too_long"))
                continue
            page = _page(record)
            if page is None:
                continue
            held.append(page)
            held_bytes += len(page.data)
            if held_bytes >= BLOCK_BYTES:
                yield partial(parsed, tuple(held), main_content)
                held, held_bytes = [], 0
        broken = None
    except (OSError, ValueError):
        broken = Finding(f"{file.name} (record {records + 1})", "corpus.warc_damaged")
    if held:
        yield partial(parsed, tuple(held), main_content)
    if source.damaged is not None:
        raise source.damaged
    if broken is None and not records:
        broken = Finding(file.name, "corpus.warc_damaged")
    if broken is not None:
        yield partial(refused, broken)


def _page(record: WarcRecord) -> Page | None:
    headers: HeaderMap | None = record.http_headers  # None unless it is an answer of HTTP
    if headers is None:
        kind = record.headers.get("Content-Type") or ""
    elif headers.status_code != 200:
        return None
    else:
        kind = headers.get("Content-Type") or ""
    bare = kind.partition(";")[0].strip().lower()
    if bare not in (*MARKUP, *PLAIN):
        return None
    declared = record.http_charset or charset_of(kind)
    id_ = record.headers.get("WARC-Target-URI") or record.record_id or ""
    return Page(id_.strip("<>"), record.reader.read(), declared, markup=bare in MARKUP)
