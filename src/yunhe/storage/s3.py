"""Blobs in a bucket of S3 or of a server that speaks it, through obstore (extra ``s3``).

A blob lies under ``<prefix>/<2 hex>/<62 hex>``. Small ones are written by one conditional request,
so the first writer wins and none is overwritten; large ones in parts that become visible together.
A stream whose digest is known only at its end goes to ``<prefix>/incoming/`` first. Requests are
repeated with growing pauses for `PATIENCE_SECONDS`, then the caller is told that S3 is away.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore import exceptions, store

from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, NotFound, Unavailable, YunheError
from yunhe.kernel.ids import new_id
from yunhe.storage.blobs import LEFT_OVER_SECONDS, Blob, hex_of, write_whole
from yunhe.storage.chunks import PIECE_BYTES, Tap, pieces_of
from yunhe.storage.s3_uploads import Credentials, Uploads

if TYPE_CHECKING:
    from obstore.store import S3Config

PATIENCE_SECONDS = 20
"""How long one request is repeated while S3 does not answer."""
RETRIES_MAX = 6
"""How often, at most."""
PART_BYTES = 8 << 20
"""Size of a part; smaller blobs go in one request. A part's sender holds three of them."""
_PARTS_MAX = 9_000  # S3 takes 10,000
_PARTS_AT_ONCE = 3
STREAM_BYTES_MAX = 5 << 30
"""Longest stream; what S3 copies in one request. Files may be larger."""
STAMP_SECONDS = 10
"""A stamp is asked for anew after this; until then the last one is given."""
_STAMPS_MAX = 256
UPLOAD_LEFT_OVER_SECONDS = 86_400
"""An upload in parts that was begun so long ago has no writer any more."""
PRESIGNED_SECONDS_MAX = 7 * 86_400
"""Longest life of an address, by the definition of its signature."""
_READ_BYTES = 4 << 20
_INCOMING = "incoming"
_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]*))?")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
# Where credentials come from when there is no key in the environment: roles of pods and machines.
_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def open_s3(
    place: str, *, endpoint: str, region: str, environment: Mapping[str, str] = os.environ
) -> S3Blobs:
    """The blobs at ``s3://bucket/prefix``; nothing is connected to yet.

    Errors: `Invalid` ``storage.s3_address_invalid``, ``storage.s3_credentials_missing``.
    """
    found = _PLACE.fullmatch(place)
    if found is None or not re.fullmatch(r"|https?://[^\s/@?#]+(/[^\s@?#]*)?", endpoint):
        raise Invalid("storage.s3_address_invalid", place=place[:200])
    key, secret = (environment.get(f"AWS_{n}", "") for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    keys = None
    if key and secret:
        keys = Credentials(key, secret, environment.get("AWS_SESSION_TOKEN", ""))
    elif not any(environment.get(name) for name in _ROLES):
        raise Invalid("storage.s3_credentials_missing", place=place)
    return S3Blobs(
        found[1],
        prefix=(found[2] or "").strip("/"),
        endpoint=endpoint.rstrip("/"),
        region=region,
        credentials=keys,
    )


class S3Blobs:
    """Blobs as objects of one bucket, under one prefix."""

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str,
        endpoint: str,
        region: str,
        credentials: Credentials | None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """``credentials`` None: those of the machine's or pod's role, found by obstore."""
        self._bucket = bucket
        self._prefix = prefix
        self._where = endpoint or f"S3 ({region})"
        config: S3Config = {
            "region": region,
            "disable_bulk_delete": True,  # one at a time is what every server of the kind can do
        }
        if endpoint:
            config["endpoint"] = endpoint
        if credentials is not None:
            config["access_key_id"] = credentials.key
            config["secret_access_key"] = credentials.secret
            if credentials.token:
                config["session_token"] = credentials.token
        self._store = store.S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=60),
                "timeout": timedelta(hours=1),
            },
            retry_config={
                "max_retries": RETRIES_MAX,
                "backoff": {
                    "init_backoff": timedelta(milliseconds=200),
                    "max_backoff": timedelta(seconds=5),
                    "base": 2,
                },
                "retry_timeout": timedelta(seconds=patience_seconds),
            },
        )
        self._uploads = None
        if credentials is not None:
            self._uploads = Uploads(bucket, endpoint, region, credentials=credentials)
        self._stamps: dict[str, tuple[float, str]] = {}
        self._stamping = threading.Lock()

    def put(self, data: bytes) -> Blob:
        """Store bytes, by one conditional request if they fit a part; S3 has them on return."""
        blob = Blob("sha256:" + hashlib.sha256(data).hexdigest(), len(data))
        key = _key(blob.digest)
        if len(data) > PART_BYTES:
            if self._size(blob.digest) != len(data):
                pieces = (data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES))
                self._send(key, Tap(pieces, len(data), expected=blob.digest), len(data))
            return blob
        with self._explained():
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except exceptions.AlreadyExistsError:
                if obstore.head(self._store, key)["size"] != blob.size_bytes:
                    obstore.put(self._store, key, data, use_multipart=False)  # heals it
        return blob

    def put_file(self, path: Path) -> Blob:
        """Store a file. One larger than a part is read twice: for its digest, then to send it.

        Errors: `Unavailable` ``storage.file_changed`` when the two readings differ; nothing of the
        second is stored then.
        """
        size = path.stat().st_size
        if size <= PART_BYTES:
            return self.put(path.read_bytes())
        first = Tap(pieces_of(path), size)
        for _ in first:
            pass
        blob = first.blob()
        if self._size(blob.digest) == blob.size_bytes:
            return blob
        self._send(_key(blob.digest), Tap(pieces_of(path), size, expected=blob.digest), size)
        return blob

    def put_stream(self, chunks: Iterable[bytes], *, bytes_max: int) -> Blob:
        """Store a stream: sent in parts to a key of its own, then copied to its digest by S3.

        ``bytes_max`` beyond `STREAM_BYTES_MAX` is cut to it.
        """
        most = min(bytes_max, STREAM_BYTES_MAX)
        tap = Tap(chunks, most)
        start = bytearray()
        for chunk in tap:
            start += chunk
            if len(start) > PART_BYTES:
                break
        else:
            return self.put(bytes(start))
        tap.again(bytes(start))
        temporary = f"{_INCOMING}/{new_id('upload')}"
        self._send(temporary, tap, most)
        blob = tap.blob()
        try:
            if self._size(blob.digest) != blob.size_bytes:
                with self._explained():
                    obstore.copy(self._store, temporary, _key(blob.digest))
                if self._size(blob.digest) != blob.size_bytes:
                    raise self._damaged(blob.digest)
            return blob
        finally:
            with suppress(exceptions.BaseError, OSError):  # `sweep` takes what stays
                obstore.delete(self._store, temporary)

    def read(self, digest: str) -> bytes:
        """The bytes.

        Errors: `NotFound` ``storage.blob_missing``, `Unavailable` ``storage.blob_damaged``.
        """
        return b"".join(self.stream(digest))

    def stream(self, digest: str) -> Iterator[bytes]:
        """The bytes in pieces of at most four mebibytes or so; errors as `read`."""
        hasher = hashlib.sha256()
        key = _key(digest)
        with self._explained(digest):
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=_READ_BYTES):
                data = bytes(chunk)
                hasher.update(data)
                yield data
        if "sha256:" + hasher.hexdigest() != digest:
            raise self._damaged(digest)

    def fetch(self, digest: str, target: Path) -> Path:
        """Copy to ``target``, which appears only when whole; errors as `read`."""
        return write_whole(target, self.stream(digest))

    def exists(self, digest: str) -> bool:
        """Whether the object is there. Cost: one request, two when it is not."""
        if self._size(digest) is not None:
            return True
        self.probe()  # "not there" must not be said of a bucket that is not there
        return False

    def stamp(self, digest: str) -> str:
        """The object's entity tag and time; at most one request in `STAMP_SECONDS`."""
        with self._stamping:
            at, known = self._stamps.get(digest, (float("-inf"), ""))
        if time.monotonic() - at < STAMP_SECONDS:
            return known
        try:
            with self._explained(digest):
                found = obstore.head(self._store, _key(digest))
            known = f"{found['e_tag']} {found['size']} {found['last_modified']} {found['version']}"
        except NotFound:
            known = ""
        with self._stamping:
            if len(self._stamps) >= _STAMPS_MAX:
                self._stamps.clear()
            self._stamps[digest] = (time.monotonic(), known)
        return known

    def delete(self, digest: str) -> None:
        """Remove the object. Versions that the bucket itself keeps are the bucket's affair."""
        with self._stamping:
            self._stamps.pop(digest, None)
        with self._explained(), suppress(FileNotFoundError):
            obstore.delete(self._store, _key(digest))

    def digests(self) -> Iterator[str]:
        """Every object whose key is a digest, in the order S3 lists them."""
        for found in self._listed(None):
            hexadecimal = str(found["path"]).replace("/", "", 1)
            with suppress(Invalid):
                if found["path"] == _key("sha256:" + hexadecimal):
                    yield "sha256:" + hexadecimal

    def presigned(self, digest: str, *, seconds: int) -> str | None:
        """An address signed with our credentials, good for ``seconds``, a week at most."""
        life = timedelta(seconds=max(1, min(seconds, PRESIGNED_SECONDS_MAX)))
        with self._explained():
            return str(obstore.sign(self._store, "GET", _key(digest), life))

    def sweep(self, *, now_us: int) -> int:
        """Remove streams an hour old that were not copied, and uploads begun a day ago.

        Uploads are looked for only with a key in the environment: with a role's credentials, let
        the bucket's own life-cycle rule remove them.
        """
        swept = 0
        until = now_us / SECOND_US - LEFT_OVER_SECONDS
        for found in self._listed(_INCOMING):
            if found["last_modified"].timestamp() < until:
                with self._explained():
                    obstore.delete(self._store, found["path"])
                swept += 1
        if self._uploads is not None:
            before_us = now_us - UPLOAD_LEFT_OVER_SECONDS * SECOND_US
            swept += self._uploads.abort_older(self._prefix, before_us=before_us)
        return swept

    def probe(self) -> None:
        """Ask for an empty list: bucket, credentials and way there must be right."""
        with self._explained():
            next(iter(obstore.list(self._store, "probe", chunk_size=1)), None)

    def _listed(self, prefix: str | None) -> Iterator[obstore.ObjectMeta]:
        with self._explained():
            for page in obstore.list(self._store, prefix, chunk_size=1_000):
                yield from page

    def _size(self, digest: str) -> int | None:
        try:
            with self._explained(digest):
                return int(obstore.head(self._store, _key(digest))["size"])
        except NotFound:
            return None

    def _send(self, key: str, tap: Tap, size_max: int) -> None:
        """Send in parts; an object appears under ``key`` only after the last was good."""
        part = max(PART_BYTES, -(-size_max // _PARTS_MAX))
        try:
            with self._explained():
                obstore.put(self._store, key, tap, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)
        except Exception:  # whatever became of the source's own failure on its way through obstore
            if tap.failure is not None:
                raise tap.failure from None
            raise

    def _damaged(self, digest: str) -> Unavailable:
        where = f"s3://{self._bucket}/{self._prefix}/{_key(digest)}"
        return Unavailable("storage.blob_damaged", digest=digest, where=where)

    @contextmanager
    def _explained(self, digest: str = "") -> Iterator[None]:
        """Turn what obstore raises into what a person can act on; its text may name our key."""
        try:
            yield
        except (exceptions.BaseError, FileNotFoundError) as error:
            raise self._meaning(error, digest) from None

    def _meaning(self, error: Exception, digest: str) -> YunheError:
        said = str(error)
        code = _CODE.search(said)
        named = code[1] if code else ""
        if named == "NoSuchBucket":
            return Unavailable("storage.s3_bucket_missing", bucket=self._bucket, where=self._where)
        if isinstance(error, FileNotFoundError) and digest:
            return NotFound("storage.blob_missing", digest=digest)
        status = _STATUS.search(said)
        number = status[1] if status else "301" if "redirect" in said else "503"
        if number != "429" and number < "500":
            why = named or f"HTTP {number}"
            return Unavailable(
                "storage.s3_refused", bucket=self._bucket, where=self._where, why=why
            )
        return Unavailable(
            "storage.s3_away", bucket=self._bucket, where=self._where, retryable=True
        )


def _key(digest: str) -> str:
    hexadecimal = hex_of(digest)
    return f"{hexadecimal[:2]}/{hexadecimal[2:]}"
