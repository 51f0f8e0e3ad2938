"""Tags characters as parts of names, organisations and addresses: features and the best path.

A piece is a run of tokens up to the end of a sentence; a token is a character, or a run of small
letters, of capitals or of digits. Each token has `FEATURES` features, a hash each, and every hash a
row of weights, one for each label. Labels are O and, for each of three kinds, B M E S.
"""

from __future__ import annotations

import numba
import numpy as np

from yunhe.corpus.kernels.grams import DIGIT, LOWER, UPPER, character, half_width, scrambled
from yunhe.native.compiled import I4, I8, OFFSETS, TEXT, U2, inner, kernel

I1, I2 = (numba.types.Array(getattr(numba.types, f"int{n}"), 1, "C") for n in (8, 16))
"""int8[n], int16[n]."""
LABELS, WIDTH, KINDS = 13, 16, 3
"""Labels; numbers in a row of weights (the last three unused); kinds of names."""
FEATURES = 24
"""Of each token."""
PIECE_MAX = 256
"""Tokens of a piece at most; a longer sentence is cut."""
STATE = 10
"""Numbers kept about each token of a piece, in rows of `WIDTH`."""
PAD = 4
"""Rows of nothing before and after a piece."""
_FIRST, _HANZI = 0x4E00, 0x9FFF - 0x4E00 + 1
_BUCKETS, _SLOTS = 1 << 14, 4
_CODE, _KIND, _SURNAME, _ALONE, _LEADING, _TRAILING, _FOREIGN, _BEGINS, _ENDS, _INSIDE = range(10)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_PIECE_FULL = 200  # tokens after which a piece ends at the next pause, so that few names are cut
_WORST = -(1 << 29)


@inner
def _folded(code: int) -> int:
    code = half_width(code)
    if 48 <= code <= 57:
        return DIGIT
    if 65 <= code <= 90:
        return UPPER
    return LOWER if 97 <= code <= 122 else code


@inner
def _closes(code: int) -> bool:
    """Whether a sentence ends with it: 。！？； and a new line."""
    return code in (10, 13, 0x3002, 33, 63, 59)


@inner
def read_piece(data: np.ndarray, at: int, end: int, state: np.ndarray, places: np.ndarray) -> int:
    """Fill the codes of the next piece's tokens and their byte places; returns how many.

    Shapes: ``state``: int64[PIECE_MAX + 8, WIDTH]; ``places``: int64[PIECE_MAX + 1], the last the
    piece's end.
    """
    count, before = 0, 0
    while at < end and count < PIECE_MAX:
        code, size = character(data, at)
        code = _folded(code)
        run = code in (UPPER, LOWER, DIGIT) and code == before
        if not run:
            state[PAD + count, _CODE] = code
            places[count] = at
            count += 1
        before = code
        at += size
        if _closes(code) or (count >= _PIECE_FULL and _kind(code) == 6):
            break
    places[count] = at
    return count


@inner
def _kind(code: int) -> int:
    if _FIRST <= code < _FIRST + _HANZI:
        return 1
    if code in (UPPER, LOWER, DIGIT):
        return 2 if code == UPPER else (3 if code == LOWER else 4)
    if code in (0xB7, 0x2022, 0x30FB, 0x2027):  # the dots of foreign names
        return 5
    return 6 if code in (0x3001, 44, 0xFF0C, 0x3002, 40, 41, 58, 32) else 7


@inner
def _level(odds: int) -> int:
    if odds <= -16:
        return 0
    if odds <= 0:
        return 1
    if odds <= 8:
        return 2
    return 3 if odds <= 16 else (4 if odds <= 28 else 5)


@inner
def word_class(marks: np.ndarray, word: int) -> int:
    """The class (1 … 14) of a word given as codes packed by sixteen bits; 0 for no known word."""
    mixed = scrambled(word)
    bucket = np.int64(mixed & np.uint64(_BUCKETS - 1)) * _SLOTS
    tag = np.int64((mixed >> np.uint64(20)) % np.uint64(4095)) + 1
    for slot in range(bucket, bucket + _SLOTS):
        if np.int64(marks[slot]) >> 4 == tag:
            return int(marks[slot]) & 15
    return 0


@inner
def look(state: np.ndarray, count: int, odds: np.ndarray, marks: np.ndarray) -> None:
    """Fill in what is known of each token: its kind, its odds in names, the words it is part of."""
    for at in range(count + 2 * PAD):
        row = state[at]
        inside = PAD <= at < PAD + count
        code = row[_CODE] if inside else 0
        row[_CODE] = code
        row[_KIND] = _kind(code) if inside else 0
        for column in range(_SURNAME, STATE):
            row[column] = 0
        if row[_KIND] == 1:
            base = (code - _FIRST) * 6
            for column in range(5):
                row[_SURNAME + column] = _level(odds[base + column])
    for at in range(PAD, PAD + count):
        word = int(state[at, _CODE])
        for length in range(2, 5):
            if state[at, _KIND] != 1 or state[at + length - 1, _KIND] != 1:
                break
            word = word << 16 | int(state[at + length - 1, _CODE])
            known = word_class(marks, word)
            if known:
                said = length << 4 | known
                state[at, _BEGINS] = said
                state[at + length - 1, _ENDS] = max(said, state[at + length - 1, _ENDS])
                for middle in range(at + 1, at + length - 1):
                    state[middle, _INSIDE] = length


@inner
def _hash(place: int, first: int, second: int, third: int) -> int:
    """Up to 63 bits of three small numbers and a feature's place, scrambled; the top bits serve."""
    packed = np.uint64(first << 42 ^ second << 21 ^ third) + np.uint64(place) * _SPREAD
    packed ^= packed >> np.uint64(32)
    return int((packed * _SPREAD) >> np.uint64(34))


@inner
def features(state: np.ndarray, token: int, mask: int, rows: np.ndarray) -> None:
    """Fill ``rows`` (int64[FEATURES]) with the weight rows of one token, times `WIDTH`."""
    t = token + PAD
    a2, a1, c0 = state[t - 2, 0], state[t - 1, 0], state[t, 0]
    b1, b2 = state[t + 1, 0], state[t + 2, 0]
    kinds = 0
    foreign = 0
    for at in range(t - 2, t + 3):
        kinds = kinds << 3 | state[at, _KIND]
        foreign = foreign << 3 | state[at, _FOREIGN]
    here, last, following = state[t], state[t - 1], state[t + 1]
    first = here[_SURNAME] << 6 | following[_LEADING] << 3 | state[t + 2, _TRAILING]
    second = last[_SURNAME] << 6 | here[_LEADING] << 3 | following[_TRAILING]
    third = state[t - 2, _SURNAME] << 6 | last[_LEADING] << 3 | here[_TRAILING]
    short = here[_SURNAME] << 6 | following[_ALONE] << 3 | state[t + 2, _KIND]
    shorter = last[_SURNAME] << 6 | here[_ALONE] << 3 | following[_KIND]
    words = here[_BEGINS] << 14 | here[_ENDS] << 7 | here[_INSIDE]
    near = state[t - 1, _INSIDE] << 6 | here[_INSIDE] << 3 | following[_INSIDE]
    rows[0], rows[1], rows[2] = _hash(0, c0, 0, 0), _hash(1, a1, 0, 0), _hash(2, b1, 0, 0)
    rows[3], rows[4] = _hash(3, a2, 0, 0), _hash(4, b2, 0, 0)
    rows[5], rows[6], rows[7] = _hash(5, a1, c0, 0), _hash(6, c0, b1, 0), _hash(7, a2, a1, 0)
    rows[8], rows[9], rows[10] = _hash(8, b1, b2, 0), _hash(9, a1, b1, 0), _hash(10, a1, c0, b1)
    rows[11], rows[12] = _hash(11, kinds, 0, 0), _hash(12, words, 0, 0)
    rows[13] = _hash(13, last[_ENDS], here[_BEGINS], near)
    rows[14] = _hash(14, here[_ENDS], following[_BEGINS], near)
    rows[15], rows[16] = _hash(15, first, kinds & 511, 0), _hash(16, second, kinds & 511, 0)
    rows[17] = _hash(17, third, kinds & 511, 0)
    rows[18], rows[19] = _hash(18, short, 0, 0), _hash(19, shorter, 0, 0)
    rows[20], rows[21] = _hash(20, foreign & 511, kinds & 511, 0), _hash(21, foreign, 0, 0)
    rows[22] = _hash(22, first, here[_BEGINS], last[_ENDS])
    rows[23] = _hash(23, second, here[_ENDS], last[_ENDS])
    for at in range(FEATURES):
        rows[at] = (rows[at] & mask) * WIDTH


@inner
def _enter(before: np.ndarray, moves: np.ndarray, label: int) -> tuple[int, int]:
    """The best way into O, B or S: from O, or from the E or S of any kind."""
    best, origin = before[0] + moves[label], 0
    for left in range(3, LABELS, 4):
        for last in (left, left + 1):
            reached = before[last] + moves[last * WIDTH + label]
            if reached > best:
                best, origin = reached, last
    return best, origin


@inner
def _stay(before: np.ndarray, moves: np.ndarray, label: int) -> tuple[int, int]:
    """The best way into M or E: from the B or M of its kind."""
    begun = label - (label - 1) % 4
    first = before[begun] + moves[begun * WIDTH + label]
    second = before[begun + 1] + moves[(begun + 1) * WIDTH + label]
    return (first, begun) if first >= second else (second, begun + 1)


@inner
def viterbi(scores: np.ndarray, moves: np.ndarray, count: int, back: np.ndarray) -> None:
    """The best path: ``back[token, WIDTH - 1]`` holds each token's label.

    Shapes: ``scores``: int32[PIECE_MAX, WIDTH], overwritten with the best sum up to each label;
    ``moves``: int32[LABELS * WIDTH]; ``back``: uint8[PIECE_MAX, WIDTH].
    """
    for kind in range(KINDS):  # a sentence cannot begin in the middle of a name
        scores[0, 4 * kind + 2] = _WORST
        scores[0, 4 * kind + 3] = _WORST
    for token in range(1, count):
        before, here, origins = scores[token - 1], scores[token], back[token]
        for label in range(LABELS):
            if label == 0 or (label - 1) % 4 in (0, 3):
                best, origin = _enter(before, moves, label)
            else:
                best, origin = _stay(before, moves, label)
            here[label] += best
            origins[label] = origin
    last = scores[count - 1]
    label = 0
    for left in range(3, LABELS, 4):
        for closed in (left, left + 1):
            if last[closed] > last[label]:
                label = closed
    for token in range(count - 1, -1, -1):
        back[token, WIDTH - 1] = label
        label = back[token, label]


@inner
def add_rows(weights: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
    """Sum the weights of a token's features into ``scores`` (int32[WIDTH]); a row < 0 is left out.

    Label by label, so that the first asks for all rows at once and the others find them there.
    """
    for label in range(LABELS):
        total = np.int32(0)
        for feature in range(FEATURES):
            row = rows[feature]
            if row >= 0:
                total += weights[row + label]
        scores[label] = total


@kernel(TEXT, OFFSETS, I1, U2, I2, I4, I8)
def tag(
    data: np.ndarray,
    offsets: np.ndarray,
    odds: np.ndarray,
    marks: np.ndarray,
    weights: np.ndarray,
    moves: np.ndarray,
    found: np.ndarray,
) -> int:
    """Names, organisations and addresses in all texts; returns how many.

    Shapes: ``weights``: int16[rows * WIDTH], rows a power of two; ``found``: int64[4 * k], takes
    start byte, end byte, kind and margin of the first k; call again with more room if there are
    more.
    """
    state = np.zeros((PIECE_MAX + 2 * PAD, WIDTH), np.int64)
    places = np.zeros(PIECE_MAX + 1, np.int64)
    scores = np.zeros((PIECE_MAX, WIDTH), np.int32)
    plain = np.zeros((PIECE_MAX, WIDTH), np.int32)
    back = np.zeros((PIECE_MAX, WIDTH), np.uint8)
    rows = np.zeros(FEATURES, np.int64)
    mask = weights.size // WIDTH - 1
    total, room = 0, found.size // 4
    for text in range(offsets.size - 1):
        at, end = offsets[text], offsets[text + 1]
        while at < end:
            count = read_piece(data, at, end, state, places)
            at = places[count]
            look(state, count, odds, marks)
            for token in range(count):
                features(state, token, mask, rows)
                add_rows(weights, rows, scores[token])
                for label in range(LABELS):
                    plain[token, label] = scores[token, label]
            viterbi(scores, moves, count, back)
            total = _collect(count, places, plain, back, found, total, room)
    return total


@inner
def _collect(
    count: int,
    places: np.ndarray,
    plain: np.ndarray,
    back: np.ndarray,
    found: np.ndarray,
    total: int,
    room: int,
) -> int:
    begin, margin = 0, np.int64(0)
    for token in range(count):
        label = np.int64(back[token, WIDTH - 1])
        if label == 0:
            continue
        part = (label - 1) % 4
        if part in (0, 3):
            begin, margin = token, np.int64(0)
        margin += plain[token, label] - plain[token, 0]
        if part >= 2:
            if total < room:
                found[4 * total] = places[begin]
                found[4 * total + 1] = places[token + 1]
                found[4 * total + 2] = (label - 1) // 4
                found[4 * total + 3] = margin // (token - begin + 1)
            total += 1
    return total
