"""Language identification in MB per CPU-second, beside resiliparse alone and langid.py.

    python benchmarks/corpus/language.py [--peers DIR]

Input: raw_zh.jsonl.gz beside the project (Chinese, with 35 originals in English among its technical
translations). All of it for ours and resiliparse; the first megabyte for langid.py, which takes a
millisecond a document. Ours counts characters in the same run; a pipeline counts them anyway.
Agreement: the share of texts that each calls Chinese; no labels exist, so it is no accuracy.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
from resiliparse.parse.lang import detect_fast

from yunhe.corpus.kernels.language import LANGUAGES, languages
from yunhe.corpus.kernels.measures import measured
from yunhe.corpus.kernels.utf8 import utf8

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "corpora" / "raw_zh.jsonl.gz"
LANGID = """
import json, sys, time
import langid
texts = json.load(open(sys.argv[1]))
langid.classify("warm")
began = time.process_time()
found = [langid.classify(text)[0] for text in texts]
print(json.dumps([time.process_time() - began, sum(name == "zh" for name in found)]))
"""


def told(name: str, seconds: float, texts: list[str], chinese: int) -> float:
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"  {name:24} {size:6.1f} MB {seconds:8.2f} CPU-s {size / seconds:9.1f} MB per CPU-s,"
          f" Chinese {100 * chinese / len(texts):.1f} %")  # fmt: skip
    return size / seconds


def ours(texts: list[str]) -> float:
    array = pa.array(texts, pa.large_string())
    languages(measured(utf8(array.slice(0, 100))), array.slice(0, 100))
    began = time.process_time()
    codes, _ = languages(measured(utf8(array)), array)
    seconds = time.process_time() - began
    chinese = sum(LANGUAGES[code].startswith("zh") for code in codes.tolist())
    return told("ours", seconds, texts, chinese)


def resiliparse(texts: list[str]) -> float:
    began = time.process_time()
    found = [detect_fast(text)[0] for text in texts]
    seconds = time.process_time() - began
    name = f"resiliparse {version('resiliparse')}"
    return told(name, seconds, texts, sum(each.startswith("zh") for each in found))


def langid(texts: list[str], peers: Path) -> float:
    folder = peers / "langid"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "langid==1.1.6"]
        subprocess.run(install, check=True)
    sample = folder / "sample.json"
    sample.write_text(json.dumps(texts))
    command = [str(python), "-c", LANGID, str(sample)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        sample.unlink()  # raw text does not stay behind
    seconds, chinese = json.loads(answer.stdout)
    return told("langid.py 1.1.6", seconds, texts, chinese)


def main() -> None:
    """Run all of them in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="folder for the peer's environment; none: skip")
    asked = parser.parse_args()
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()},"
          f" {len(texts):,} documents")  # fmt: skip
    speed = ours(texts)
    print(f"  ours is {speed / resiliparse(texts):.1f} times resiliparse")
    if asked.peers:
        part, size = [], 0
        for text in texts[:: max(1, len(texts) // 4000)]:
            part.append(text)
            size += len(text.encode())
            if size > 1_000_000:
                break
        print(f"  ours is {speed / langid(part, asked.peers.absolute()):.0f} times langid.py")


if __name__ == "__main__":
    main()
