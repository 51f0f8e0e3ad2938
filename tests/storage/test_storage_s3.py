"""S3, tried on a mock of it (moto on loopback): large things, damage, refusals, leftovers."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials

from s3_server import BUCKET, KEYS, Mock, mock_of_s3
from yunhe.kernel.clock import DAY_US, SECOND_US, SystemClock
from yunhe.kernel.errors import Unavailable
from yunhe.storage import s3 as s3_module
from yunhe.storage.s3 import PART_BYTES, S3Blobs
from yunhe.storage.s3_uploads import Credentials, sign

LARGE = 2 * PART_BYTES + 5
direct = build_opener(ProxyHandler({}))


@pytest.fixture(scope="module")
def server() -> Iterator[Mock]:
    with mock_of_s3() as mock:
        yield mock


@pytest.fixture
def bucket(server: Mock, request: pytest.FixtureRequest) -> str:
    return server.bucket("b" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20])


@pytest.fixture
def blobs(server: Mock, bucket: str) -> S3Blobs:
    return server.blobs(bucket)


def key_of(digest: str) -> str:
    hexadecimal = digest.removeprefix("sha256:")
    return f"a/b/{hexadecimal[:2]}/{hexadecimal[2:]}"


def test_a_large_file_goes_in_parts_and_a_small_one_at_once(blobs, tmp_path):
    path = tmp_path / "file"
    for size, parts in ((PART_BYTES, ""), (LARGE, "-3")):
        path.write_bytes(os.urandom(size))
        blob = blobs.put_file(path)
        tag = blobs.stamp(blob.digest).split()[0].strip('"')
        assert tag.partition("-")[1:] == (("-", parts[1:]) if parts else ("", ""))


def test_what_is_there_is_not_sent_again(server, blobs, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(LARGE))
    blob = blobs.put_file(path)

    def refuse(*_args, **_named):
        raise AssertionError("sent again")

    monkeypatch.setattr(S3Blobs, "_send", refuse)
    assert blobs.put_file(path) == blob
    assert blobs.put(path.read_bytes()) == blob


def test_the_first_writer_wins_and_a_cut_off_object_is_healed(server, bucket, blobs):
    digest = blobs.put(b"whole").digest
    server.write(bucket, key_of(digest), b"who")
    with pytest.raises(Unavailable) as caught:
        blobs.read(digest)
    assert caught.value.code == "storage.blob_damaged"
    assert f"s3://{bucket}/{key_of(digest)}" in caught.value.message("en")
    assert blobs.put(b"whole").digest == digest
    assert blobs.read(digest) == b"whole"


@pytest.mark.parametrize("size", [50, LARGE])
def test_a_changed_byte_in_the_bucket_is_noticed_on_the_way_out(
    server, bucket, blobs, tmp_path, size
):
    data = bytearray(os.urandom(size))
    digest = blobs.put(bytes(data)).digest
    data[size // 2] ^= 1
    server.write(bucket, key_of(digest), bytes(data))
    for act in (blobs.read, lambda d: blobs.fetch(d, tmp_path / "copy")):
        with pytest.raises(Unavailable) as caught:
            act(digest)
        assert caught.value.code == "storage.blob_damaged"
    assert list(tmp_path.iterdir()) == []


def test_a_stamp_changes_when_the_object_was_written_again(server, bucket, blobs, monkeypatch):
    digest = blobs.put(b"approved").digest
    before = blobs.stamp(digest)
    server.write(bucket, key_of(digest), b"approvex")
    assert blobs.stamp(digest) == before  # not asked again so soon
    monkeypatch.setattr(s3_module, "STAMP_SECONDS", 0)
    assert blobs.stamp(digest) != before


def test_a_file_that_changes_between_its_two_readings_is_not_stored(blobs, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(LARGE))
    send = S3Blobs._send

    def change_then_send(self, key, tap, size_max):
        with path.open("r+b") as file:
            file.seek(LARGE - 1)
            file.write(b"x")
        send(self, key, tap, size_max)

    monkeypatch.setattr(S3Blobs, "_send", change_then_send)
    with pytest.raises(Unavailable) as caught:
        blobs.put_file(path)
    assert caught.value.code == "storage.file_changed"
    assert list(blobs.digests()) == []


def test_an_address_opens_one_blob_for_a_while_and_nothing_else(server, blobs):
    digest = blobs.put("谁有地址谁能读".encode()).digest
    address = blobs.presigned(digest, seconds=60)
    assert address.startswith(f"{server.address}/")
    assert "X-Amz-Expires=60" in address
    assert KEYS.secret not in address
    with direct.open(address, timeout=10) as answer:
        assert answer.read().decode() == "谁有地址谁能读"
    with pytest.raises(HTTPError):
        direct.open(blobs.presigned("sha256:" + "0" * 64, seconds=60), timeout=10)
    assert "X-Amz-Expires=604800" in blobs.presigned(digest, seconds=1 << 40)


def test_a_bucket_that_is_not_there_is_never_taken_for_an_empty_one(server, tmp_path):
    blobs = server.blobs("no-such-bucket")
    digest = "sha256:" + "0" * 64
    path = tmp_path / "file"
    path.write_bytes(bytes(LARGE))
    acts = (
        blobs.probe,
        lambda: blobs.put(b"x"),
        lambda: blobs.put_file(path),
        lambda: blobs.put_stream([bytes(LARGE)], bytes_max=LARGE),
        lambda: blobs.read(digest),
        lambda: blobs.exists(digest),
        lambda: list(blobs.digests()),
        lambda: blobs.sweep(now_us=0),
    )
    for act in acts:
        with pytest.raises(Unavailable) as caught:
            act()
        assert caught.value.code == "storage.s3_bucket_missing"
        assert "no-such-bucket" in caught.value.message("zh")


class Saying(ThreadingHTTPServer):
    """A server that answers everything with one status."""

    daemon_threads = True

    def __init__(self, status: int, code: str) -> None:
        self.asked = 0
        body = f"<Error><Code>{code}</Code><Message>secret-detail</Message></Error>".encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.server.asked += 1
                length = int(self.headers.get("content-length") or 0)
                while length > 0:
                    length -= len(self.rfile.read(min(length, 1 << 16)))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "InvalidAccessKeyId", "storage.s3_refused"),
        (403, "SignatureDoesNotMatch", "storage.s3_refused"),
        (403, "RequestTimeTooSkewed", "storage.s3_refused"),
        (403, "AccessDenied", "storage.s3_refused"),
        (400, "AuthorizationHeaderMalformed", "storage.s3_refused"),
        (301, "PermanentRedirect", "storage.s3_refused"),
        (503, "SlowDown", "storage.s3_away"),
    ],
)
def test_what_s3_answers_becomes_advice(status, code, expected, tmp_path):
    saying = Saying(status, code)
    try:
        blobs = S3Blobs(
            BUCKET, prefix="", endpoint=f"http://127.0.0.1:{saying.server_port}",
            region="us-east-1", credentials=KEYS, patience_seconds=0.3,
        )  # fmt: skip
        path = tmp_path / "file"
        path.write_bytes(bytes(LARGE))
        digest = "sha256:" + "0" * 64
        acts = (
            blobs.probe,
            lambda: blobs.put(b"x"),
            lambda: blobs.put_file(path),
            lambda: blobs.put_stream([bytes(LARGE)], bytes_max=LARGE),
            lambda: blobs.read(digest),
            lambda: blobs.exists(digest),
            lambda: blobs.stamp(digest),
            lambda: blobs.delete(digest),
            lambda: list(blobs.digests()),
            lambda: blobs.sweep(now_us=0),
        )
        for act in acts if status < 500 else acts[:5]:  # these are repeated for a while
            with pytest.raises(Unavailable) as caught:
                act()
            assert caught.value.code == expected
            assert caught.value.retryable == (expected == "storage.s3_away")
            told = caught.value.message("en") + repr(caught.value)
            assert "secret" not in told.lower().replace("aws_secret_access_key", "")
    finally:
        saying.shutdown()


def test_what_killed_writers_left_is_swept_and_writers_at_work_are_not(
    server, bucket, blobs, tmp_path
):
    program = textwrap.dedent(
        """
        import os, signal, sys
        sys.path[:0] = [sys.argv[4]]
        from s3_server import Mock
        def chunks():
            for number in range(40):
                if number == 30:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield os.urandom(1 << 20)
        Mock(sys.argv[1]).blobs(sys.argv[2]).put_stream(chunks(), bytes_max=1 << 30)
        """
    )
    given = [server.address, bucket, str(tmp_path), str(Path(__file__).parents[1])]
    killed = subprocess.run([sys.executable, "-c", program, *given], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert server.uploads(bucket) == 1
    server.write(bucket, "a/b/incoming/upload_1", b"copied by nobody")
    kept = blobs.put(b"whole").digest
    assert list(blobs.digests()) == [kept]
    # Of the beginning of an upload moto always says 2010-11-10T20:48:33Z.
    begun_us = 1_289_422_113 * SECOND_US
    assert blobs.sweep(now_us=begun_us + DAY_US) == 0
    assert blobs.sweep(now_us=begun_us + DAY_US + 1) == 1
    assert server.uploads(bucket) == 0
    now_us = SystemClock().now_us()
    assert blobs.sweep(now_us=now_us) == 0
    assert blobs.sweep(now_us=now_us + 2 * 3_600 * SECOND_US) == 1
    assert server.keys(bucket) == [key_of(kept)]


def test_another_prefix_of_the_bucket_is_left_alone(server, bucket, blobs):
    other = server.blobs(bucket, prefix="a")
    server.write(bucket, "a/incoming/upload_1", b"theirs")
    mine, theirs = blobs.put(b"mine").digest, other.put(b"theirs").digest
    assert list(blobs.digests()) == [mine]
    assert list(other.digests()) == [theirs]
    assert blobs.sweep(now_us=SystemClock().now_us() + 9 * DAY_US) == 0
    assert not blobs.exists(theirs)


STREAMING = textwrap.dedent(
    """
    import resource, sys
    sys.path[:0] = [sys.argv[3]]
    from s3_server import Mock
    blobs = Mock(sys.argv[1]).blobs(sys.argv[2])
    blobs.put_stream([bytes(1 << 20)] * 20, bytes_max=1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 120 << 20
    chunk = bytes(1 << 20)
    blob = blobs.put_stream((chunk for _ in range(120)), bytes_max=size)
    assert blob.size_bytes == size
    assert sum(len(piece) for piece in blobs.stream(blob.digest)) == size
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
)


def test_a_stream_takes_no_more_memory_for_being_long(server, bucket):
    given = [server.address, bucket, str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", STREAMING, *given], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 60_000, "KiB more for six times as much"


@pytest.mark.parametrize("token", ["", "a/token=="])
@pytest.mark.parametrize("query", ["prefix=a%2Fb%2F&uploads=", "uploadId=x%2By%20z", ""])
def test_requests_are_signed_as_amazons_own_library_signs_them(query, token):
    url = "https://s3.eu-west-1.amazonaws.com/bucket/some/key" + (f"?{query}" if query else "")
    at = "20261122T101112Z"
    ours = sign(
        "GET", url, region="eu-west-1", credentials=Credentials("id", "secret", token), at=at
    )
    request = AWSRequest("GET", url, headers={"X-Amz-Date": at})
    request.context["timestamp"] = at
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(b"").hexdigest()
    if token:
        request.headers["X-Amz-Security-Token"] = token
    signer = S3SigV4Auth(TheirCredentials("id", "secret", token or None), "s3", "eu-west-1")
    signature = signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )
    assert ours["authorization"].endswith(f"Signature={signature}")


def test_requests_are_signed_as_the_published_example_is():
    """Source: S3 API reference, "Authenticating Requests: Using the Authorization Header"."""
    example = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    ours = sign(
        "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle=",
        region="us-east-1", credentials=example, at="20130524T000000Z",
    )  # fmt: skip
    assert ours["authorization"].endswith(
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )
