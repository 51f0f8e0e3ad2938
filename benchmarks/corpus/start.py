"""CPU-seconds of a start: compiling all kernels of the corpus once, and cleansing one small file.

    python benchmarks/corpus/start.py [--runs 5]

The first is what `yunhe kernels` takes in an empty cache, with what it says meanwhile; the second
what `yunhe clean` takes for a file of twenty lines when they are compiled, in each profile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PROFILES = (
    str(Path(__file__).parent / "peer-recipe.yaml"),
    "zh-pretrain",
    "zh-short",
    "zh-finetune",
    "en-pretrain",
)


def cpu_of(arguments: list[str], *, cache: Path) -> tuple[float, str]:
    """CPU-seconds of the command, and its last words."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "yunhe", *arguments],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, (done.stdout + done.stderr).strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("yunhe", "numba", "pyarrow"))
    print(f"{versions}, Python {platform.python_version()}; {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory() as folder:
        cache, out = Path(folder) / "cache", Path(folder) / "out"
        source = Path(folder) / "small.jsonl"
        rows = [
            {"id": str(n), "text": f"今天天气很好，我们去公园散步。第{n}次。"} for n in range(20)
        ]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        cpu, said = cpu_of(["kernels"], cache=cache)
        print(f"compiling: {cpu:.1f} CPU-s ({said}); the target is 30")
        for profile in PROFILES:
            costs = []
            for _ in range(asked.runs + 1):
                shutil.rmtree(out, ignore_errors=True)
                arguments = ["clean", str(source), "-o", str(out), "--profile", profile]
                costs.append(cpu_of([*arguments, "--text", "text", "--id", "id"], cache=cache)[0])
            middle = statistics.median(costs[1:])
            print(f"one small file, {Path(profile).stem:12}: {middle:.2f} CPU-s, median of"
                  f" {asked.runs}, at least {min(costs[1:]):.2f}; the target is 3")  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
