"""Where units are made: given a plan, its folder appears, or was there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from yunhe.corpus.pipeline import Pipeline
from yunhe.corpus.rejects import Sealer
from yunhe.corpus.running.folder import disk, whole
from yunhe.corpus.running.intake import Block, Plan
from yunhe.corpus.running.unit import UNIT, Worked, Writer, work


@dataclass(frozen=True)
class Shop:
    """Makes units in one folder."""

    folder: Path
    """Holds one folder for each unit."""
    pipeline: Pipeline
    """What is done to each document."""
    sealer: Sealer | None = None
    """Keeps the raw texts, encrypted; None where nobody asked for rejects."""

    def has(self, name: str) -> bool:
        """Whether that unit is finished."""
        return (self.folder / name / UNIT).is_file()

    def work(self, block: Block) -> Worked:
        """One block; any thread may do it."""
        return work(block, self.pipeline)

    @contextmanager
    def writer(self, name: str) -> Iterator[Writer]:
        """Takes the unit's blocks in order; the unit is there when the context ends well.

        Errors: `Unavailable` when the disk refuses; nothing is seen of the unit then.
        """
        with whole(self.folder / name) as temporary, ExitStack() as stack:
            with disk(temporary):
                writer = Writer(temporary, self.pipeline, self.sealer)
            stack.callback(writer.abandon)
            yield writer
            with disk(temporary):
                writer.close()

    def make(self, plan: Plan) -> int:
        """One unit, in the calling thread alone; how many documents it has."""
        count = 0
        with self.writer(plan.name) as writer:
            for block in plan.blocks:
                worked = self.work(block)
                with disk(self.folder):
                    writer.add(worked)
                count += worked.processed.count
        return count
