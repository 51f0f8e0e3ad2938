"""The whole recipe in MB per CPU-second, beside Data-Juicer's and datatrove's, on the same input.

    python benchmarks/corpus/recipe.py --input FILE.jsonl.gz --peers DIR [--only ours]
    python benchmarks/corpus/recipe.py --peers DIR --megabytes 200 --peer-megabytes 25

Without ``--input`` the input is made by `recombine.py` from the real corpus beside the project.
Ours does the peer's eleven operators and, in the same run, what the peer does not: keywords,
personal details without names, and near-duplicates that are verified. Every program is started
anew for each run, so start-up counts. Ours runs ``--runs`` times on one thread and on two, in turn,
after one run that counts for nothing; each peer ``--peer-runs`` times; medians are reported, with
the load of the machine, because wall time on a busy machine says little.
``--peer-megabytes`` also runs everybody on the first so many megabytes, for peers that need hours.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml
from peers import environment

HERE = Path(__file__).parent
PROFILE = HERE / "peer-recipe.yaml"
OPERATORS: list[str | dict[str, dict[str, object]]] = [
    "fix_unicode_mapper",
    "clean_email_mapper",
    "clean_links_mapper",
    "clean_ip_mapper",
    "whitespace_normalization_mapper",
    {"chinese_convert_mapper": {"mode": "t2s"}},
    {"text_length_filter": {"min_len": 5, "max_len": 1_000_000}},
    {"alphanumeric_filter": {"tokenization": False, "min_ratio": 0.0}},
    {"character_repetition_filter": {"rep_len": 10, "max_ratio": 0.6}},
    {"special_characters_filter": {"max_ratio": 0.9}},
    {"word_repetition_filter":
        {"lang": "zh", "tokenization": False, "rep_len": 10, "max_ratio": 0.8}},
    {"document_minhash_deduplicator": {"tokenization": "character", "num_permutations": 256}},
]  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    cpu: float
    """Seconds, of all its processes."""
    wall: float
    """Seconds."""
    resident_mb: float
    """The most that any process of any run so far held."""
    load: float
    """Of the machine during the last minute."""


def measured(command: list[str], *, log: Path) -> Cost:
    """Run a program, which must succeed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with log.open("wb") as sink:
        ended = subprocess.run(command, stdout=sink, stderr=subprocess.STDOUT, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(f"{command[:3]} failed, see {log}:\n{log.read_text(errors='replace')[-2000:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    load, resident = os.getloadavg()[0], after.ru_maxrss * 1024 / 1e6
    return Cost(cpu, time.perf_counter() - began, resident, load)


def ours(source: Path, folder: Path, *, threads: int = 1) -> tuple[list[str], Path]:
    """The command, and where it leaves its manifest."""
    out = folder / f"ours-{threads}"
    program = [sys.executable, "-m", "yunhe"]
    # fmt: off
    return [*program, "clean", str(source), "-o", str(out), "--profile", str(PROFILE),
            "--text", "text", "--id", "id", "--threads", str(threads)], out
    # fmt: on


def data_juicer(source: Path, folder: Path, python: Path) -> list[str]:
    plain = folder / "input.jsonl"
    if not plain.exists():
        with gzip.open(source) as packed, plain.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    recipe = {
        "dataset_path": str(plain),
        "export_path": str(folder / "data-juicer" / "out.jsonl"),
        "text_keys": "text",
        "np": 1,
        "use_cache": False,
        "open_tracer": False,
        "process": [name if isinstance(name, dict) else {name: None} for name in OPERATORS],
    }
    path = folder / "data-juicer.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return [str(python.with_name("dj-process")), "--config", str(path)]


def part(source: Path, target: Path, megabytes: float) -> Path:
    """The first documents of the input that hold so much text."""
    left = megabytes * 1e6
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt", compresslevel=6) as kept:
        for line in lines:
            kept.write(line)
            left -= len(json.loads(line)["text"].encode())
            if left <= 0:
                break
    return target


def text_bytes(source: Path) -> tuple[int, int]:
    """Documents and bytes of text."""
    documents = size = 0
    with gzip.open(source, "rt") as lines:
        for line in lines:
            documents += 1
            size += len(json.loads(line)["text"].encode())
    return documents, size


def contest(source: Path, folder: Path, asked: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    documents, size = text_bytes(source)
    print(f"\n{source.name}: {documents:,} documents, {size / 1e6:.1f} MB of text (UTF-8)")
    commands: dict[str, list[str]] = {}
    outputs: dict[str, Path] = {}
    for name, threads in (("ours, 1 thread", 1), ("ours, 2 threads", 2)):
        commands[name], outputs[name] = ours(source, folder, threads=threads)
    peers = asked.peers.absolute() if asked.peers else None
    if peers and "data-juicer" in asked.only:
        python = environment("data-juicer", peers)
        commands["data-juicer"] = data_juicer(source, folder, python)
    if peers and "datatrove" in asked.only:
        python = environment("datatrove", peers)
        script = str(HERE / "datatrove_recipe.py")
        commands["datatrove"] = [str(python), script, str(source), str(folder / "datatrove")]
    runs: dict[str, list[Cost]] = {name: [] for name in commands}
    turns = [(name, True) for name in commands if name.startswith("ours")][:1]
    turns += [(name, False) for _ in range(asked.runs) for name in commands if "thread" in name]
    turns += [(n, False) for n in commands if "thread" not in n for _ in range(asked.peer_runs)]
    for name, warming in turns:
        shutil.rmtree(outputs.get(name, folder / name), ignore_errors=True)
        log = folder / f"{name.replace(', ', '-').replace(' ', '-')}.log"
        cost = measured(commands[name], log=log)
        runs[name] += [] if warming else [cost]
        print(f"  {name:16} {'warm-up' if warming else 'run ' + str(len(runs[name])):7}:"
              f" {cost.cpu:8.2f} CPU-s {cost.wall:8.2f} s wall {size / 1e6 / cost.cpu:8.2f} MB"
              f" per CPU-s, {cost.resident_mb:,.0f} MB resident at most (load {cost.load:.1f})",
              flush=True)  # fmt: skip
    compared({name: each for name, each in runs.items() if each}, size)
    said = [(out / "manifest.json").read_bytes() for out in outputs.values()]
    alike = "the same" if said[0] == said[1] else "DIFFERENT"
    print(f"  one thread and two left {alike} bytes (their manifests hold every file's digest)")
    told(json.loads(said[0]), folder)


def compared(runs: dict[str, list[Cost]], size: int) -> None:
    """Medians of all, one thread beside two, and how many times faster ours is."""
    cpu = {name: statistics.median(each.cpu for each in costs) for name, costs in runs.items()}
    wall = {name: statistics.median(each.wall for each in costs) for name, costs in runs.items()}
    one, two = "ours, 1 thread", "ours, 2 threads"
    for name, seconds in cpu.items():
        print(f"  {name:16} median of {len(runs[name])}: {seconds:8.2f} CPU-s,"
              f" {size / 1e6 / seconds:8.2f} MB per CPU-s; ours (1 thread) is"
              f" {seconds / cpu[one]:6.1f} times as fast")  # fmt: skip
    load = statistics.median(cost.load for cost in (*runs[one], *runs[two]))
    print(f"  two threads cost {(cpu[two] / cpu[one] - 1) * 100:+.1f} % CPU-seconds and take"
          f" {wall[two] / wall[one]:.2f} of the wall time of one (load {load:.1f})")  # fmt: skip


def told(manifest: dict, folder: Path) -> None:
    print("  ours, step by step:")
    for step in manifest["pipeline"]["steps"]:
        print(f"    {step['name']}, version {step['version']}")
    documents = manifest["documents_in"], manifest["documents_out"]
    print(f"    {documents[0]:,} documents in, {documents[1]:,} out")
    log = folder / "data-juicer.log"
    if log.exists():
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
        print("  data-juicer, operator by operator:")
        for found in re.findall(r"\[\d+/\d+\] OP \[.*?samples\.", text):
            print("   ", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--peer-megabytes", type=float)
    parser.add_argument("--runs", type=int, default=3, help="of ours, with one thread and with two")
    parser.add_argument("--peer-runs", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=["ours", "data-juicer", "datatrove"])
    parser.add_argument("--work", type=Path, help="a folder that is kept")
    asked = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("yunhe", "numba", "pyarrow"))
    machine = f"Python {platform.python_version()}; {os.cpu_count()} CPUs, {platform.machine()}"
    print(f"{versions}, {machine}")
    with tempfile.TemporaryDirectory() as temporary:
        work = asked.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        source = asked.input
        if source is None:
            source = work / f"recombined-{asked.megabytes}.jsonl.gz"
            if not source.exists():
                script = [sys.executable, str(HERE / "recombine.py"), "--seed", str(asked.seed)]
                subprocess.run(
                    [*script, "--megabytes", str(asked.megabytes), "-o", str(source)], check=True
                )
        if asked.peer_megabytes:
            target = work / f"first-{asked.peer_megabytes:g}.jsonl.gz"
            contest(part(source, target, asked.peer_megabytes), work / "part", asked)
            asked.only = ["ours"]
        contest(source, work / "whole", asked)


if __name__ == "__main__":
    main()
