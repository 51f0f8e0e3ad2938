"""The Ray adapter against a fake of the Jobs API, whose answers have the shapes a real 2.60 gave.

It is a fake: it runs the entry point as a process of this machine and schedules nothing. With
`YUNHE_TEST_RAY` (an address) and `YUNHE_TEST_RAY_TOKEN` (a file) the same suite runs on a real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT, check_provider
from yunhe.compute.providers.ray_jobs import RayProvider
from yunhe.compute.providers.staging import Staging
from yunhe.kernel.errors import Unavailable
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import LocalBlobs

TOKEN = "token-of-the-fake"


class FakeRay(BaseHTTPRequestHandler):
    """What the head node's dashboard answers."""

    jobs: ClassVar[dict[str, dict]] = {}
    processes: ClassVar[dict[str, subprocess.Popen]] = {}

    def do_GET(self) -> None:
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._say(401, {"error": "Unauthorized"})
        elif self.path == "/api/jobs/":
            self._say(200, [self._seen(job) for job in list(self.jobs)])
        elif self.path.startswith("/nodes"):
            raylet = {
                "nodeId": "5f47",
                "state": "ALIVE",
                "resourcesTotal": {"CPU": 4.0, "ascend910b": 8.0, "memory": float(1 << 34)},
            }
            self._say(200, {"result": True, "data": {"summary": [{"raylet": raylet}]}})
        else:
            usage = {"5f47": {"ascend910b": [2.0, 8.0], "CPU": [0.5, 4.0]}}
            report = {"loadMetricsReport": {"usageByNode": usage}}
            self._say(200, {"result": True, "data": {"clusterStatus": report}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if self.path.endswith("/stop"):
            job = self.path.split("/")[-2]
            self.jobs[job]["stopping"] = True
            self.processes[job].terminate()
            self._say(200, {"stopped": True})
            return
        job = body["submission_id"]
        if job in self.jobs:
            self._say(500, {"error": f"Job with submission_id {job} already exists."})
            return
        # Before it is listed: who lists meanwhile asks how its process does.
        self.processes[job] = subprocess.Popen(["/bin/sh", "-c", body["entrypoint"]])
        self.jobs[job] = {
            "type": "SUBMISSION",
            "submission_id": job,
            "status": "RUNNING",
            "message": "Job is currently running.",
            "metadata": body["metadata"],
            "start_time": int(time.time() * 1000),
            "end_time": None,
        }
        self._say(200, {"job_id": job, "submission_id": job})

    def do_DELETE(self) -> None:
        self.jobs.pop(self.path.split("/")[-1], None)
        self._say(200, {"deleted": True})

    def _seen(self, job: str) -> dict:
        said, status = self.jobs[job], self.processes[job].poll()
        if status is not None and said["end_time"] is None:
            said["end_time"] = int(time.time() * 1000)
            ended = "SUCCEEDED" if status == 0 else "FAILED"
            said["status"] = "STOPPED" if said.pop("stopping", False) else ended
            said["message"] = f"exit code {status}"
        return {name: value for name, value in said.items() if name != "stopping"}

    def _say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def fake() -> Iterator[str]:
    FakeRay.jobs, FakeRay.processes = {}, {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeRay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        for process in FakeRay.processes.values():
            process.kill()
            process.wait()


def provider_at(address: str, tmp_path: Path, token: Path) -> RayProvider:
    shared = tmp_path / "shared"
    return RayProvider(
        "lab",
        address=address,
        chips={"ascend910b": "ascend910b", "cpu": "CPU"},
        staging=Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT}),
        outbound=Outbound(Guard([urlsplit(address).netloc])),
        token_file=token,
    )


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


def test_ray_conforms_to_the_seam_on_a_fake(tmp_path: Path, token: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    with fake() as address:
        provider = provider_at(address, tmp_path, token)
        assert check_provider(provider, blobs=blobs, chip="ascend910b") == []
        cards = {node.chip: (node.devices, node.free) for node in provider.capacity().nodes}
    assert cards == {"ascend910b": (8, 6), "cpu": (4, 3)}


def test_a_wrong_token_and_a_gone_cluster_are_said_to_be_unreachable(
    tmp_path: Path, token: Path
) -> None:
    with fake() as address:
        provider = provider_at(address, tmp_path, token)
        token.write_text("wrong")
        with pytest.raises(Unavailable) as caught:
            provider.status(["a-1"])
        assert caught.value.code == "compute.remote_unreachable"
    with pytest.raises(Unavailable):
        provider.status(["a-1"])
    with pytest.raises(Unavailable):
        provider.capacity()


@pytest.mark.slow
@pytest.mark.skipif("YUNHE_TEST_RAY" not in os.environ, reason="YUNHE_TEST_RAY names no cluster")
def test_ray_conforms_to_the_seam_on_a_real_cluster(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    token = Path(os.environ["YUNHE_TEST_RAY_TOKEN"])
    provider = provider_at(os.environ["YUNHE_TEST_RAY"], tmp_path, token)
    assert check_provider(provider, blobs=blobs, chip="cpu") == []
