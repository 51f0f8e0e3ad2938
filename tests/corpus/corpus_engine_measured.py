"""Runs a job and tells what it took: ``INPUT OUT THREADS`` → JSON on standard output.

Units are 1 MiB and blocks 64 KiB, so that an input of some ten MiB is as large as 20 GB is else.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

from corpus_engine_desk import job
from corpus_engine_quick import quick

from yunhe.corpus import engine
from yunhe.corpus.readers.blocks import blocks
from yunhe.corpus.running import intake
from yunhe.kernel.progress import Silent


def main() -> None:
    source, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    intake.UNIT_BYTES = 1 << 20
    blocks.__kwdefaults__ = {"block_bytes": 64 << 10, "line_bytes_max": 1 << 20}
    began = time.process_time()
    made = replace(job(out.parent, source), out=out, threads=threads, profile=quick())
    engine.run(made, progress=Silent())
    took = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.process_time() - began
    sys.stdout.write(json.dumps({"kib": took.ru_maxrss, "seconds": seconds}))


if __name__ == "__main__":
    main()
