"""Which language each text is in, offline: by its scripts, and among Latin ones by letter runs.

A hanzi says about as much as three Latin letters, as it has three bytes where they have one, so
scripts are weighed by that. Classical Chinese is Chinese: it is told by its hanzi alone.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from resiliparse.parse.lang import detect_fast, supported_langs

from yunhe.corpus.kernels.classes import (
    ACCENT,
    ARABIC,
    CYRILLIC,
    HANGUL,
    HANZI,
    KANA,
    LATIN,
    LETTER,
    SIMPLIFIED,
    TRADITIONAL,
)  # fmt: skip
from yunhe.corpus.kernels.measures import Measures, per_thousand, total

LANGUAGES: tuple[str, ...] = ("und", "zh", "zh-Hant", "ja", "ko", "en")
"""Codes of `Found.languages` by position (ISO 639-1; und: not told; zh-Hant: Chinese in traditional
script); those of the letter runs follow in alphabetical order."""
VERSION = version("resiliparse")
"""Of the library that tells languages of one script apart; part of what a step goes by."""

_UND, _ZH, _ZH_HANT, _JA, _KO, _EN = range(6)
_ELSEWHERE = {"zh", "zh_classical", "zh_min_nan", "ja", "ko", "en"}
LANGUAGES += tuple(sorted(set(supported_langs()) - _ELSEWHERE))
_WEIGHT: Final = 3
_KANA_MIN: Final = 4
_KANA_PERCENT_MIN: Final = 10
"""Of hanzi and kana: Japanese is never without kana, a Chinese text may quote some, or の."""
_CHINESE_PERCENT_MIN: Final = 20
"""Of all weight: a Chinese article about programs is half code, an English one quotes a few hanzi;
own judgement on the technical sources of the real corpus."""
_LETTERS_MIN: Final = 20
"""Letters from which runs of letters tell a language."""
_SAMPLE_CHARACTERS: Final = 2000
_RANK_MAX: Final = 1200
"""Source: resiliparse, `detect_fast`: ranks above are usually false."""


def shares(measures: Measures) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Which script each text is in, and its share of all letters per thousand.

    It is the script that leads, or Chinese where a fifth is Chinese.
    Scripts: 0 none, 1 Chinese, 2 Japanese, 3 Korean, 4 Latin, 5 any other.
    """
    hanzi, kana = total(measures, HANZI), total(measures, (KANA,))
    japanese = (kana >= _KANA_MIN) & (kana * 100 >= _KANA_PERCENT_MIN * (hanzi + kana))
    east = (hanzi + kana) * _WEIGHT
    weights = np.stack([
        np.zeros(len(measures), np.int64),
        np.where(japanese, 0, hanzi * _WEIGHT),
        np.where(japanese, east, 0),
        total(measures, (HANGUL,)) * _WEIGHT,
        total(measures, (LATIN, ACCENT)),
        total(measures, (CYRILLIC, ARABIC, LETTER)),
    ])  # fmt: skip
    whole = weights.sum(axis=0)
    scripts = weights.argmax(axis=0)
    scripts[(weights[1] * 100 >= _CHINESE_PERCENT_MIN * whole) & (weights[1] > 0)] = 1
    own = np.take_along_axis(weights, scripts[None], axis=0)[0]
    return scripts, per_thousand(own, whole)


def languages(
    measures: Measures, texts: pa.LargeStringArray
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """uint8[n]: positions in `LANGUAGES`; int32[n]: the share of its script per thousand.

    Cost: nothing beyond the measures for Chinese, Japanese and Korean; about 20 µs for each text in
    other scripts.
    """
    scripts, share = shares(measures)
    chinese = np.where(measures[:, TRADITIONAL] > measures[:, SIMPLIFIED], _ZH_HANT, _ZH)
    codes = np.select([scripts == 1, scripts == 2, scripts == 3], [chinese, _JA, _KO], _UND)
    letters = total(measures, (LATIN, ACCENT, CYRILLIC, ARABIC, LETTER))
    for document in np.flatnonzero((scripts >= 4) & (letters >= _LETTERS_MIN)).tolist():
        name = _by_runs(texts[document].as_py())
        codes[document] = _PLACES.get(name, _UND)
    return codes.astype(np.uint8), share


_PLACES = {name: place for place, name in enumerate(LANGUAGES)}


def _by_runs(text: str) -> str:
    found, _ = detect_fast(text[:_SAMPLE_CHARACTERS], cutoff=_RANK_MAX)
    return str(found)
