"""The three stages of every cleansing, each of which finds done what an earlier run finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from yunhe.corpus import errors
from yunhe.corpus.domain import Columns
from yunhe.corpus.inputs import InputFile
from yunhe.corpus.pipeline import Pipeline
from yunhe.corpus.rejects import Sealer
from yunhe.corpus.running import calling, originals, settling
from yunhe.corpus.running.folder import disk, whole
from yunhe.corpus.running.intake import FileRead, Intake
from yunhe.corpus.running.job import MEMORY_BYTES, Faults, finding_of
from yunhe.corpus.running.shop import Shop
from yunhe.corpus.running.threads import by_threads
from yunhe.corpus.running.unit import Unit
from yunhe.corpus.running.whole import Units, Whole
from yunhe.kernel.canonical import Json, digest_of
from yunhe.kernel.errors import Finding
from yunhe.kernel.progress import Progress

_SETTLED = "settled.json"
_FORM = 2  # raised whenever what lies beside it changes, which an older run may have left


@dataclass(frozen=True)
class Means:
    """With what a cleansing is done; none of it changes a byte of what comes out."""

    threads: int = 1
    """Threads of this process."""
    ray: str | None = None
    """``local``, an address, or None for threads."""
    memory_bytes_max: int = MEMORY_BYTES
    """What to keep to."""


@dataclass(frozen=True)
class Read:
    """All units finished."""

    units: Units
    """In order."""
    files: list[FileRead]
    """The inputs, as they were read."""
    faults: Faults
    """Everything wrong with files and rows."""

    def key(self) -> str:
        """Names what follows from these units."""
        return digest_of([unit.folder.name for unit in self.units.units])[7:47]


@dataclass(frozen=True)
class Settled:
    """Everything decided about every document."""

    whole: Whole
    """About each."""
    repeats: calling.Repeated
    """Names that had to be told apart."""
    counted: Mapping[str, Json]
    """A share of `Statistics`."""
    folder: Path = field(repr=False)
    """Where it lies."""

    def findings(self, where: str) -> Iterator[Finding]:
        """What is wrong with names and labels."""
        return calling.findings(self.whole.of, where, repeats=self.repeats)


def read(
    inputs: tuple[InputFile, ...],
    columns: Columns,
    pipeline: Pipeline,
    *,
    folder: Path,
    means: Means,
    sealer: Sealer | None,
    progress: Progress,
) -> Read:
    """Every unit, laid down in ``folder``.

    Errors: `Invalid` ``corpus.input_faulty`` when there is not one document to read; `Unavailable`
    when the disk refuses.
    """
    faults = Faults()
    identity: Json = [
        pipeline.digest(),
        [columns.text, columns.label, columns.id],
        None if sealer is None else sealer.name(),
    ]
    intake = Intake(inputs, columns, digest_of(identity), faults)
    shop = Shop(folder, pipeline, sealer)
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    count = 0

    def told(documents: int, reached: int) -> None:
        nonlocal count
        count += documents
        progress.step("corpus.bytes", done=reached, total=intake.bytes_total)
        progress.step("corpus.documents", done=count)

    units = []
    for name in _finished(intake, shop, means=means, told=told):
        unit = Unit.open(folder / name)
        units.append(unit)
        faults.add([finding_of(each) for each in unit.about["findings"]], unit.about["faults"])
        for each in unit.about["findings"]:
            if each["code"].endswith("_damaged"):
                faults.unread[each["where"].partition(":")[0]] = None
    together = Units(pipeline, units)
    if not together.documents_before[-1]:
        first = inputs[0]
        listed = faults.findings or [Finding(first.name, "corpus.input_empty")]
        raise errors.input_faulty(first, listed, max(faults.count, len(listed)))
    return Read(together, intake.read, faults)


def _finished(
    intake: Intake, shop: Shop, *, means: Means, told: Callable[[int, int], None]
) -> Iterator[str]:
    if means.ray is None:
        return by_threads(
            intake.plans(),
            shop,
            threads=means.threads,
            memory_bytes_max=means.memory_bytes_max,
            told=told,
        )
    from yunhe.corpus.running.cluster import by_ray  # noqa: PLC0415 (an extra, and slow to import)

    return by_ray(
        intake.plans(),
        shop,
        address=means.ray,
        workers=means.threads,
        memory_bytes_max=means.memory_bytes_max,
        told=told,
    )


def settle(found: Read, folder: Path, *, memory_bytes_max: int) -> Settled:
    """What needs all documents: duplicates, groups, names. ``folder``: for this and nothing else.

    Memory: `Whole`'s arrays, which are memory-mapped, and what the steps are allowed.
    """
    target = folder / f"settled-{_FORM}-{found.key()}"
    if not (target / _SETTLED).is_file():
        with whole(target) as temporary, disk(temporary):
            counted = settling.settle(found.units, temporary, memory_bytes_max=memory_bytes_max)
            repeats = calling.repeated(found.units, temporary)
            np.savez(temporary / "repeats.npz", firsts=repeats.firsts, times=repeats.times)
            originals.write(Whole(found.units, temporary), temporary)
            (temporary / _SETTLED).write_text(json.dumps(counted), "utf-8")
    counted = json.loads((target / _SETTLED).read_text("utf-8"))
    with np.load(target / "repeats.npz") as there:
        repeats = calling.Repeated(there["firsts"], there["times"])
    return Settled(Whole(found.units, target), repeats, counted, target)
