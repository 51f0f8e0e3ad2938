"""What a job on this machine gets of its accelerators: which, their files, the variables.

Only jobs of pools that are made of what this machine has get any; work that runs here for a
demonstration, or on processors, sees none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from yunhe.compute.cards import (
    Ask,
    Card,
    cards_of,
    counted_by_files,
    device_files,
    read_besides,
    seen_by,
)
from yunhe.compute.machine import PROCESSOR, said_by
from yunhe.compute.providers.assigning import Assignments
from yunhe.compute.providers.seam import Job
from yunhe.compute.utilisation.domain import Reading
from yunhe.compute.utilisation.sampling import Sampler, here
from yunhe.kernel.canonical import Json

_LIBRARIES = "LD_LIBRARY_PATH"


@dataclass(frozen=True, slots=True)
class Exposed:
    """What one job gets; nothing, unless it runs on accelerators of this machine."""

    cards: tuple[Card, ...] = ()
    """Its devices, each once."""
    files: tuple[tuple[Path, str], ...] = ()
    """Device files, and what they are called inside."""
    reads: tuple[Path, ...] = ()
    """What it reads besides."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that tell its libraries of them."""
    replicas: tuple[Mapping[str, str], ...] = ()
    """Those of each replica that only uses a part of them; none: all use all."""

    def sampler(self) -> Sampler | None:
        """The instrument of their maker, looking at these devices and no other."""
        found = here(self.cards[0].vendor) if self.cards else None
        return None if found is None else Looking(found, {card.name for card in self.cards})

    def told(self) -> dict[str, Json]:
        """What the record of its use says of them."""
        if not self.cards:
            return {}
        return {"device_ids": [card.label for card in self.cards]}


class Looking:
    """An instrument that says nothing of devices that are others'; a `Sampler`."""

    def __init__(self, whole: Sampler, names: Collection[str]) -> None:
        """``names``: what the instrument calls the devices that are meant."""
        self._whole, self._names = whole, frozenset(names)

    def read(self) -> Reading:
        """As `Sampler.read`."""
        found = self._whole.read()
        own = tuple(each for each in found.samples if each.device in self._names)
        return Reading(own, found.findings)


class Accelerators:
    """Those of this machine, given to jobs one by one."""

    def __init__(
        self,
        work_root: Path,
        *,
        own: Collection[str] = (),
        makers: Callable[[], Mapping[str, str]] | None = None,
        root: Path = Path("/"),
        ask: Ask = said_by,
    ) -> None:
        """``own``: chips of which every job gets devices, also one that does not say where it is.

        ``makers``: by chip, those of the catalogue unless given; ``root`` has ``dev`` in it;
        ``ask`` runs a maker's command.
        """
        self._own, self._makers = frozenset(own), makers or _makers
        self._root, self._ask = root, ask
        self._kept = Assignments(work_root)

    @contextmanager
    def given(
        self, job: Job, *, sandboxed: bool, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Exposed]:
        """What a job gets, its alone until the block ends.

        Errors: those of `Assignments.held` and `cards.device_files`.
        """
        if job.chip in ("", PROCESSOR) or (job.places is None and job.chip not in self._own):
            yield Exposed()
            return
        makers = {**self._makers(), **({job.chip: job.maker} if job.maker else {})}
        there = cards_of(job.chip, makers, ask=self._ask, root=self._root)
        places = job.places or ()
        with self._kept.held(
            job.id, there, count=job.devices, places=places, stopped=stopped
        ) as held:
            # Numbers of files need not begin at nought, nor be how a library counts them.
            beside = there if counted_by_files(there[0].vendor) else None
            yield self._exposed(job, held, sandboxed=sandboxed, beside=beside)

    def _exposed(
        self,
        job: Job,
        held: tuple[Card, ...],
        *,
        sandboxed: bool,
        beside: Sequence[Card] | None,
    ) -> Exposed:
        cards = tuple(sorted(dict.fromkeys(held), key=lambda card: card.number))
        shown = cards if sandboxed else beside
        reads, libraries = read_besides(cards)
        paths = [*map(str, libraries), job.environment.get(_LIBRARIES, "")]
        of_libraries = {_LIBRARIES: ":".join(filter(None, paths))} if libraries else {}
        each = len(held) // job.replicas
        parts = [held[at * each : (at + 1) * each] for at in range(job.replicas)]
        apart = job.replicas > 1 and each * job.replicas == len(held)
        return Exposed(
            cards,
            tuple(device_files(cards, root=self._root)),
            (*reads, *libraries),
            {**of_libraries, **seen_by(cards, shown)},
            tuple(seen_by(part, shown) for part in parts) if apart else (),
        )


def shown(chips: Collection[str], *, ask: Ask = said_by, root: Path = Path("/")) -> list[str]:
    """Those of the chips of which this machine shows a device."""
    makers = _makers()
    return [chip for chip in sorted(chips) if cards_of(chip, makers, ask=ask, root=root)]


def _makers() -> Mapping[str, str]:
    from yunhe.compute.supply.chips import catalogue  # noqa: PLC0415 - reads a file

    return catalogue().vendors()
