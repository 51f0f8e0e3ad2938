"""The peers' side of `pages.py`: one extractor over the same pages, timed without its start-up.

Run by the interpreter of the peers' own environment:

    python pages_peers.py NAME PAGES.jsonl TEXTS.jsonl
"""

# ruff: noqa: PLC0415 - only the one that is asked for is loaded

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path


def extractor(name: str) -> Callable[[str], str]:
    if name == "trafilatura":
        import trafilatura

        return lambda markup: trafilatura.extract(markup, include_comments=False) or ""
    import justext

    # It has no words for Chinese and counts by blanks, so its thresholds on words are off.

    def kept(markup: str) -> str:
        limits = {"length_low": 20, "length_high": 60, "stopwords_low": 0.0, "stopwords_high": 0.0}
        found = justext.justext(markup, frozenset(), **limits)
        return "\n".join(each.text for each in found if not each.is_boilerplate)

    return kept


def main(name: str, source: Path, target: Path) -> None:
    markups = [json.loads(line) for line in source.open(encoding="utf-8")]
    extract = extractor(name)
    extract(markups[0])
    began = time.process_time()
    texts = [extract(markup) for markup in markups]
    cpu = time.process_time() - began
    with target.open("w", encoding="utf-8") as sink:
        sink.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
    print(json.dumps({"cpu": cpu, "version": version(name)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
