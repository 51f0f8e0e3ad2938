"""A real Prometheus for tests: Debian's, on a free port of loopback, in a folder of the test's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from free_ports import free_port


@contextmanager
def prometheus(
    folder: Path, target: str, *, labels: Mapping[str, str] = {}, every_seconds: int = 1
) -> Iterator[str]:
    """Its address while it scrapes ``target`` every ``every_seconds``.

    ``labels`` it puts on every series, as an operator's ServiceMonitor does.
    """
    job = {"job_name": "tested", "static_configs": [{"targets": [target], "labels": {**labels}}]}
    # A scrape may last as long, and one that fails takes away what the last one found.
    every = {"scrape_interval": f"{every_seconds}s", "scrape_timeout": f"{every_seconds}s"}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": every, "scrape_configs": [job]}))  # JSON is YAML too
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
         f"--web.listen-address={address}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)
