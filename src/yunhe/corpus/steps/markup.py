"""Cleans what is left of HTML in texts: entities become their characters, tags go."""

from __future__ import annotations

import html
import re

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.edits import Edits, applied, owners, removed
from yunhe.corpus.kernels.markup import CODE, ENTITY, TAG, marks

_NAMES = (
    "a|abbr|article|b|blockquote|body|br|button|center|dd|div|dl|dt|em|embed|figure|font|footer|form"
    "|h[1-6]|head|header|hr|html|i|iframe|img|input|label|li|link|main|meta|nav|object|ol|option|p"
    "|param|section|select|small|span|strong|sub|sup|table|tbody|td|textarea|tfoot|th|thead|title"
    "|tr|u|ul|video|wbr"
)
_ATTRIBUTES = r"(?:\s{1,20}[a-z][a-z0-9:_-]{0,40}\s{0,5}=[^<>]{0,1000})?"
# Every repeat is bounded, so that matching stays linear in the text.
_FOUND = re.compile(
    (
        rf"(?P<tag></?(?P<name>{_NAMES}){_ATTRIBUTES}\s{{0,20}}/?>|<!--[^<>]{{0,1000}}-->)"
        r"|&(?:#[0-9]{2,7}|#[xX][0-9a-fA-F]{2,6}|[A-Za-z][A-Za-z0-9]{1,30});"
    ).encode(),
    re.IGNORECASE,
)
_BREAKS = {b"br", b"p", b"div", b"li", b"tr", b"hr", b"h1", b"h2", b"h3", b"h4", b"h5", b"h6"}
_INDENTED = b"\n    "


def _becomes(match: re.Match[bytes]) -> str | None:
    """What a tag or an entity becomes; None for what only looks like an entity."""
    if match["tag"]:
        return "\n" if (match["name"] or b"").lower() in _BREAKS else ""
    written = match.group().decode()
    character = html.unescape(written)
    if character in (written, "\x00"):
        return None
    return " " if character == "\xa0" else character


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    texts, found = documents.utf8, np.zeros(len(documents), np.uint8)
    marks(texts.data, texts.offsets, found)
    rows: list[tuple[int, int, int]] = []
    words: dict[str, int] = {}
    tags: list[bool] = []
    for document in np.flatnonzero((found & (ENTITY | TAG) != 0) & (found & CODE == 0)).tolist():
        start, end = int(texts.offsets[document]), int(texts.offsets[document + 1])
        text = texts.data[start:end].tobytes()
        if _INDENTED in text:
            continue
        for match in _FOUND.finditer(text):
            becomes = _becomes(match)
            if becomes is not None:
                place = words.setdefault(becomes, len(words))
                rows.append((start + match.start(), start + match.end(), place))
                tags.append(match["tag"] is not None)
    if not rows:
        return Outcome()
    edits, taken = Edits.of(rows), np.array(tags)
    repairs = np.zeros(len(documents), np.uint8)
    repairs[owners(texts, edits.starts)] = 1
    gone = edits.where(taken)
    return Outcome(
        texts=applied(texts, edits, list(words)),
        repairs=repairs,
        removed=removed(texts, gone, np.ones(len(gone), np.uint8)),
    )


STEP = Step(version=1, repairs=("markup",), removes=("tag",), work=_work)
"""Leftovers of HTML. A text that shows code is left alone: there a tag is its subject."""
