"""Makes lexicons/characters.safetensors from jieba's word list (MIT licence, Sun Junyi).

What is kept are statistics: how often a character stands at each place of a Chinese name or in a
transliterated one, against everywhere else, and a table of 12-bit marks of frequent words with
their word class. No list of names is kept and none can be read back.

    pip download jieba==0.42.1 --no-deps -d /tmp/j && tar xzf /tmp/j/jieba-0.42.1.tar.gz -C /tmp/j
    python benchmarks/corpus/lexicon.py /tmp/j/jieba-0.42.1/jieba/dict.txt OUT
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from yunhe.corpus.personal import lexicon
from yunhe.corpus.personal.tagger.words import BUCKETS, SLOTS, mark

FREQUENCY_NAME_MAX = 30
WORDS_MAX = 64_000
CLASSES = {
    "n": 1, "v": 2, "vn": 2, "a": 3, "ad": 3, "an": 3, "d": 4, "c": 5, "p": 5, "u": 5, "uj": 5,
    "r": 6, "m": 7, "q": 7, "t": 8, "f": 9, "s": 9, "ns": 10, "nt": 11, "nz": 12, "j": 12,
    "i": 13, "l": 13, "z": 3, "b": 3,
}  # fmt: skip
OTHER = 14
COUNT_COMMON = 100
_FOREIGN = frozenset(
    "阿埃艾爱安奥巴贝本比波伯博布查达丹德登迪蒂东顿多恩尔法菲费芬弗夫盖格哈赫基吉加卡凯坎"
    "柯科克库拉莱兰雷利里列林卢鲁路伦罗洛马玛麦曼梅蒙米摩莫姆穆纳内尼诺欧帕培佩皮普奇齐乔琼"
    "瑞萨塞森沙舍史斯苏索塔泰坦特提廷图托瓦万威韦维温沃乌西希夏肖谢辛休雅亚扬伊因约泽扎詹朱"
)
BODIES, BODIES_FACTOR = {"ns", "nt", "nz"}, 20


def hanzi(word: str) -> bool:
    return all("\u4e00" <= character <= "\u9fff" for character in word)


def read(path: Path) -> list[tuple[str, int, str]]:
    rows = []
    for line in path.read_text("utf-8").splitlines():
        word, count, kind = line.split(" ")
        if hanzi(word):
            rows.append((word, int(count), kind))
    return rows


def odds(part: Counter[str], whole: Counter[str], code: str) -> int:
    """Eight times the log of how much likelier a character is in ``part``; within int8."""
    here = (part[code] + 0.3) / (sum(part.values()) + 2000)
    there = (whole[code] + 5) / (sum(whole.values()) + 30_000)
    return max(-100, min(100, round(8 * math.log(here / there))))


def statistics(rows: list[tuple[str, int, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Codes and, for each: surname, given alone, given first, given last, foreign, background."""
    whole: Counter[str] = Counter()
    columns: list[Counter[str]] = [Counter() for _ in range(5)]
    for word, count, kind in rows:
        for character in word:
            whole[character] += count + 1
        weight = 1 + min(count, FREQUENCY_NAME_MAX)
        size = 2 if word[:2] in lexicon.COMPOUND_SURNAMES else 1
        given = word[size:]
        known = size == 2 or word[0] in lexicon.SURNAMES
        if kind == "nr" and known and 1 <= len(given) <= 2:
            columns[0][word[0]] += weight
            places = [(1, given)] if len(given) == 1 else [(2, given[0]), (3, given[1])]
            for place, character in places:
                columns[place][character] += weight
        if kind in {"nrt", "nrfg"} and len(word) >= 3 and not (known and len(word) == 3):
            for character in word:
                columns[4][character] += weight
    kept = sorted(c for c in whole if any(column[c] for column in columns))
    values = np.zeros((len(kept), 6), np.int8)
    for row, character in enumerate(kept):
        for place, column in enumerate(columns):
            values[row, place] = odds(column, whole, character)
        share = (whole[character] + 5) / (sum(whole.values()) + 30_000)
        values[row, 5] = max(-120, round(8 * math.log(share)))
    return np.array([ord(c) for c in kept], np.uint16), values


def words(rows: list[tuple[str, int, str]]) -> np.ndarray:
    """The table of `yunhe.corpus.personal.tagger.words`, the most frequent words first."""
    table = np.zeros((BUCKETS, SLOTS), np.uint16)
    used = np.zeros(BUCKETS, np.int64)
    chosen = [r for r in rows if 2 <= len(r[0]) <= 4 and not _personal(r)]
    # Names of places and bodies first: they are what a tagger confuses with names of persons.
    chosen.sort(key=lambda r: (-r[1] * (BODIES_FACTOR if r[2] in BODIES else 1), r[0]))
    kept = 0
    for word, _, kind in chosen:
        bucket, tag = mark([ord(c) for c in word])
        if used[bucket] < SLOTS and kept < WORDS_MAX:
            table[bucket, used[bucket]] = tag << 4 | CLASSES.get(kind, OTHER)
            used[bucket] += 1
            kept += 1
    return table.reshape(-1)


def _personal(row: tuple[str, int, str]) -> bool:
    """Whether a word is marked as a name; the list marks 桂林 and 莫斯科 so, which are none."""
    word, count, kind = row
    foreign = kind != "nr" or sum(c in _FOREIGN for c in word) == len(word)
    common = count >= COUNT_COMMON and (len(word) == 2 or foreign)
    return kind.startswith("nr") and not common


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    rows = read(asked.words)
    codes, values = statistics(rows)
    made = save({"codes": codes, "values": values, "words": words(rows)})
    asked.out.write_bytes(made)
    print(f"{len(codes)} characters, {len(made)} bytes")


if __name__ == "__main__":
    main()
