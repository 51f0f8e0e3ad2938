"""Tries out a place for blobs: anybody who writes one can run this against it.

Cost: about 100 MB written and taken away again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Finding, Invalid, NotFound, YunheError
from yunhe.storage.blobs import Blob, Blobs

LARGE_BYTES = (20 << 20) + 17
"""Larger than any place keeps in one piece, and no multiple of anything."""
_WRITERS = 6


def check_blobs(blobs: Blobs) -> list[Finding]:
    """Run every trial; each finding is a promise of `Blobs` that the place does not keep.

    The trials use bytes of their own and remove them; what else lies there is left alone.
    """
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="yunhe-trial-") as folder:
        bench = _Bench(blobs, Path(folder))
        for case in _CASES:
            try:
                broken = list(case(bench))
            except YunheError as error:
                broken = [f"unexpected error: {error.code}"]
            name = case.__name__.strip("_")
            found += [Finding(name, "storage.trial_failed", (("detail", said),)) for said in broken]
        for digest in bench.made:
            blobs.delete(digest)
    return found


class _Bench:
    """A place, a folder to work in, and what has been stored for the trials."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self.blobs = blobs
        self.folder = folder
        self.made: set[str] = set()

    def bytes(self, size: int) -> bytes:
        """Bytes that nobody has stored before, remembered for the cleaning up."""
        data = os.urandom(size)
        self.made.add(sha256(data))
        return data

    def refuses(
        self, kind: type[Exception], act: Callable[..., object], *given: object, **named: object
    ) -> bool:
        """Whether it is refused in the way that was agreed."""
        try:
            act(*given, **named)
        except kind:
            return True
        return False


class _Broken(Exception):
    """A source of chunks that fails."""


def _expect(holds: bool, said: str) -> Iterator[str]:  # noqa: FBT001 - the condition itself
    if not holds:
        yield said


def _round_trip(bench: _Bench) -> Iterator[str]:
    for size in (1, 100_000, LARGE_BYTES):
        data = bench.bytes(size)
        blob = bench.blobs.put(data)
        yield from _expect(blob == Blob(sha256(data), size), f"{size} bytes: another name or size")
        yield from _expect(bench.blobs.read(blob.digest) == data, f"{size} bytes: others came back")
        pieces = b"".join(bench.blobs.stream(blob.digest))
        yield from _expect(pieces == data, f"{size} bytes: the pieces make others")
        copy = bench.blobs.fetch(blob.digest, bench.folder / "copy")
        yield from _expect(copy.read_bytes() == data, f"{size} bytes: the copy has others")


def _empty(bench: _Bench) -> Iterator[str]:
    bench.made.add(sha256(b""))
    blob = bench.blobs.put_stream([], bytes_max=0)
    yield from _expect(blob == Blob(sha256(b""), 0), "no bytes have another name")
    yield from _expect(bench.blobs.read(blob.digest) == b"", "no bytes came back as some")


def _file(bench: _Bench) -> Iterator[str]:
    for size in (10, LARGE_BYTES):
        data = bench.bytes(size)
        path = bench.folder / "file"
        path.write_bytes(data)
        blob = bench.blobs.put_file(path)
        yield from _expect(blob == Blob(sha256(data), size), f"{size} bytes: another name or size")
        yield from _expect(bench.blobs.put_file(path) == blob, "a second time it was another")
        yield from _expect(bench.blobs.read(blob.digest) == data, f"{size} bytes: others came back")


def _stream(bench: _Bench) -> Iterator[str]:
    for size in (10, LARGE_BYTES):
        data = bench.bytes(size)
        chunks = [data[at : at + 70_001] for at in range(0, size, 70_001)]
        blob = bench.blobs.put_stream([b"", *chunks, b""], bytes_max=size)
        yield from _expect(blob == Blob(sha256(data), size), f"{size} bytes: another name or size")
        yield from _expect(bench.blobs.read(blob.digest) == data, f"{size} bytes: others came back")


def _stream_too_long(bench: _Bench) -> Iterator[str]:
    for size in (10, LARGE_BYTES):
        data = bench.bytes(size)
        chunks = [data[at : at + 1_000_003] for at in range(0, size, 1_000_003)]
        refused = bench.refuses(Invalid, bench.blobs.put_stream, chunks, bytes_max=size - 1)
        yield from _expect(refused, f"{size} bytes were taken where one less was allowed")
        yield from _expect(not bench.blobs.exists(sha256(data)), "what was refused is there")


def _stream_breaks(bench: _Bench) -> Iterator[str]:
    def chunks(size: int, failure: Exception) -> Iterator[bytes]:
        yield bench.bytes(size)
        raise failure

    for size in (10, LARGE_BYTES):
        for failure in (_Broken(), ConnectionResetError()):
            before = set(bench.made)
            source = chunks(size, failure)
            put = bench.blobs.put_stream
            told = bench.refuses(type(failure), put, source, bytes_max=size * 2)
            yield from _expect(told, f"{size} bytes: the source's own failure was not passed on")
            there = [digest for digest in bench.made - before if bench.blobs.exists(digest)]
            yield from _expect(not there, f"{size} bytes: half a stream is there")


def _missing(bench: _Bench) -> Iterator[str]:
    digest = sha256(os.urandom(32))
    blobs = bench.blobs
    yield from _expect(not blobs.exists(digest), "what nobody stored is there")
    yield from _expect(blobs.stamp(digest) == "", "what nobody stored has a stamp")
    acts: tuple[Callable[[], object], ...] = (
        partial(blobs.read, digest),
        lambda: list(blobs.stream(digest)),
        partial(blobs.fetch, digest, bench.folder / "none"),
    )
    for act in acts:
        yield from _expect(bench.refuses(NotFound, act), "a missing blob is not said to be missing")
    yield from _expect(not list(bench.folder.glob("none*")), "a missing blob left a file")
    blobs.delete(digest)


def _wrong_names(bench: _Bench) -> Iterator[str]:
    for name in ("", "sha256:", "sha256:../" + "0" * 61, "md5:" + "0" * 64, "sha256:" + "G" * 64):
        blobs = bench.blobs
        acts: tuple[Callable[..., object], ...] = (
            blobs.read,
            blobs.exists,
            blobs.stamp,
            blobs.delete,
            partial(blobs.presigned, seconds=1),
        )
        for act in acts:
            yield from _expect(
                bench.refuses(Invalid, act, name), f"{name!r} was taken for a digest"
            )


def _listing(bench: _Bench) -> Iterator[str]:
    made = [bench.blobs.put(bench.bytes(5)).digest for _ in range(20)]
    listed = list(bench.blobs.digests())
    yield from _expect(set(made) <= set(listed), "the list leaves some out")
    yield from _expect(len(listed) == len(set(listed)), "the list says some twice")


def _deleting(bench: _Bench) -> Iterator[str]:
    data = bench.bytes(50)
    digest = bench.blobs.put(data).digest
    bench.blobs.delete(digest)
    yield from _expect(not bench.blobs.exists(digest), "what was deleted is there")
    yield from _expect(digest not in set(bench.blobs.digests()), "what was deleted is listed")
    yield from _expect(bench.blobs.put(data).digest == digest, "it can't be stored again")
    yield from _expect(bench.blobs.read(digest) == data, "stored again, it is another")


def _stamps(bench: _Bench) -> Iterator[str]:
    digest = bench.blobs.put(bench.bytes(50)).digest
    stamp = bench.blobs.stamp(digest)
    yield from _expect(stamp != "", "a blob has no stamp")
    yield from _expect(bench.blobs.stamp(digest) == stamp, "nothing changed but the stamp")
    bench.blobs.delete(digest)
    yield from _expect(bench.blobs.stamp(digest) == "", "a deleted blob has a stamp")


def _writers_at_once(bench: _Bench) -> Iterator[str]:
    for size in (1_000, LARGE_BYTES // 2):
        data = bench.bytes(size)
        with ThreadPoolExecutor(_WRITERS) as pool:
            chunks = [data[:500], data[500:]]
            made = list(
                pool.map(
                    lambda n, d=data, c=chunks: (
                        bench.blobs.put(d) if n % 2 else bench.blobs.put_stream(c, bytes_max=len(d))
                    ),
                    range(_WRITERS),
                )
            )
        yield from _expect(len(set(made)) == 1, "writers of the same bytes got different blobs")
        yield from _expect(bench.blobs.read(made[0].digest) == data, "together they wrote others")


def _usable(bench: _Bench) -> Iterator[str]:
    bench.blobs.probe()
    swept = bench.blobs.sweep(now_us=0)
    yield from _expect(swept == 0, "what is younger than the beginning of time was swept")


_CASES: tuple[Callable[[_Bench], Iterator[str]], ...] = (
    _usable,
    _round_trip,
    _empty,
    _file,
    _stream,
    _stream_too_long,
    _stream_breaks,
    _missing,
    _wrong_names,
    _listing,
    _deleting,
    _stamps,
    _writers_at_once,
)
