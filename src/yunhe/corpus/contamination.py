"""Files of hashes of evaluation items, so that a corpus can be kept free of them.

A file holds no text: a row for every run of 13 letters of an item (case and width folded,
punctuation and spaces skipped), as a hash of 64 bits. Who has a text can tell whether it is an
item; nobody can read the items out of the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from yunhe.corpus.errors import hashes_unreadable
from yunhe.corpus.kernels.overlap import RUN, Items, indexed, long_runs
from yunhe.corpus.kernels.utf8 import utf8

VERSION = 1
"""Of the format: how letters are folded and hashed."""
ITEMS_PER_RUN_MAX = 16
"""A run that more items share is a phrase of the test's and tells none of them; it is left out."""

_KEY = b"yunhe.contamination"
_MADE_WITH = f"version {VERSION}, runs of {RUN} letters".encode()
_ITEMS_AT_ONCE = 4096
_SCHEMA = pa.schema([("hash", pa.uint64()), ("item", pa.string())], metadata={_KEY: _MADE_WITH})


@dataclass(frozen=True, slots=True)
class HashesMade:
    """What `make_hashes` wrote."""

    items: int
    """Items with at least one run."""
    runs: int
    """Rows."""
    too_short: int
    """Items of fewer than 13 letters, which no corpus can be searched for."""


@dataclass(frozen=True, slots=True)
class Known:
    """A file of hashes, read."""

    items: Items = field(repr=False)
    """For the kernel."""
    digest: str
    """Of the rows that count, whatever order they were written in."""
    searched: int
    """Items that can be found."""
    shared: int
    """Items none of whose runs is their own."""


def make_hashes(items: Iterable[tuple[str, str]], path: Path) -> HashesMade:
    """Write the hashes of evaluation items, given as (id, text), to a Parquet file.

    Give the text that must not be learnt: a question with its choices, without the instructions
    that many questions share. The file appears whole or not at all. Cost: about 5 ns a byte.
    """
    rest, made, runs, too_short = iter(items), 0, 0, 0
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(partial, _SCHEMA, compression="zstd") as writer:
            while batch := list(islice(rest, _ITEMS_AT_ONCE)):
                texts = pa.array([text for _, text in batch], pa.large_string())
                hashes, counts = long_runs(utf8(texts))
                names = np.repeat(np.array([name for name, _ in batch], object), counts)
                table = pa.table([pa.array(hashes), pa.array(names, pa.string())], schema=_SCHEMA)
                writer.write_table(table)
                made, runs = made + int((counts > 0).sum()), runs + len(hashes)
                too_short += int((counts == 0).sum())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return HashesMade(made, runs, too_short)


def read_hashes(path: Path) -> Known:
    """The items of a file, made for looking up.

    Errors: `Invalid` ``corpus.hashes_unreadable`` when the file is not there, damaged or no file of
    hashes of this version.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise hashes_unreadable(path) from error
    marked = (table.schema.metadata or {}).get(_KEY)
    if marked != _MADE_WITH or table.schema.remove_metadata() != _SCHEMA.remove_metadata():
        raise hashes_unreadable(path)
    names = table.column("item").combine_chunks().dictionary_encode()
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    order = np.argsort(np.array(names.dictionary.to_pylist(), object), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    owners = ranks[names.indices.to_numpy(zero_copy_only=False)] if len(ranks) else np.empty(0, int)
    return _known(table.column("hash").to_numpy(), owners, len(ranks))


def _known(hashes: NDArray[np.uint64], owners: NDArray[np.int64], count: int) -> Known:
    by_key = np.lexsort((owners, hashes))
    hashes, owners = hashes[by_key], owners[by_key]
    new = np.ones(len(hashes), np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    hashes, owners = hashes[new], owners[new]
    keys, sharing = np.unique(hashes, return_counts=True)
    telling = np.repeat(sharing <= ITEMS_PER_RUN_MAX, sharing)
    keys, owners = keys[sharing <= ITEMS_PER_RUN_MAX], owners[telling]
    starts = np.concatenate([[0], np.cumsum(sharing[sharing <= ITEMS_PER_RUN_MAX])])
    totals = np.bincount(owners, minlength=count)
    digest = hashlib.sha256(_MADE_WITH)
    for part in (keys.astype("<u8"), starts.astype("<i8"), owners.astype("<i8")):
        digest.update(part.tobytes())
    items = Items(
        *indexed(keys),
        keys,
        starts.astype(np.int32),
        owners.astype(np.int32),
        totals.astype(np.int32),
    )
    searched = int((totals > 0).sum())
    return Known(items, f"sha256:{digest.hexdigest()}", searched, count - searched)
