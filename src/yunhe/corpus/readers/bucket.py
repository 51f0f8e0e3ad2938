"""Objects of a bucket of S3, or of a server that speaks it, as inputs (extra ``s3``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore import exceptions, store

from yunhe.corpus.inputs import BUCKET
from yunhe.kernel.errors import Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Config

_READ_BYTES = 4 << 20
_PATIENCE = timedelta(seconds=20)
_RETRIES_MAX = 6


def listed(given: str) -> Iterator[tuple[str, int]]:
    """(key below the prefix, size) of every object there, in order; the object itself if it is one.

    Errors: `Invalid` ``corpus.bucket_address``, `Unavailable` ``corpus.bucket_unavailable``.
    """
    bucket, prefix = _parts(given)
    found: list[tuple[str, int]] = []
    try:
        for batch in obstore.list(_store(bucket), prefix.rstrip("/") or None):
            found += [(str(entry["path"]), int(entry["size"])) for entry in batch]
        if not found and prefix:
            head = obstore.head(_store(bucket), prefix)
            found = [(prefix, int(head["size"]))]
    except FileNotFoundError:
        return
    except exceptions.BaseError as error:
        raise _unavailable(given, error) from None
    for path, size in sorted(found):
        below = path.removeprefix(prefix).strip("/") if path != prefix else path.rpartition("/")[2]
        if not any(part.startswith(".") for part in below.split("/")):
            yield below, size


def address(given: str, key: str) -> str:
    """Where the object lies that `listed` called ``key``."""
    bucket, prefix = _parts(given)
    if prefix.rpartition("/")[2] == key:
        return f"{BUCKET}{bucket}/{prefix}"
    return f"{BUCKET}{bucket}/" + "/".join(filter(None, (prefix.strip("/"), key)))


class opened:  # noqa: N801 (called like the function it stands for)
    """An object's bytes in order, requested as they are read."""

    def __init__(self, where: str) -> None:
        """Errors: `NotFound` ``corpus.input_missing``, `Unavailable` as `listed`."""
        bucket, key = _parts(where)
        self._where = where
        try:
            self._pieces = iter(obstore.get(_store(bucket), key).stream(min_chunk_size=_READ_BYTES))
        except FileNotFoundError:
            raise NotFound("corpus.input_missing", where=where) from None
        except exceptions.BaseError as error:
            raise _unavailable(where, error) from None
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        if not self._held:
            try:
                self._held = bytes(next(self._pieces, b""))
            except exceptions.BaseError as error:
                raise _unavailable(self._where, error) from None
        data, self._held = self._held[:size], self._held[size:]
        return data


class Seekable:
    """An object as a file that can be read from anywhere, as Parquet needs."""

    closed = False
    """What Arrow asks of a Python file."""

    def __init__(self, where: str) -> None:
        """Errors: those of `opened`."""
        bucket, key = _parts(where)
        try:
            self._file = obstore.open_reader(_store(bucket), key)
        except FileNotFoundError:
            raise NotFound("corpus.input_missing", where=where) from None
        except exceptions.BaseError as error:
            raise _unavailable(where, error) from None

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``; all that are left where none is given."""
        return bytes(self._file.read(None if size < 0 else size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place; where that is."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """There is nothing to give back."""


def _parts(given: str) -> tuple[str, str]:
    bucket, _, key = given.removeprefix(BUCKET).partition("/")
    if not bucket or any(part in ("", "..") for part in key.rstrip("/").split("/")[:-1]):
        raise Invalid("corpus.bucket_address", where=given[:200])
    return bucket, key


def _store(bucket: str) -> store.S3Store:
    """As `yunhe.storage.s3` opens one, with what the environment says of place and keys."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    config: S3Config = {"region": os.environ.get("AWS_REGION", "us-east-1")}
    if key := os.environ.get("AWS_ACCESS_KEY_ID"):
        config["access_key_id"] = key
        config["secret_access_key"] = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        config["session_token"] = token
    if endpoint:
        config["endpoint"] = endpoint
    return store.S3Store(
        bucket,
        config=config,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=60),
            "timeout": timedelta(hours=1),
        },
        retry_config={"max_retries": _RETRIES_MAX, "retry_timeout": _PATIENCE},
    )


def _unavailable(where: str, error: Exception) -> Unavailable:
    # The library's words may hold an address with a signature, so only its kind is told.
    return Unavailable(
        "corpus.bucket_unavailable", where=where, reason=type(error).__name__, retryable=True
    )
