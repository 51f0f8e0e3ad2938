"""Turns pages into text; one page is one document."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import map_encoding_to_html5

from yunhe.corpus.encoding import BIG5, DAMAGED, GB18030, NULS, UTF8, UTF16, detect, recover_lines
from yunhe.corpus.errors import Named
from yunhe.corpus.readers.blocks import Stream
from yunhe.corpus.readers.parsed import Parsed, Rows, Task, refused
from yunhe.corpus.readers.plain import gathered
from yunhe.kernel.errors import Finding

_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,32})""", re.I)
_META_BYTES = 4096  # a browser looks at 1,024; pages with scripts before it are common
_CONTENT_TYPE = re.compile(r"charset\s*=\s*[\"']?([\w:.-]{2,32})", re.I)
# What pages call GB 2312 or GBK holds characters of its successors; so with Big5.
_WIDER = {"gb2312": GB18030, "gbk": GB18030, "hz": GB18030, "big5": BIG5}
_ONE_BYTE = ("cp125", "iso8859", "iso-8859", "latin", "windows-125", "koi8", "mac")


@dataclass(frozen=True, slots=True)
class Page:
    """What was served or saved as one page."""

    id: str
    """Its name in the dataset."""
    data: bytes
    """Its bytes, unpacked."""
    declared: str | None
    """The encoding that its server named."""
    markup: bool
    """Whether it is HTML; plain text if not."""


def whole(file: Named, stream: Stream, *, main_content: bool) -> Iterator[Task]:
    """The file as one page, called by its name."""
    data = gathered(stream)
    if data is None:
        yield partial(refused, Finding(file.name, "corpus.document_too_long"))
    else:
        yield partial(parsed, (Page(file.name, data, None, markup=True),), main_content)


def parsed(pages: tuple[Page, ...], main_content: bool) -> Parsed:  # noqa: FBT001 (a task's)
    """The text of pages; one without any stays in as an empty document, for a step to drop."""
    rows = Rows()
    for page in pages:
        text, damage = decoded(page.data, page.declared)
        if page.markup:
            text = extract_plain_text(
                text, preserve_formatting=True, main_content=main_content, alt_texts=False
            )
        rows.add((page.id, text, None), damage)
    return rows.parsed()


def charset_of(content_type: str) -> str | None:
    """The encoding that a content type names."""
    found = _CONTENT_TYPE.search(content_type)
    return found[1] if found else None


def decoded(data: bytes, declared: str | None) -> tuple[str, int]:
    """A page's characters and what happened to them, a code of `yunhe.corpus.encoding`.

    Tried in turn: its mark, what its server says, what it says itself, UTF-8, and what its bytes
    look like. Source: HTML, section 13.2.3.2 (WHATWG), but a declared encoding that does not fit
    the bytes is not believed.
    """
    meta = _META.search(data[:_META_BYTES])
    named = [declared, meta[1].decode() if meta else None]
    marks = ((codecs.BOM_UTF8, UTF8), (codecs.BOM_UTF16_LE, UTF16), (codecs.BOM_UTF16_BE, UTF16))
    mark = next((encoding for bom, encoding in marks if data.startswith(bom)), None)
    said = [_python_name(name) for name in named if name]
    for encoding in [mark, *said]:
        if encoding is None or (encoding.startswith(_ONE_BYTE) and not data.isascii()):
            continue  # any bytes fit those, so what the bytes look like is asked first
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return _without_nuls(text.removeprefix("\ufeff"), 0)
    found = detect(data)
    for encoding in (found, *filter(None, said)):
        try:
            return _without_nuls(data.decode(encoding), 0)
        except (UnicodeDecodeError, LookupError):
            continue
    return recover_lines(data, encoding=found)


def _python_name(name: str) -> str | None:
    known = (map_encoding_to_html5(name, False) or "").lower()
    # What can be read byte by byte to find this name is not in UTF-16, whatever it says.
    return UTF8 if known.startswith("utf-16") else _WIDER.get(known, known) or None


def _without_nuls(text: str, damage: int) -> tuple[str, int]:
    if "\0" not in text:
        return text, damage
    return text.replace("\0", "\ufffd"), DAMAGED if damage == DAMAGED else NULS
