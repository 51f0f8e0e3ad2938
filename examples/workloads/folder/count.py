"""Counts the words of the texts beside it and writes how often each of the first comes."""

import argparse
import collections
import json
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--words", type=int, default=10)
wanted = parser.parse_args().words
words = collections.Counter(
    word.lower()
    for path in sorted(pathlib.Path().glob("*.txt"))
    for word in path.read_text().split()
)
out = pathlib.Path("out")
out.mkdir(exist_ok=True)
(out / "words.json").write_text(json.dumps(words.most_common(wanted)))
print(f"{sum(words.values())} words")
