"""What the tests of duplicates share: invented texts, their copies, a corpus in memory."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from yunhe.corpus.evidence import InMemory, Settled
from yunhe.corpus.kernels.shingles import letters, signatures
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.near.settling import settle

HANZI = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 3000))
KINDS = ("exact", "ws", "edit1", "edit5", "trunc", "boiler")
MEMORY = 64 << 20


def array(texts: Sequence[str]) -> pa.LargeStringArray:
    return pa.array(list(texts), pa.large_string())


def bytes_of(texts: Sequence[str]) -> Utf8:
    return utf8(array(texts))


def invented(seed: int, count: int, length: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(HANZI, k=length)) for _ in range(count)]


def edited(text: str, share: float, draw: random.Random) -> str:
    places = set(draw.sample(range(len(text)), round(len(text) * share)))
    return "".join(draw.choice(HANZI) if n in places else c for n, c in enumerate(text))


def copied(text: str, kind: str, draw: random.Random) -> str:
    match kind:
        case "exact":
            return text
        case "ws":
            return "，".join(text[i : i + 7] for i in range(0, len(text), 7)) + "　！"
        case "edit1":
            return edited(text, 0.01, draw)
        case "edit5":
            return edited(text, 0.05, draw)
        case "trunc":
            return text[: int(len(text) * 0.85)]
        case _:
            return "【转载】" + text + "版权归原作者所有"


def folded(text: str) -> list[str]:
    """The letters of a text in plain Python."""
    table = letters()
    kept = []
    for character in text:
        code = ord(character)
        if code >= 0x20000:
            kept.append(chr((code ^ (code >> 16) * 0x9E37) & 0xFFFF | 1))
        elif code < 0x10000 and table[code]:
            kept.append(chr(table[code]))
    return kept


def runs_of(text: str, length: int = 5) -> set[str]:
    """The set of runs in plain Python; a shorter document is one run."""
    kept = folded(text)
    if len(kept) < length:
        return {"".join(kept)} if kept else set()
    return {"".join(kept[at : at + length]) for at in range(len(kept) - length + 1)}


def jaccard(left: str, right: str) -> float:
    one, other = runs_of(left), runs_of(right)
    return len(one & other) / len(one | other) if one | other else 0.0


def corpus(texts: Sequence[str], *, unit: int = 10**9) -> InMemory:
    """Evidence of `similar`, cut into units of so many documents."""
    parts = tuple(array(texts[at : at + unit]) for at in range(0, len(texts), unit))
    return InMemory(tuple(signatures(utf8(part)) for part in parts), parts)


def settled(
    texts: Sequence[str],
    *,
    unit: int = 10**9,
    memory: int = MEMORY,
    percent: int = 50,
    drop: bool = True,
) -> Settled:
    """Near-duplicates of some texts, with arrays that outlive the scratch folder."""
    with tempfile.TemporaryDirectory() as scratch:
        found = settle(
            corpus(texts, unit=unit),
            Path(scratch),
            memory_bytes=memory,
            percent_min=percent,
            drop=drop,
        )
        return Settled(np.array(found.codes), np.array(found.firsts), np.array(found.scores))
