"""Milliseconds to start: bare Python, import yunhe, yunhe --help, and what eager imports cost.

    python benchmarks/startup/start.py [--rounds 15]

Each line is a process of its own, started in turn, so that a noisy moment touches all of them; the
median and the CPU time are printed, and the ratio to bare Python. The last line is the alternative
we decided against: a command line that imports every floor before it can print its help.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

LINES = {
    "bare python": ["-c", "pass"],
    "import yunhe": ["-c", "import yunhe"],
    "yunhe --help": ["-m", "yunhe", "--help"],
    "yunhe --lang zh run --help": ["-m", "yunhe", "--lang", "zh", "run", "--help"],
    "help with every floor imported": [
        "-c",
        "import yunhe.app; from yunhe.cli.main import main; main(['--help'])",
    ],
}
BOUNDS_MS = {"import yunhe": 100, "yunhe --help": 300}


def run(arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU milliseconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1000, cpu * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for arguments in LINES.values():
        run(arguments)  # the first start writes byte code
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in LINES}
    for _ in range(rounds):
        for name, arguments in LINES.items():
            found[name].append(run(arguments))
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors, "
          f"load {os.getloadavg()[0]:.1f}, {rounds} rounds")  # fmt: skip
    bare = statistics.median(cpu for _, cpu in found["bare python"])
    print(f"{'':32}{'wall ms':>9}{'CPU ms':>9}{'× bare':>8}")
    for name, times in found.items():
        wall = statistics.median(wall for wall, _ in times)
        cpu = statistics.median(cpu for _, cpu in times)
        bound = f"   bound {BOUNDS_MS[name]} ms" if name in BOUNDS_MS else ""
        print(f"{name:32}{wall:9.0f}{cpu:9.0f}{cpu / bare:8.1f}{bound}")


if __name__ == "__main__":
    main()
