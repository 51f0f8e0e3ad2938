"""Teaches the tagger: one epoch of the averaged structured perceptron over labelled pieces."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.kernels.grams import scrambled
from yunhe.corpus.kernels.tagging import (
    FEATURES,
    I1,
    LABELS,
    PAD,
    PIECE_MAX,
    WIDTH,
    add_rows,
    features,
    look,
    read_piece,
    viterbi,
)
from yunhe.native.compiled import I4, I8, INT, OFFSETS, TEXT, U1, U2, inner, kernel

_HIDE_SELF, _HIDE_NEAR, _HIDE_WORDS = 88, 32, 28
"""Of 256 times in training: the characters themselves, those beside them, the words are hidden."""


@inner
def _hide(rows: np.ndarray, chance: int) -> None:
    """Leave some of a token's features out, so that training leans on no single one of them."""
    if chance & 255 < _HIDE_SELF:
        rows[0] = rows[5] = rows[6] = rows[10] = -1
    if chance >> 8 & 255 < _HIDE_NEAR:
        rows[1] = rows[9] = rows[7] = rows[3] = -1
    if chance >> 16 & 255 < _HIDE_NEAR:
        rows[2] = rows[8] = rows[4] = -1
    if chance >> 24 & 255 < _HIDE_WORDS:
        rows[12] = rows[13] = rows[14] = rows[22] = rows[23] = -1


@kernel(TEXT, OFFSETS, I8, I8)
def pieces(data: np.ndarray, offsets: np.ndarray, tokens: np.ndarray, ends: np.ndarray) -> int:
    """Where tokens and pieces are, for training: returns the number of tokens.

    Shapes: ``tokens``: int64[bytes], start byte of each; ``ends``: int64[bytes + 1]: pieces as
    counts of tokens up to their end, after a zero.
    """
    state = np.zeros((PIECE_MAX + 2 * PAD, WIDTH), np.int64)
    places = np.zeros(PIECE_MAX + 1, np.int64)
    total, piece = 0, 0
    ends[0] = 0
    for text in range(offsets.size - 1):
        at, end = offsets[text], offsets[text + 1]
        while at < end:
            count = read_piece(data, at, end, state, places)
            for token in range(count):
                tokens[total + token] = places[token]
            total += count
            at = places[count]
            piece += 1
            ends[piece] = total
    ends[ends.size - 1] = piece
    return total


@kernel(TEXT, I8, I8, I8, U1, I1, U2, I4, I8, I4, I8, INT, INT)
def learn(  # noqa: PLR0913, PLR0917 - everything an epoch changes
    data: np.ndarray,
    begins: np.ndarray,
    bounds: np.ndarray,
    order: np.ndarray,
    gold: np.ndarray,
    odds: np.ndarray,
    marks: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
    moves: np.ndarray,
    move_sums: np.ndarray,
    step: int,
    margin: int,
) -> int:
    """One epoch of the averaged structured perceptron over pieces; returns labels got wrong.

    Shapes: ``begins``: int64[pieces + 1] tokens before each; ``bounds``: int64[pieces * 2] start
    and end byte of each; ``order``: int64[pieces]; ``gold``: uint8[tokens]; ``weights``, ``sums``:
    [rows * WIDTH]; ``moves``, ``move_sums``: [LABELS * WIDTH].
    ``margin``: points a wrong label is given in training, so that the right one must win by more.
    Source: Collins, Discriminative training methods for hidden Markov models, EMNLP 2002; sums for
    averaging as in Daumé III, 2006.
    """
    state = np.zeros((PIECE_MAX + 2 * PAD, WIDTH), np.int64)
    places = np.zeros(PIECE_MAX + 1, np.int64)
    scores = np.zeros((PIECE_MAX, WIDTH), np.int32)
    back = np.zeros((PIECE_MAX, WIDTH), np.uint8)
    rows = np.zeros((PIECE_MAX, FEATURES), np.int64)
    mask, wrong = weights.size // WIDTH - 1, 0
    for turn in range(order.size):
        piece = order[turn]
        count = read_piece(data, bounds[2 * piece], bounds[2 * piece + 1], state, places)
        look(state, count, odds, marks)
        right = gold[begins[piece] : begins[piece + 1]]
        for token in range(count):
            features(state, token, mask, rows[token])
            _hide(rows[token], int(scrambled(step * 1024 + token) >> np.uint64(16)))
            add_rows(weights, rows[token], scores[token])
            for label in range(LABELS):
                scores[token, label] += margin * (label != right[token])
        viterbi(scores, moves, count, back)
        step += 1
        wrong += _correct(count, right, back, rows, weights, sums, moves, move_sums, step)
    return wrong


@inner
def _correct(  # noqa: PLR0913, PLR0917 - one loop's state, in a kernel
    count: int,
    right: np.ndarray,
    back: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
    moves: np.ndarray,
    move_sums: np.ndarray,
    step: int,
) -> int:
    wrong = 0
    for token in range(count):
        said, true = np.int64(back[token, WIDTH - 1]), np.int64(right[token])
        if said != true:
            wrong += 1
            for feature in range(FEATURES):
                row = rows[token, feature]
                if row >= 0:
                    weights[row + true] += 1
                    weights[row + said] -= 1
                    sums[row + true] += step
                    sums[row + said] -= step
        if token:
            said_move = np.int64(back[token - 1, WIDTH - 1]) * WIDTH + said
            true_move = np.int64(right[token - 1]) * WIDTH + true
            moves[true_move] += 1
            moves[said_move] -= 1
            move_sums[true_move] += step
            move_sums[said_move] -= step
    return wrong
