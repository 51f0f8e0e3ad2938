"""The accelerators of this machine, one by one: which they are, and the files that lead to them.

Makers whose command is read tell models, UUIDs and numbers; devices of the others are counted by
their files, and which model they are is what whoever offers them says. Never run against a real
driver: the commands' outputs are held to published samples.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yunhe.compute.machine import PROCESSOR, chips_named, said_by
from yunhe.compute.supply.device_files import NUMBER, DeviceFiles, device_table, files_of
from yunhe.kernel.errors import Unavailable, YunheError

Ask = Callable[[tuple[str, ...]], str]
"""Runs a command and gives what it printed; nothing where it is not there or failed."""
NVIDIA_LIST = ("nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader")
"""The command whose lines `_nvidia` reads."""
HUAWEI_LIST = ("npu-smi", "info")
"""The command whose table `_huawei` reads."""
_LINES_MAX = 10_000
_TEXT_MAX = 1 << 16
_UUID = re.compile(r"GPU-[0-9A-Za-z-]{1,60}")
_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]|NA")
_DRIVER = "proc/driver/nvidia/gpus"


@dataclass(frozen=True, slots=True)
class Card:
    """One accelerator of this machine."""

    chip: str
    """What it is."""
    vendor: str
    """Who makes it."""
    number: int
    """In the names of its files."""
    name: str
    """With its maker's instrument."""
    id: str = ""
    """Its own for life, a UUID; empty where its maker tells none."""

    @property
    def label(self) -> str:
        """How records name it."""
        return self.id or f"{self.vendor}/{self.number}"


def cards_of(
    chip: str,
    makers: Mapping[str, str],
    *,
    ask: Ask = said_by,
    root: Path = Path("/"),
) -> list[Card]:
    """Devices of this machine that are such a chip, by number; none of a maker nobody knows.

    ``makers``: by chip. ``ask`` runs a maker's command; ``root`` has ``dev`` and ``proc`` in it.
    """
    vendor = makers.get(chip, "")
    row = None if chip == PROCESSOR else files_of(vendor)
    if row is None:
        return []
    if row.told_by == "nvidia-smi":
        return [card for card in _nvidia(ask(NVIDIA_LIST), makers, root) if card.chip == chip]
    if row.told_by == "npu-smi":
        return [card for card in _huawei(ask(HUAWEI_LIST), makers) if card.chip == chip]
    return [Card(chip, vendor, number, str(number)) for number in _numbers(row, root)]


def counted_by_files(vendor: str) -> bool:
    """Whether nobody but who offers them says which model the devices of a maker are."""
    row = files_of(vendor)
    return row is not None and row.told_by == "files"


@dataclass(frozen=True, slots=True)
class Shown:
    """Devices of one kind that this machine shows."""

    vendor: str
    """Who makes them."""
    chip: str
    """What they are; empty where nobody tells."""
    devices: int
    """How many."""
    command: str = ""
    """The maker's command that should tell what they are, and does not."""
    fault: YunheError | None = None
    """Why they cannot be given to work; None: they can."""


def shown_here(
    makers: Mapping[str, str], *, ask: Ask = said_by, root: Path = Path("/")
) -> list[Shown]:
    """All accelerators of this machine, by maker and chip. Cost: the makers' commands."""
    found = []
    for vendor, row in device_table().vendors.items():
        numbers = _numbers(row, root)
        if row.told_by == "nvidia-smi":
            cards = _nvidia(ask(NVIDIA_LIST), makers, root)
        elif row.told_by == "npu-smi":
            cards = _huawei(ask(HUAWEI_LIST), makers)
        else:
            cards = [Card("", vendor, number, str(number)) for number in numbers]
        if numbers and not cards:
            found.append(Shown(vendor, "", len(numbers), row.told_by))
        for chip in sorted({card.chip for card in cards}):
            alike = [card for card in cards if card.chip == chip]
            found.append(Shown(vendor, chip, len(alike), fault=_fault(alike, root)))
    return found


def _fault(cards: Sequence[Card], root: Path) -> YunheError | None:
    try:
        device_files(cards, root=root)
    except YunheError as error:
        return error
    return None


def _nvidia(said: str, makers: Mapping[str, str], root: Path) -> list[Card]:
    """Lines of index, UUID and name; the number is the driver's, which is no index."""
    minors, found = _minors(root), []
    for line in said.splitlines()[:_LINES_MAX]:
        cells = [cell.strip() for cell in line.split(",", 2)]
        if len(cells) != 3 or not cells[0].isdecimal():
            continue
        uuid = cells[1] if _UUID.fullmatch(cells[1]) else ""
        for chip in chips_named(cells[2], makers, vendor="NVIDIA"):
            number = minors.get(uuid, int(cells[0]))
            found.append(Card(chip, "NVIDIA", number, cells[0], uuid))
    return sorted(found, key=lambda card: card.number)


def _minors(root: Path) -> dict[str, int]:
    """The number in the name of its file by UUID, as the driver tells it.

    Source: the driver's README, ``/proc/driver/nvidia/gpus/<bus>/information``.
    """
    found = {}
    for path in sorted((root / _DRIVER).glob("*/information")):
        try:
            said = path.read_text("utf-8", "replace")[:_TEXT_MAX]
        except OSError:
            continue
        rows = dict(row.split(":", 1) for row in said.splitlines() if ":" in row)
        uuid, number = rows.get("GPU UUID", "").strip(), rows.get("Device Minor", "").strip()
        if _UUID.fullmatch(uuid) and number.isdecimal():
            found[uuid] = int(number)
    return found


def _huawei(said: str, makers: Mapping[str, str]) -> list[Card]:
    """The table of ``npu-smi info``: a row that names a card, then one for each of its chips.

    A chip's row begins with its place on the card and, of newer versions, its physical number.
    """
    found: list[Card] = []
    card, chips = "", Counter[str]()
    for line in said.splitlines()[:_LINES_MAX]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        first = cells[0].split() if len(cells) == 3 else []
        if not first or not first[0].isdecimal():
            continue
        if not _BUS.fullmatch(cells[1]):
            card, chips = first[0], chips_named(f"{line}\n", makers, vendor="Huawei")
            continue
        place = first[0]
        physical = first[1] if len(first) > 1 and first[1].isdecimal() else ""
        for chip in chips:
            number = int(physical or (card if place == "0" and card else len(found)))
            found.append(Card(chip, "Huawei", number, f"{card}/{place}"))
    return sorted(found, key=lambda each: each.number)


def _numbers(row: DeviceFiles, root: Path) -> list[int]:
    """Numbers of the devices whose files are there, while those that all need are."""
    if not all(_at(root, name).exists() for name in row.shared):
        return []
    first = row.each[0]
    pattern = re.compile(re.escape(first).replace(re.escape(NUMBER), "([0-9]{1,6})"))
    folder = _at(root, first).parent
    try:
        names = [f"{Path(first).parent}/{path.name}" for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := pattern.fullmatch(name)))


def _at(root: Path, name: str) -> Path:
    return root / name.lstrip("/")


def device_files(cards: Sequence[Card], *, root: Path = Path("/")) -> list[tuple[Path, str]]:
    """The files that lead to these devices and to no other, and what they are called inside.

    Errors: `Unavailable` ``compute.card_file_missing``, ``compute.card_file_closed`` with the first
    that is not there or may not be used.
    """
    found: dict[str, Path] = {}
    for card in cards:
        row = files_of(card.vendor)
        assert row is not None  # noqa: S101 - cards come from its rows
        for name in (*row.each, *row.shared):
            full = name.replace(NUMBER, str(card.number))
            fault = file_fault(_at(root, full), full, card.vendor)
            if fault is not None:
                raise fault
            found[full] = _at(root, full)
        for name in row.besides:
            full = name.replace(NUMBER, str(card.number))
            if file_fault(_at(root, full), full, card.vendor) is None:
                found[full] = _at(root, full)
    return [(path, name) for name, path in sorted(found.items())]


def file_fault(path: Path, name: str, vendor: str) -> YunheError | None:
    """What is wrong with a device file."""
    try:
        is_device = stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        is_device = False
    if not is_device:
        return Unavailable("compute.card_file_missing", file=name, vendor=vendor, retryable=True)
    if not os.access(path, os.R_OK | os.W_OK):
        return Unavailable("compute.card_file_closed", file=name, vendor=vendor, retryable=True)
    return None


def seen_by(cards: Sequence[Card], shown: Collection[Card] | None = None) -> dict[str, str]:
    """Variables that tell a program's libraries to use these devices.

    ``shown``: all that it can see, in whose order their places count; None: those of the machine.
    """
    if not cards:
        return {}
    row = files_of(cards[0].vendor)
    assert row is not None  # noqa: S101 - cards come from its rows
    places = {card: at for at, card in enumerate(shown)} if shown is not None else {}
    names = (
        card.id if row.by == "id" and card.id else str(places.get(card, card.number))
        for card in cards
    )
    return {**row.environment, row.visible: ",".join(names)}


def read_besides(cards: Sequence[Card]) -> tuple[list[Path], list[Path]]:
    """What programs on these devices read besides, and folders of libraries; what is there."""
    row = files_of(cards[0].vendor) if cards else None
    if row is None:
        return [], []
    reads = [path for path in map(Path, row.reads) if path.exists()]
    return reads, [path for path in map(Path, row.libraries) if path.is_dir()]
