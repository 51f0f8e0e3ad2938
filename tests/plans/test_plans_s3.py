"""The whole chain with its artefacts in S3 (a mock on loopback), which goes away in the middle."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from plan_desk import ENVIRONMENT, Desk, State

from s3_server import BUCKET, KEYS, Mock, Wire, mock_of_s3
from yunhe.settings import Settings

SAME = ("certificate_body", "model_digest", "results_digest", "score", "links_ok")


@dataclass(frozen=True)
class Place:
    """A bucket, and the wire to it."""

    server: Mock
    wire: Wire

    def environment(self) -> dict[str, str]:
        return {
            **ENVIRONMENT,
            "YUNHE_BLOBS": f"s3://{BUCKET}/chain",
            "YUNHE_S3_ENDPOINT": self.wire.address,
            "AWS_ACCESS_KEY_ID": KEYS.key,
            "AWS_SECRET_ACCESS_KEY": KEYS.secret,
        }

    def run(self, desk: Desk) -> subprocess.CompletedProcess[str]:
        command = desk.command("--json", *desk.task())
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=self.environment()
        )


@pytest.fixture
def place() -> Iterator[Place]:
    with mock_of_s3() as server:
        server.bucket()
        wire = Wire(server.address)
        yield Place(server, wire)
        wire.cut()
        wire.shutdown()
        wire.server_close()


@pytest.mark.slow
def test_a_run_whose_artefacts_lie_in_s3_outlives_its_absence(desk, finished, place, monkeypatch):
    """Cut at one artefact after the other: the run stops, says why, and goes on where it was."""
    expected = finished[1]
    stopped = 0
    for kept in (1, 8):
        done = cut_off_run(desk, place, kept)
        if done.returncode == 0:
            break
        stopped += 1
        assert done.returncode == 74, done.stdout + done.stderr[-2000:]
        error = json.loads(done.stdout)
        assert error["code"] == "storage.s3_away", error
        assert error["retryable"]
        assert KEYS.secret not in done.stdout + done.stderr
    assert stopped >= 2
    done = place.run(desk)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    result = json.loads(done.stdout)
    for same in SAME:
        assert result[same] == expected[same], same
    assert not (desk.home / "blobs").exists()
    for name, value in place.environment().items():
        if name not in ENVIRONMENT:
            monkeypatch.setenv(name, value)
    state = State.of(OnS3(desk.home, desk.tickets, desk.plan))
    assert state == State.of(finished[0])


class OnS3(Desk):
    """A home whose platform is opened with the settings of the environment."""

    def platform(self, clock=None):
        from yunhe.app import open_platform  # noqa: PLC0415
        from yunhe.settings import from_environment  # noqa: PLC0415

        settings: Settings = from_environment(home=str(self.home))
        return open_platform(settings, clock)


def cut_off_run(desk: Desk, place: Place, kept: int) -> subprocess.CompletedProcess[str]:
    """Run, and cut the wire as soon as the bucket holds so many artefacts."""
    ended = threading.Event()

    def watch() -> None:
        until = time.monotonic() + 120
        while not ended.is_set() and time.monotonic() < until:
            if len(place.server.keys()) >= kept:
                place.wire.cut()
                return
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return place.run(desk)
    finally:
        ended.set()
        watcher.join()
        place.wire.mend()
