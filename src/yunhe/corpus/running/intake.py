"""Reads the inputs in order and cuts them into units of work, by content alone."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from yunhe.corpus.domain import Columns
from yunhe.corpus.inputs import STANDARD_INPUT, InputFile
from yunhe.corpus.readers import sources
from yunhe.corpus.readers.parsed import Parsed, Task
from yunhe.corpus.reading import open_input
from yunhe.corpus.running.job import Faults
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Finding, YunheError

UNIT_BYTES = 64 << 20
"""What a unit holds of the inputs, unpacked; a longer block is a unit of its own."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive records of one file."""

    file: str
    """The file's name."""
    packed: bytes
    """How to parse it and what: a `Task`, pickled."""
    reached: int = 0
    """Bytes of all inputs, as they lie there, up to its end; for progress alone."""

    def task(self) -> Task:
        """What parses it."""
        task: Task = pickle.loads(self.packed)  # noqa: S301 (our own, of this run)
        return task


@dataclass(slots=True)
class Plan:
    """One unit of work that is still to be done, or found done."""

    name: str
    """Digest of the blocks, of how they are read, and of the pipeline."""
    blocks: list[Block]
    """In order."""


@dataclass(slots=True)
class FileRead:
    """What is known of one input when it was read to its end."""

    name: str
    """What records call it."""
    format: str
    """How it was read."""
    digest: str = ""
    """Of its bytes; empty where it could not be opened."""
    size_bytes: int = 0
    """How many."""
    encoding: str = ""
    """What it was written in."""
    names: tuple[str, ...] = ()
    """What its columns are called, as far as its beginning tells."""


@dataclass(slots=True)
class Intake:
    """The inputs of a run; `plans` reads them once."""

    inputs: Sequence[InputFile]
    """In order."""
    columns: Columns
    """Which columns hold what."""
    identity: str
    """What else decides about a unit: the pipeline's digest and the like."""
    faults: Faults
    """Where to put what is wrong with whole files."""
    read: list[FileRead] = field(default_factory=list)
    """The files so far."""
    bytes_read: int = 0
    """Of all files so far, as they lie there."""

    @property
    def bytes_total(self) -> int | None:
        """Of all files; None when nobody knows."""
        sizes = [file.size_bytes for file in self.inputs]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def plans(self) -> Iterator[Plan]:
        """The units in order. Memory: one unit."""
        blocks: list[Block] = []
        size = 0
        for block in self._blocks():
            if blocks and size + len(block.packed) > UNIT_BYTES:
                yield self._plan(blocks)
                blocks, size = [], 0
            blocks.append(block)
            size += len(block.packed)
        if blocks:
            yield self._plan(blocks)

    def _plan(self, blocks: list[Block]) -> Plan:
        digest = hashlib.sha256(self.identity.encode())
        for block in blocks:
            digest.update(canonical_bytes([block.file, len(block.packed)]))
            digest.update(block.packed)
        return Plan(digest.hexdigest()[:40], blocks)

    def _blocks(self) -> Iterator[Block]:
        for file in self.inputs:
            known = FileRead(file.name, file.format)
            self.read.append(known)
            try:
                for task in self._tasks(file, known):
                    yield Block(file.name, packed(task), self.bytes_read)
            except YunheError as error:
                self.faults.unread[file.name] = None
                with suppress(YunheError):
                    known.digest, known.size_bytes = digest_of(file)
                listed = list(error.findings) or [_as_finding(file, error)]
                self.faults.add(listed, max(len(listed), int(error.params.get("count", 0))))

    def _tasks(self, file: InputFile, known: FileRead) -> Iterator[Task]:
        digest = hashlib.sha256()

        def tap(data: bytes) -> None:
            digest.update(data)
            known.size_bytes += len(data)

        before = self.bytes_read
        with open_input(file, self.columns, tap=tap) as opened:
            known.encoding, known.names = opened.encoding, opened.names
            for task in opened.tasks:
                self.bytes_read = before + opened.byte()
                yield task
        known.digest = f"sha256:{digest.hexdigest()}"
        if known.size_bytes != file.size_bytes and file.where != STANDARD_INPUT:
            # Not every format is read from front to back, and some files go on after their end.
            known.digest, known.size_bytes = digest_of(file)
        self.bytes_read = before + known.size_bytes


def _as_finding(file: InputFile, error: YunheError) -> Finding:
    params = tuple((name, value) for name, value in error.params.items() if name != "where")
    return Finding(file.name, error.code, params)


def packed(task: Task) -> bytes:
    """A task with its bytes, as it may travel to another machine; the same task, the same bytes."""
    try:
        return _packed(task)
    except (pickle.PicklingError, AttributeError, TypeError):  # bound to something of this process
        return _packed(partial(_the, task()))


def _packed(task: Task) -> bytes:
    sink = io.BytesIO()
    _Packer(sink, protocol=5).dump(task)
    return sink.getvalue()


def _the(parsed: Parsed) -> Parsed:
    return parsed


class _Packer(pickle.Pickler):
    """Packs a slice of a batch without the rest of the batch, which Arrow's own way would add."""

    def reducer_override(self, given: object) -> Any:  # noqa: ANN401 (as `pickle` has it)
        """See `pickle.Pickler`."""
        if isinstance(given, pa.RecordBatch):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, given.schema) as writer:
                writer.write_batch(given)
            return _batch, (sink.getvalue().to_pybytes(),)
        return NotImplemented


def _batch(data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()


def digest_of(file: InputFile) -> tuple[str, int]:
    """Of a file's bytes as they lie there, and how many they are. Memory: a mebibyte.

    Errors: those of `sources.opened`.
    """
    digest, size = hashlib.sha256(), 0
    with sources.opened(file) as stream:
        while data := stream.read(_CHUNK_BYTES):
            digest.update(data)
            size += len(data)
    return f"sha256:{digest.hexdigest()}", size
