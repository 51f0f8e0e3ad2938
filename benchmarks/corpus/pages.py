"""Main text out of Chinese pages, beside trafilatura and jusText, on the same pages.

    python benchmarks/corpus/pages.py --peers DIR [--pages 1000] [--seed 1]

The pages are made by `pages_made.py`, so it is known which paragraphs are the main text. Told for
each: MB of HTML per CPU-second, without start-up; recall, the share of the main text's characters
in paragraphs that came out whole; and the shares of comments and of the other pieces around it that
came out as well.
Ours is what the reader of HTML files does, decoding included; ``all`` keeps what a page shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from pages_made import Page, pages
from peers import environment

from yunhe.corpus.readers import pages as reader

PEERS = ("trafilatura", "justext")


def plain(text: str) -> str:
    """Without white space, which extractors write each in its way."""
    return "".join(text.split())


def judged(made: list[Page], texts: list[str]) -> tuple[float, float, float]:
    """Shares that came out: of the main text, of comments, of what is around them."""
    found, whole = [0, 0, 0], [0, 0, 0]
    for page, text in zip(made, texts, strict=True):
        seen = plain(text)
        for kind, pieces in enumerate((page.main, page.comments, page.around)):
            for piece in pieces:
                weight = 1 if kind else len(piece)
                found[kind] += weight * (plain(piece) in seen)
                whole[kind] += weight
    main, comments, around = (got / of for got, of in zip(found, whole, strict=True))
    return main, comments, around


def ours(markups: list[str], *, main_content: bool) -> tuple[list[str], float]:
    """Texts and CPU-seconds."""
    given = [(reader.Page(str(n), m.encode(), None, markup=True),) for n, m in enumerate(markups)]
    reader.parsed(given[0], main_content)
    began = time.process_time()
    texts = [reader.parsed(each, main_content).batch.column("text")[0].as_py() for each in given]
    return texts, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", type=Path)
    asked = parser.parse_args()
    made = list(pages(asked.pages, seed=asked.seed))
    markups = [page.markup for page in made]
    size = sum(len(markup.encode()) for markup in markups) / 1e6
    print(f"{len(made):,} pages, {size:.1f} MB of HTML; Python {platform.python_version()},"
          f" {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")  # fmt: skip

    def told(name: str, texts: list[str], cpu: float) -> None:
        recall, comments, kept = judged(made, texts)
        print(f"  {name:26} {size / cpu:7.2f} MB per CPU-s, main text {recall:.3f}, comments"
              f" {comments:.3f}, the rest {kept:.3f}", flush=True)  # fmt: skip

    library = f"resiliparse {version('resiliparse')}"
    told(f"ours ({library})", *ours(markups, main_content=True))
    told("ours, all", *ours(markups, main_content=False))
    if asked.peers is None:
        return
    python = environment("html", asked.peers.absolute())
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "pages.jsonl", Path(folder) / "texts.jsonl"
        with source.open("w", encoding="utf-8") as sink:
            sink.writelines(json.dumps(markup, ensure_ascii=False) + "\n" for markup in markups)
        script = str(Path(__file__).with_name("pages_peers.py"))
        for name in PEERS:
            done = subprocess.run(
                [python, script, name, source, target], stdout=subprocess.PIPE, check=True
            )
            said = json.loads(done.stdout.splitlines()[-1])
            texts = [json.loads(line) for line in target.open(encoding="utf-8")]
            told(f"{name} {said['version']}", texts, said["cpu"])


if __name__ == "__main__":
    main()
