"""Person names by rules: surnames, given characters, and the words and pauses around them.

Works on the pieces of `yunhe.corpus.kernels.tagging`; what a word says is a bit of `BITS`.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.grams import DIGIT, scrambled
from yunhe.corpus.kernels.tagging import I1, PAD, PIECE_MAX, WIDTH, look, read_piece, word_class
from yunhe.native.compiled import I8, OFFSETS, TEXT, U1, U2, U8, inner, kernel

BITS = (
    "strong_words", "weak_words", "titles", "name_ends", "name_verbs", "compound_surnames",
    "not_names", "not_titled", "cities", "beside_words", "not_leads",
)  # fmt: skip
"""Lists of ``people.txt``, in the order of their bits."""
_STRONG, _WEAK, _TITLE, _END, _VERB, _COMPOUND, _NOT, _NOT_TITLED, _CITY, _BESIDE, _NO_LEAD = (
    1 << bit for bit in range(len(BITS))
)
FLAGS = ("surnames", "doubtful_surnames", "function_surnames", "not_given", "given")
"""Lists of single characters, in the order of their bits."""
_SURNAME, _DOUBTFUL, _FUNCTION, _NOT_GIVEN, _COMMON = (1 << bit for bit in range(len(FLAGS)))
WORD_MAX = 4
"""Characters by which a word is known: its last before a name, its first after one."""
_FIRST, _COLUMNS = 0x4E00, 6
_RECEIVES = 0x6536  # 收
_SAID, _PAUSED = 1 << 20, 1 << 21
_LIKELY, _SURE_POINTS = 8, 40
BY_CONTEXT, BY_TITLE, BY_LOOK = 0, 1, 2
"""What convinced a rule."""


class Tables(NamedTuple):
    """What the rules look up."""

    odds: NDArray[np.int8]
    """Of `yunhe.corpus.personal.tagger.words`."""
    marks: NDArray[np.uint16]
    """Of the same."""
    flags: NDArray[np.uint8]
    """uint8[hanzi]: a bit for each list of `FLAGS` that a character is on."""
    keys: NDArray[np.uint64]
    """uint64[a power of two]: words by their first characters, sixteen bits each, the first lowest;
    0 where free."""
    bits: NDArray[np.uint16]
    """uint16[the same]: a bit for each list of `BITS` that the word is on."""
    ending_keys: NDArray[np.uint64]
    """Words by their last characters, the last highest."""
    ending_bits: NDArray[np.uint16]
    """Their lists."""


TABLES = numba.types.NamedTuple((I1, U2, U1, U8, U2, U8, U2), Tables)  # type: ignore[no-untyped-call]
"""Its type for kernels."""


@inner
def _flags(flags: np.ndarray, code: int) -> int:
    """The lists a character is on; 0 for what is no hanzi."""
    at = code - _FIRST
    return np.int64(flags[at]) if 0 <= at < flags.size else 0  # type: ignore[return-value]


@inner
def word_bits(keys: np.ndarray, bits: np.ndarray, word: int) -> int:
    """The lists a word is on, given its characters packed by sixteen bits.

    Shapes: ``keys``: uint64[a power of two], 0 where free; ``bits``: uint16[the same].
    """
    mask = keys.size - 1
    at = np.int64(scrambled(word)) & mask
    while keys[at]:
        if keys[at] == np.uint64(word):
            return np.int64(bits[at])  # type: ignore[return-value]
        at = (at + 1) & mask
    return 0


@inner
def _after(state: np.ndarray, at: int, keys: np.ndarray, bits: np.ndarray) -> int:
    """What the words that begin at a token say, all together; a pause when none can."""
    said, word = 0, 0
    if not 0 < state[at, 0] < 0x10000 or state[at, 1] == 6 or state[at, 1] == 7:
        said = _PAUSED
    for length in range(WORD_MAX):
        code = state[at + length, 0] if at + length < state.shape[0] else 0
        if not 0 < code < 0x10000:
            break
        word |= code << 16 * length
        said |= word_bits(keys, bits, word)
    return said


@inner
def _before(state: np.ndarray, at: int, keys: np.ndarray, bits: np.ndarray) -> int:
    """What the longest word that ends before a token says; 是, 为, 叫 and : are passed over."""
    last, said = at - 1, 0
    if last >= PAD and state[last, 0] == 32:
        last, said = last - 1, _PAUSED
    if last < PAD or state[last, 1] in (6, 7):
        said = _PAUSED
    if last < PAD:
        return said
    lead = state[last, 0]
    if lead in (0x662F, 0x4E3A, 0x53EB, 58):
        known = _ending(state, last, keys, bits)  # 我叫 and 叫 are words themselves
        if known & (_STRONG | _WEAK):
            return said | known | (_SAID if lead != 0x53EB else 0)
        return said | _SAID | _ending(state, last - 1, keys, bits)
    return said | _ending(state, last, keys, bits)


@inner
def _ending(state: np.ndarray, last: int, keys: np.ndarray, bits: np.ndarray) -> int:
    word, said = 0, 0
    for length in range(WORD_MAX):
        code = state[last - length, 0] if last - length >= PAD else 0
        if not 0 < code < 0x10000:
            break
        word = word << 16 | code
        known = word_bits(keys, bits, word) & (_STRONG | _WEAK | _NO_LEAD)
        if known:  # a longer word says more than the shorter it ends in
            said = known
    return 0 if said & _NO_LEAD else said


@inner
def _pair(state: np.ndarray, at: int, keys: np.ndarray, bits: np.ndarray) -> int:
    first, second = state[at, 0], state[at + 1, 0]
    if not (0 < first < 0x10000 and 0 < second < 0x10000):
        return 0
    return word_bits(keys, bits, first | second << 16)


@inner
def _odds(odds: np.ndarray, code: int, column: int) -> int:
    at = code - _FIRST
    if not 0 <= at < odds.size // _COLUMNS:
        return -40
    return max(-30, np.int64(odds[at * _COLUMNS + column]))  # type: ignore[return-value]


@inner
def _given_points(state: np.ndarray, at: int, count: int, odds: np.ndarray) -> int:
    """How much likelier one or two characters are in a given name than elsewhere, times eight."""
    first = state[at, 0]
    if count == 1:
        return max(_odds(odds, first, 1), _odds(odds, first, 3) - 10)
    return _odds(odds, first, 2) + _odds(odds, state[at + 1, 0], 3)


@inner
def _given(state: np.ndarray, at: int, count: int, flags: np.ndarray, odds: np.ndarray) -> int:
    """Whether characters can be a given name (1) and are usual in one (2); 0 when they cannot."""
    usual = True
    for token in range(at, at + count):
        known = _flags(flags, state[token, 0])
        if state[token, 1] != 1 or known & _NOT_GIVEN:
            return 0
        usual = usual and known & _COMMON != 0
    return 2 if usual or _given_points(state, at, count, odds) >= _LIKELY * count else 1


@inner
def _filled_in(
    state: np.ndarray, at: int, size: int, said: int, keys: np.ndarray, bits: np.ndarray
) -> bool:
    """Whether hanzi stand between a word such as 姓名 with its colon and a pause, as in a form.

    There they are a name even if no given name is usually made of them: 东, 月 and 阳 are.
    """
    if not (said & _STRONG and said & _SAID) or not _after(state, at + size, keys, bits) & _PAUSED:
        return False
    hanzi = 0
    for token in range(at, at + size):
        hanzi += state[token, 1] == 1
    return hanzi == size


@inner
def _surname(
    state: np.ndarray, at: int, flags: np.ndarray, keys: np.ndarray, bits: np.ndarray
) -> int:
    """Characters of the surname that begins at a token; 0 when none does."""
    pair = _pair(state, at, keys, bits)
    if pair & _COMPOUND:
        return 2
    known = _flags(flags, state[at, 0]) & _SURNAME
    return 1 if known and not pair & _NOT else 0


@inner
def _beside(
    state: np.ndarray, places: np.ndarray, end: int, keys: np.ndarray, bits: np.ndarray
) -> bool:
    """Whether a phone number, or a word for one, comes right after, at most three pauses away."""
    for at in range(end, min(end + 4, PAD + PIECE_MAX - 3)):
        if _after(state, at, keys, bits) & _BESIDE:
            return True
        if state[at, 0] == DIGIT:  # full-width digits take three bytes each
            size = places[at - PAD + 1] - places[at - PAD]
            parted = state[at + 1, 0] == DIGIT or state[at + 2, 0] == DIGIT
            return bool(7 <= size <= 39 or (2 <= size <= 9 and parted))
        if state[at, 0] == _RECEIVES:
            return bool(state[at, 7] == 0 or state[at + 1, 1] in (0, 6, 7))
        if state[at, 1] not in (6, 7):
            return False
    return False


@inner
def _led(
    said: int,
    first: int,
    given: int,
    count: int,
    closed: bool,  # noqa: FBT001 - in a kernel
) -> int:
    """Percent for a name after a role or an introduction; 0 for none.

    ``first``: lists of the surname's character; ``given``: as `_given` says; ``closed``: whether a
    name may end there.
    """
    strong, stated = said & _STRONG != 0, said & _SAID != 0
    plain, usual = first & _DOUBTFUL == 0, given == 2
    function = first & _FUNCTION != 0
    surely = usual and not function and (strong or (plain and count == 2))
    likely = strong or usual
    if function and not stated:
        likely = usual and count == 2
    if surely or (closed and (likely or stated)):
        return 85 if strong else 75
    return 0


@inner
def _alone(state: np.ndarray, at: int, size: int, odds: np.ndarray, marks: np.ndarray) -> int:
    """Points off a name that stands alone: for the words it cuts, and for what looks foreign."""
    end, off = at + size, 0
    pair = state[at, 0] << 16 | state[at + 1, 0]
    if word_class(marks, pair) or (size > 2 and state[at, 7] >> 4 >= size):
        off += 45
    if state[at, 8] >> 4 >= 2 or state[at, 9]:
        off += 30
    if state[end - 1, 7] >> 4 >= 2:
        off += 25
    if size == 2 and state[end, 1] == 1 and state[end, 7] == 0:
        off += 15  # a hanzi that begins no word is more likely the rest of the name
    foreign = 0
    for token in range(at - 1, end + 1):
        inside = at <= token < end
        strange = state[token, 1] == 1 and _odds(odds, state[token, 0], 4) >= 8
        foreign += strange and (inside or foreign > 0 or token < at)
    return off + (30 if foreign >= 3 or (foreign == 2 and size == 2) else 0)


@inner
def _titled(
    state: np.ndarray, at: int, size: int, surname: int, given: int, first: int,
    keys: np.ndarray, bits: np.ndarray,
) -> bool:  # fmt: skip
    """Whether a surname, with or without a given name, is somebody's before a title."""
    pair = _pair(state, at + size - 2, keys, bits)
    if first & _FUNCTION or pair & (_NOT_TITLED | _NOT | _CITY):
        return False
    if size > surname:
        return given == 2 and first & _DOUBTFUL == 0
    paused = at == PAD or state[at - 1, 1] in (6, 7)
    return paused or first & _DOUBTFUL == 0


@inner
def _told(
    state: np.ndarray, places: np.ndarray, at: int, surname: int, count: int, given: int, said: int,
    tables: Tables,
) -> tuple[int, int]:  # fmt: skip
    """Percent and reason where the words around a name tell it; none is 0 percent."""
    keys, bits = tables.keys, tables.bits
    end = at + surname + count
    first = _flags(tables.flags, state[at, 0]) if surname == 1 else _SURNAME
    after = _after(state, end, keys, bits)
    if after & _TITLE and _titled(state, at, end - at, surname, given, first, keys, bits):
        return 82, BY_TITLE
    if count and said & (_STRONG | _WEAK):
        closed = after & (_PAUSED | _END | _VERB | _TITLE | _BESIDE) != 0
        percent = _led(said, first, given, count, closed)
        if percent:
            return percent, BY_CONTEXT
    if count and given == 2 and _beside(state, places, end, keys, bits):
        apart = state[end, 1] in (6, 7)
        beyond = first & _DOUBTFUL == 0 and count == 2 and apart
        if said & _PAUSED or beyond:
            return 80, BY_CONTEXT
    return 0, BY_CONTEXT


@inner
def _best(
    state: np.ndarray, places: np.ndarray, at: int, tables: Tables
) -> tuple[int, int, int]:  # fmt: skip
    """Tokens, percent and reason of the name that begins at a token; none is of no tokens."""
    odds, flags, keys, bits = tables.odds, tables.flags, tables.keys, tables.bits
    surname = _surname(state, at, flags, keys, bits)
    if not surname:
        return 0, 0, 0
    said = _before(state, at, tables.ending_keys, tables.ending_bits)
    lone, lone_size = 0, 0
    for count in (2, 1, 0):
        size = surname + count
        given = _given(state, at + surname, count, flags, odds) if count else 2
        if not given and _filled_in(state, at, size, said, keys, bits):
            given = 1
        if given:
            percent, why = _told(state, places, at, surname, count, given, said, tables)
            if percent:
                return size, percent, why
        if given and count:
            after = _after(state, at + size, keys, bits)
            closed = after & (_PAUSED | _END | _VERB | _TITLE | _BESIDE) != 0
            points = _odds(odds, state[at, 0], 0) + _given_points(state, at + surname, count, odds)
            points += 10 * closed + 14 * (after & _VERB != 0) + 8 * (said & _PAUSED != 0)
            points += 14 * (count == 2) - _alone(state, at, size, odds, tables.marks)
            if points > lone:
                lone, lone_size = points, size
    first = _flags(flags, state[at, 0]) if surname == 1 else _SURNAME
    doubted = 15 * (first & _DOUBTFUL != 0) + 30 * (first & _FUNCTION != 0)
    # 王师傅 is a surname before a title, whoever it is; where that was not believed it is no name.
    titled = _after(state, at + surname, keys, bits) & _TITLE
    if titled or lone < _SURE_POINTS + doubted:
        return 0, 0, 0
    return lone_size, min(69, 50 + (lone - _SURE_POINTS) // 2), BY_LOOK


@inner
def _dotted(state: np.ndarray, at: int, count: int, odds: np.ndarray) -> tuple[int, int]:
    """First token and length of the name around a dot between hanzi; no length for none."""
    begin, end, points = at, at + 1, 0
    while begin > PAD and at - begin < 7 and state[begin - 1, 1] == 1:
        here = _odds(odds, state[begin - 1, 0], 4)
        if here < -8:
            break
        begin, points = begin - 1, points + here
    while end < PAD + count and end - at < 16 and state[end, 1] in (1, 5):
        here = _odds(odds, state[end, 0], 4) if state[end, 1] == 1 else 0
        if here < -8:
            break
        end, points = end + 1, points + here
    while end > at and state[end - 1, 1] == 5:
        end -= 1
    size = end - begin
    whole = begin < at and end - at > 1 and points >= 4 * size
    return begin, size if whole else 0


@kernel(TEXT, OFFSETS, TABLES, I8)
def people(data: np.ndarray, offsets: np.ndarray, tables: Tables, found: np.ndarray) -> int:
    """Names in all texts; returns how many.

    Shapes: ``found``: int64[4 * k] takes start byte, end byte, percent and reason of the first k.
    """
    state = np.zeros((PIECE_MAX + 2 * PAD, WIDTH), np.int64)
    places = np.zeros(PIECE_MAX + 1, np.int64)
    total, room = 0, found.size // 4
    for text in range(offsets.size - 1):
        at, end = offsets[text], offsets[text + 1]
        while at < end:
            count = read_piece(data, at, end, state, places)
            at = places[count]
            look(state, count, tables.odds, tables.marks)
            token = PAD
            while token < PAD + count:
                begin, size, percent, why = token, 0, 0, BY_LOOK
                if state[token, 1] == 1:
                    size, percent, why = _best(state, places, token, tables)
                elif state[token, 1] == 5:
                    begin, size = _dotted(state, token, count, tables.odds)
                    percent = 75
                if size and total < room:
                    found[4 * total] = places[begin - PAD]
                    found[4 * total + 1] = places[begin + size - PAD]
                    found[4 * total + 2] = percent
                    found[4 * total + 3] = why
                total += size > 0
                token = max(token + 1, begin + size)
    return total
