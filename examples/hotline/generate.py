"""Writes synthetic (合成) tickets of a citizens' service hotline, with the truth beside them.

``python examples/hotline/generate.py --count 20000 --seed 12345 -o FOLDER`` writes
``FOLDER/tickets.jsonl``, ``FOLDER/truth.jsonl`` and ``FOLDER/NOTICE.txt``. Only the standard
library is needed, and the same count and seed give the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

# So that it also works when loaded by path or run with -I.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from synthesis.tickets import Record, Writer

COUNT, SEED = 20_000, 12_345
"""What is made unless told otherwise."""
NOTICE = """SYNTHETIC DATA / 合成数据

Every ticket, person, number, address, firm and place in tickets.jsonl and truth.jsonl was made up
by examples/hotline/generate.py (count {count}, seed {seed}). Any likeness to a person is chance.
tickets.jsonl 与 truth.jsonl 中的工单、人物、号码、地址、单位和地名均由 examples/hotline/generate.py
（数量 {count}，种子 {seed}）虚构生成；如与真人相似，纯属巧合。
"""
"""What lies beside the files, since JSON lines have no header."""


def generate(count: int = COUNT, seed: int = SEED) -> Iterator[tuple[Record, Record]]:
    """``count`` pairs of ticket and truth; a shorter run is the beginning of a longer one."""
    return Writer(seed).tickets(count)


def write(folder: Path, *, count: int = COUNT, seed: int = SEED) -> tuple[Path, Path]:
    """Write the files into ``folder`` (made if absent); returns the paths of tickets and truth."""
    folder.mkdir(parents=True, exist_ok=True)
    tickets, truth = folder / "tickets.jsonl", folder / "truth.jsonl"
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    with (
        tickets.open("w", encoding="utf-8", newline="\n") as ticket_file,
        truth.open("w", encoding="utf-8", newline="\n") as truth_file,
    ):
        for ticket, true in generate(count, seed):
            ticket_file.write(encode(ticket) + "\n")
            truth_file.write(encode(true) + "\n")
    (folder / "NOTICE.txt").write_text(NOTICE.format(count=count, seed=seed), encoding="utf-8")
    return tickets, truth


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="synthetic (合成) hotline tickets")
    parser.add_argument("--count", type=int, default=COUNT, help="tickets to write (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="same seed, same bytes (%(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    given = parser.parse_args(arguments)
    if given.count < 1:
        parser.error("--count must be at least 1")
    tickets, truth = write(given.output, count=given.count, seed=given.seed)
    print(f"{given.count} synthetic tickets: {tickets}\ntruth beside them: {truth}")


if __name__ == "__main__":
    main()
