"""A real Prometheus for tests: Debian's, on a free port of loopback, in a folder of the test's."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def prometheus(folder: Path, target: str, *, labels: Mapping[str, str] = {}) -> Iterator[str]:
    """Its address while it scrapes ``target`` every half second.

    ``labels`` it puts on every series, as an operator's ServiceMonitor does.
    """
    job = {"job_name": "tested", "static_configs": [{"targets": [target], "labels": {**labels}}]}
    every = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": every, "scrape_configs": [job]}))  # JSON is YAML too
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
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
