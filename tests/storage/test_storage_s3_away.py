"""S3 goes away in the middle and comes back: nothing lost, nothing half, and what to do is said.

The server is a mock (moto on loopback); what is real is the wire to it, which is cut.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from s3_server import Mock, Wire, mock_of_s3
from yunhe.kernel.errors import Unavailable
from yunhe.storage.s3 import PART_BYTES, PATIENCE_SECONDS, RETRIES_MAX, S3Blobs

LARGE = 4 * PART_BYTES + 5


@pytest.fixture(scope="module")
def server() -> Iterator[Mock]:
    with mock_of_s3() as mock:
        yield mock


@pytest.fixture
def wire(server: Mock) -> Iterator[Wire]:
    wire = Wire(server.address)
    yield wire
    wire.cut()
    wire.shutdown()
    wire.server_close()


@pytest.fixture
def bucket(server: Mock, request: pytest.FixtureRequest) -> str:
    return server.bucket("b" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20])


@pytest.fixture
def blobs(server: Mock, wire: Wire, bucket: str) -> S3Blobs:
    return server.blobs(bucket, address=wire.address, patience_seconds=1)


def away(act) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        act()
    assert caught.value.code == "storage.s3_away"
    assert caught.value.retryable
    assert "YUNHE_S3_ENDPOINT" in caught.value.message("zh")
    return caught.value


def test_every_verb_says_that_s3_is_away_and_does_its_work_when_it_is_back(blobs, wire, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(PART_BYTES + 1))
    digest = blobs.put(b"before").digest
    acts = (
        blobs.probe,
        lambda: blobs.put(b"x"),
        lambda: blobs.put_file(path),
        lambda: blobs.put_stream([b"y"], bytes_max=1),
        lambda: blobs.read(digest),
        lambda: blobs.fetch(digest, tmp_path / "copy"),
        lambda: blobs.exists(digest),
        lambda: blobs.stamp(digest),
        lambda: blobs.delete("sha256:" + "0" * 64),
        lambda: list(blobs.digests()),
    )
    wire.cut()
    with ThreadPoolExecutor(len(acts)) as pool:
        assert len(list(pool.map(away, acts))) == len(acts)
    assert wire.refused > len(acts), "each was tried more than once"
    assert sorted(tmp_path.iterdir()) == [path]
    wire.mend()
    for act in acts:
        act()
    assert len(list(blobs.digests())) == 4


def test_waiting_for_s3_has_a_bound(blobs, wire):
    wire.cut()
    started = time.monotonic()
    away(lambda: blobs.put(b"x"))
    assert time.monotonic() - started < 15
    assert PATIENCE_SECONDS <= 30, "a request's own bound"
    assert RETRIES_MAX < 10


def test_a_short_absence_is_not_noticed(server, bucket, wire):
    blobs = server.blobs(bucket, address=wire.address)
    wire.cut()
    refused = wire.refused

    def mend_when_it_was_tried() -> None:
        until = time.monotonic() + 20
        while wire.refused == refused and time.monotonic() < until:
            time.sleep(0.01)
        wire.mend()

    thread = threading.Thread(target=mend_when_it_was_tried)
    thread.start()
    digest = blobs.put(b"patience").digest
    thread.join()
    assert blobs.read(digest) == b"patience"


@pytest.mark.parametrize(
    ("how", "after"),
    [
        ("put", PART_BYTES),
        ("put_file", 3 * PART_BYTES),
        ("put_stream", 1 << 16),
        ("put_stream", 3 * PART_BYTES),
    ],
)
def test_a_large_blob_cut_off_on_its_way_is_not_there_and_goes_again(
    server, bucket, blobs, wire, tmp_path, how, after
):
    data = os.urandom(LARGE)
    path = tmp_path / "file"
    path.write_bytes(data)
    acts = {
        "put": lambda: blobs.put(data),
        "put_file": lambda: blobs.put_file(path),
        "put_stream": lambda: blobs.put_stream(
            (data[at : at + 99_999] for at in range(0, LARGE, 99_999)), bytes_max=LARGE
        ),
    }
    wire.cut_after_bytes = after
    away(acts[how])
    assert server.keys(bucket) == []
    wire.mend()
    blob = acts[how]()
    assert blob.size_bytes == LARGE
    assert blobs.read(blob.digest) == data
    assert list(blobs.digests()) == [blob.digest]


def test_a_blob_cut_off_on_its_way_here_leaves_no_file_and_comes_again(
    blobs, wire, tmp_path, monkeypatch
):
    data = os.urandom(LARGE)
    digest = blobs.put(data).digest
    pieces = blobs.stream(digest)
    next(pieces)
    wire.cut()
    away(lambda: list(pieces))
    wire.mend()
    stream = S3Blobs.stream

    def cut_in_the_middle(self, wanted):
        for number, piece in enumerate(stream(self, wanted)):
            if number == 1:
                wire.cut()
            yield piece

    monkeypatch.setattr(S3Blobs, "stream", cut_in_the_middle)
    away(lambda: blobs.fetch(digest, tmp_path / "copy"))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    wire.mend()
    assert blobs.fetch(digest, tmp_path / "copy").read_bytes() == data
