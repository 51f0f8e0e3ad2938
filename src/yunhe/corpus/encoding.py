"""Which encoding bytes are in, and what can be saved of bytes that are in none."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from functools import cache, reduce
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

CLEAN, RECOVERED, DAMAGED, NULS = 0, 1, 2, 3
"""What reading says of one row: as it should be; written in another encoding than the file; bytes
lost; NUL characters in it, each now U+FFFD."""

UTF8, GB18030, BIG5, UTF16 = "utf-8", "gb18030", "big5hkscs", "utf-16"
"""The encodings that are read, by their names in Python."""

PLAUSIBLE_PERCENT = 70
"""Share of common characters from which text counts as Chinese; own judgement, see `commonness`."""
_FREQUENT_PERCENT = 15  # share of the most frequent characters that makes up for a lower one
_COMMON_PERCENT_LEAST = 45
_FREQUENT = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
    "過过發发後后作里裡裏用道行所然家种種事成方多经經么麼去法学學如都同现現当當没沒动動面起看定天"
    "分还還进進好小部其些主样樣理心她本前开開但因只从從想实實這個們來為國說時會對於著與与两兩"
    "无無它间間让讓請请问問您很把被已由路"
)
# Own list of the characters that every count of modern Chinese begins with, in both scripts.


@cache
def commonness() -> NDArray[np.bool_]:
    """bool[65536]: characters that ordinary modern Chinese text is made of.

    The 3,755 hanzi of GB 2312 level 1 and the punctuation of its rows 1 and 3. Text read in a wrong
    encoding falls among rare hanzi and Latin letters with accents instead.
    Source: GB/T 2312-1980, rows 1, 3 and 16 to 55.
    """
    leads = (0xA1, 0xA3, *range(0xB0, 0xD8))
    return _table("gb2312", leads, tuple(range(0xA1, 0xFF)))


@cache
def _traditional() -> NDArray[np.bool_]:
    """bool[65536]: the same for traditional script: the 5,401 hanzi of Big5 level 1, punctuation.

    Source: Big5 (1984), A140 to A3BF and A440 to C67E.
    """
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    return _table("big5", tuple(range(0xA1, 0xC7)), trails)


def _table(encoding: str, leads: Sequence[int], trails: Sequence[int]) -> NDArray[np.bool_]:
    table = np.zeros(65536, np.bool_)
    for lead in leads:
        for trail in trails:
            character = bytes((lead, trail)).decode(encoding, errors="ignore")
            if len(character) == 1:
                table[ord(character)] = True
    return table


@cache
def _frequent() -> NDArray[np.bool_]:
    table = np.zeros(65536, np.bool_)
    table[[ord(character) for character in _FREQUENT]] = True
    return table


def plausible(text: str) -> bool:
    """Whether most characters beyond ASCII are common Chinese ones; False when there are none."""
    codes = _beyond_ascii(text)
    return bool(len(codes)) and _percent(commonness(), codes) >= PLAUSIBLE_PERCENT


def _beyond_ascii(text: str) -> NDArray[np.uint32]:
    """What is neither ASCII nor lost; beyond the basic plane it is 0, which no table has."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = codes[(codes > 0x7F) & (codes != 0xFFFD)]
    return np.where(codes > 0xFFFF, 0, codes).astype(np.uint32)


def _percent(table: NDArray[np.bool_], codes: NDArray[np.uint32]) -> int:
    return int(table[codes].sum()) * 100 // len(codes)


def _likeness(text: str, encoding: str) -> int:
    """How much text decoded so reads like Chinese, 0 where it does not; to compare decodings."""
    codes = _beyond_ascii(text)
    if not len(codes):
        return 0
    common = _percent(_traditional() if encoding == BIG5 else commonness(), codes)
    if encoding != BIG5:  # a file in GB18030 may hold traditional script too
        common = max(common, _percent(commonness() | _traditional(), codes) * 3 // 4)
    frequent = _percent(_frequent(), codes)
    believable = common >= PLAUSIBLE_PERCENT or (
        frequent >= _FREQUENT_PERCENT and common >= _COMMON_PERCENT_LEAST
    )
    return common + 3 * frequent if believable else 0


def _chinese(data: bytes, *, encodings: Sequence[str] = (GB18030, BIG5)) -> tuple[int, str, str]:
    """The most Chinese strict decoding: (likeness, encoding, text); likeness 0 if there is none."""
    best = (0, "", "")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        best = max(best, (_likeness(text, encoding), encoding, text), key=lambda found: found[0])
    return best


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8 from end to end. Cost: 0.6 ns a byte, a third of decoding them."""
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    buffers = [None, offsets, pa.py_buffer(data)]
    try:
        pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, buffers).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def as_utf8(data: bytes, encoding: str) -> bytes | None:
    """Bytes of a file in that encoding as UTF-8; None where some are not in it."""
    if encoding == UTF8:
        return data if is_utf8(data) else None
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError:
        return None


def recover(data: bytes, *, encoding: str = UTF8) -> tuple[str, int]:
    """The text of one row and what happened to it: `CLEAN`, `RECOVERED`, `DAMAGED` or `NULS`.

    A row that is not in the file's encoding is taken for UTF-8, GB18030 or Big5 if that makes it
    plausibly Chinese; otherwise each lost byte becomes U+FFFD, and so does each NUL.
    """
    try:
        text, state = data.decode(encoding), CLEAN
    except UnicodeDecodeError:
        likeness, _, text = _chinese(data, encodings=(UTF8, GB18030, BIG5))
        state = RECOVERED if likeness else DAMAGED
        if not likeness:
            text = data.decode(encoding, errors="replace")
    if "\0" in text:
        return text.replace("\0", "\ufffd"), worse(state, NULS)
    return text, state


def recover_lines(data: bytes, *, encoding: str = UTF8) -> tuple[str, int]:
    """The text of a document of many lines and what happened to the worst of them; see `recover`.

    A line feed is a line feed in every encoding that is tried.
    """
    text, state = recover(data, encoding=encoding)
    if state in (CLEAN, NULS):
        return text, state
    lines = [recover(line, encoding=encoding) for line in data.split(b"\n")]
    return "\n".join(text for text, _ in lines), reduce(worse, (state for _, state in lines))


def worse(one: int, other: int) -> int:
    """The state of a row of which one part is in this state and another in that."""
    order = (CLEAN, RECOVERED, NULS, DAMAGED)
    return order[max(order.index(one), order.index(other))]


def detect(head: bytes) -> str:
    """`UTF8`, `GB18030`, `BIG5`, or by its mark `UTF16`, for a file that starts with ``head``.

    Lines beyond ASCII vote by their length: a file in UTF-8 with some damage stays UTF-8, and its
    damaged rows are dealt with one by one.
    """
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return UTF16
    utf8, others = 0, list[tuple[bytes, bool]]()
    lines = [line for line in head.split(b"\n") if not line.isascii()]
    for position, line in enumerate(lines):
        # The head may end within a character.
        last = position == len(lines) - 1
        kept = _whole(line) if last else line
        try:
            kept.decode(UTF8)
        except UnicodeDecodeError:
            others.append((line, last))
        else:
            utf8 += len(kept)
    votes = {GB18030: 0, BIG5: 0}
    for line, last in others:
        cuts = (line[: len(line) - cut] for cut in range(4 if last else 1))
        likeness, encoding, _ = max(map(_chinese, cuts), key=lambda found: found[0])
        if likeness:
            votes[encoding] += len(line)
        else:
            # Damaged whichever way it is read: a line of a UTF-8 file, most likely.
            utf8 += len(line)
    if sum(votes.values()) <= utf8:
        return UTF8
    return max(votes, key=lambda encoding: votes[encoding])


def _whole(line: bytes) -> bytes:
    """Without the character of UTF-8 that is begun and not ended at the end, if there is one."""
    decoder = codecs.getincrementaldecoder(UTF8)(errors="ignore")
    decoder.decode(line)
    pending = decoder.getstate()[0]
    return line[: len(line) - len(pending)]


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Recoded:
    """A stream in UTF-16 as UTF-8; half a surrogate pair becomes bytes that are no UTF-8."""

    def __init__(self, stream: _Stream) -> None:
        """``stream``: begins with its mark."""
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(UTF16)(errors="surrogatepass")
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """The next bytes, about as many; none at the end."""
        while not self._ended:
            data = self._stream.read(size)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=self._ended)
            except UnicodeDecodeError:  # ends within a character
                return b"\xff"
            if text:
                return text.encode(UTF8, "surrogatepass")
        return b""
