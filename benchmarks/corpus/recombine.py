"""Makes a larger corpus out of ``raw_zh.jsonl.gz``: pieces of sentences shuffled across documents.

    python benchmarks/corpus/recombine.py --megabytes 200 --seed 1 -o FILE.jsonl.gz

Within each source all clauses are shuffled and dealt out again to documents of the same numbers of
clauses, round after round until there is enough text. No clause makes up more than two fifths of a
document, so that two documents that share one are no near-duplicates. About 8 % of the documents
are planted copies of another one, of six kinds: exact; ws (spacing and punctuation changed); edit1
and edit5 (1 and 5 % of the characters changed, cut or added); trunc (the last 15 % cut); boiler (a
header and a footer added). A copy follows its original at a distance of up to 50,000 documents.
Planted copies of the input are left out first. The same seed gives the same bytes.

``FILE.jsonl.gz`` holds {id, text, source}; beside it ``FILE.truth.jsonl`` holds
{id, dup_of, dup_kind} for every copy. The text is real and stays where the input may be: do not
publish it.
"""

from __future__ import annotations

import argparse
import gzip
import heapq
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

RAW = Path("../shared/data/corpora/raw_zh.jsonl.gz")
KINDS = ("exact", "ws", "edit1", "edit5", "trunc", "boiler")
COPY_SHARE = 0.087  # of originals, which makes 8 % of all
DELAY_DOCUMENTS_MAX = 50_000
LETTERS_MIN = 60  # an original of fewer is not copied
PIECE_CHARACTERS_MAX = 80
_CLAUSE = re.compile(rf"[^，。！？；\n]{{0,{PIECE_CHARACTERS_MAX}}}[，。！？；\n]*", re.DOTALL)
_HEADERS = (
    "【转载】以下内容来自网络，仅供参考。\n",
    "首页 > 文章 > 正文\n",
    "本文由用户投稿发布：",
)
_FOOTERS = (
    "\n版权归原作者所有",
    "\n点击查看更多内容，欢迎关注我们",
    "（责任编辑：小编）\n分享到：",
)
_COMMON = "的一是不了在有人我他这中大来上个国和也子时道说出到们为"


def pieces(text: str) -> list[str]:
    """The clauses of a text, which together are the text."""
    return [piece for piece in _CLAUSE.findall(text) if piece]


def dealt(texts: list[str], draw: random.Random) -> Iterator[str]:
    """One round: every clause of ``texts`` once, in documents of as many clauses."""
    cut = [pieces(text) for text in texts]
    pool = [piece for each in cut for piece in each]
    draw.shuffle(pool)
    sizes = [len(each) for each in cut]
    draw.shuffle(sizes)
    at = 0
    for size in sizes:
        taken, length, longest = 0, 0, 0
        while at + taken < len(pool) and (taken < size or 5 * longest > 2 * length):
            length += len(pool[at + taken])
            longest = max(longest, len(pool[at + taken]))
            taken += 1
        text = "".join(pool[at : at + taken]).strip()
        at += taken
        if text and 5 * longest <= 2 * length:
            yield text


def edited(text: str, share: float, draw: random.Random) -> str:
    """The text with that share of its characters changed, cut or added."""
    characters = list(text)
    for place in draw.sample(range(len(text)), max(1, round(len(text) * share))):
        act = draw.randrange(3)
        new = draw.choice(_COMMON)
        characters[place] = (new, "", characters[place] + new)[act]
    return "".join(characters)


def spaced(text: str, draw: random.Random) -> str:
    """The text with other spaces and punctuation between the same letters."""
    text = text.replace("，", ", ").replace("。", draw.choice((".", "。 ", "．")))
    text = text.replace("！", "!").replace("：", ":").replace("\n", draw.choice(("\n\n", " \n")))
    places = sorted(draw.sample(range(len(text)), max(1, len(text) // 25)), reverse=True)
    for place in places:
        text = text[:place] + draw.choice((" ", "　", "\u200b")) + text[place:]
    return text


def copied(text: str, kind: str, draw: random.Random) -> str:
    """A copy of one of `KINDS`."""
    match kind:
        case "exact":
            return text
        case "ws":
            return spaced(text, draw)
        case "edit1":
            return edited(text, 0.01, draw)
        case "edit5":
            return edited(text, 0.05, draw)
        case "trunc":
            return text[: round(len(text) * 0.85)]
        case _:
            return draw.choice(_HEADERS) + text + draw.choice(_FOOTERS)


def originals(raw: Path, draw: random.Random) -> Iterator[tuple[str, str]]:
    """(source, text) without end, round after round."""
    by_source: dict[str, list[str]] = {}
    with gzip.open(raw, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if not row["dup_of"]:
                by_source.setdefault(row["source"], []).append(row["text"])
    while True:
        made = [(source, text) for source in by_source for text in dealt(by_source[source], draw)]
        draw.shuffle(made)
        yield from made


def recombined(raw: Path, *, megabytes: int, seed: int) -> Iterator[dict[str, str]]:
    """Rows {id, text, source} and for copies {dup_of, dup_kind}, until there is enough text."""
    draw = random.Random(seed)
    waiting: list[tuple[int, int, dict[str, str]]] = []
    left, planted, written = megabytes * 1_000_000, 0, 0
    for number, (source, text) in enumerate(originals(raw, draw)):
        name = f"r{number}"
        due = [{"id": name, "text": text, "source": source}]
        left -= len(text.encode())
        wanted = draw.random() < 0.5 and planted < COPY_SHARE * number
        if wanted and sum(c.isalnum() for c in text) >= LETTERS_MIN:
            planted += 1
            kind = KINDS[draw.randrange(len(KINDS))]
            copy = copied(text, kind, draw)
            left -= len(copy.encode())
            row = {"id": f"{name}c", "text": copy, "source": source}
            row |= {"dup_of": name, "dup_kind": kind}
            due_at = written + 1 + draw.randrange(DELAY_DOCUMENTS_MAX)
            heapq.heappush(waiting, (due_at, number, row))
        while waiting and waiting[0][0] <= written + len(due):
            due.append(heapq.heappop(waiting)[2])
        written += len(due)
        yield from due
        if left <= 0:
            break
    while waiting:
        yield heapq.heappop(waiting)[2]


def write(path: Path, *, raw: Path, megabytes: int, seed: int) -> Path:
    """Write corpus and truth; returns the path of the truth."""
    truth = path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".truth.jsonl")
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as out,
        truth.open("w", encoding="utf-8") as known,
    ):
        for row in recombined(raw, megabytes=megabytes, seed=seed):
            kind = row.pop("dup_kind", "")
            of = row.pop("dup_of", "")
            out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            if kind:
                known.write(json.dumps({"id": row["id"], "dup_of": of, "dup_kind": kind}) + "\n")
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="of UTF-8 text")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raw", type=Path, default=RAW)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    truth = write(asked.output, raw=asked.raw, megabytes=asked.megabytes, seed=asked.seed)
    print(f"{asked.output} and {truth}")


if __name__ == "__main__":
    main()
