"""What this machine's own pools may be made of, and pools that only pretend for a demonstration.

A pool of this machine sells what is in it: processors, or devices that their maker's command or
their files show.
Any other chip behind this machine is a demonstration: its work runs on processors, and the pool
says so wherever it is shown, charged or recorded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from yunhe.kernel.errors import Finding

LOCAL = "local"
"""Adapter of pools that are this machine's."""
DEMONSTRATION = "demonstration"
"""Adapter of pools whose chips nobody has: this machine's processors stand in for them."""
OWN = frozenset({LOCAL, DEMONSTRATION})
"""Adapters whose work runs on this machine."""
PROCESSOR = "cpu"
"""The chip whose devices are processors."""
ANSWER_SECONDS = 5.0
"""A command that takes longer shows nothing."""
_NVIDIA = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
_HUAWEI = ("npu-smi", "info")
_ASCEND = "ascend"
_KEPT = ("PATH", "LD_LIBRARY_PATH")


def run_by(adapter: str) -> str:
    """The adapter whose provider runs work of this one."""
    return LOCAL if adapter in OWN else adapter


def shown_chip(chip: str, adapter: str) -> str:
    """What a chip is called where its use is shown and charged."""
    return f"{chip}-{DEMONSTRATION}" if adapter == DEMONSTRATION else chip


def remark(adapter: str) -> dict[str, bool]:
    """What a record of work says besides; nothing of work that ran on what was asked for."""
    return {DEMONSTRATION: True} if adapter == DEMONSTRATION else {}


def chips_named(said: str, chips: Mapping[str, str], *, vendor: str) -> Counter[str]:
    """How many devices of each chip of a maker the output of its command names.

    ``chips``: makers by chip. NVIDIA's command prints one name a line, Huawei's a table whose rows
    begin with the number of a card and its name.
    """
    found: Counter[str] = Counter()
    names = [chip for chip, maker in chips.items() if maker == vendor]
    for line in said.splitlines()[:10_000]:
        words = re.findall(r"[a-z0-9]+", line[:400].casefold())
        if vendor == "NVIDIA":
            found.update([chip for chip in names if chip in words][:1])
        elif len(words) > 1 and words[0].isdecimal():
            # Of 910B there are 910B1 to 910B4.
            like = [chip for chip in names if words[1].startswith(chip.removeprefix(_ASCEND))]
            found.update(like[:1])
    return found


def devices(
    chips: Mapping[str, str], *, ask: Callable[[tuple[str, ...]], str] | None = None
) -> Counter[str]:
    """Devices of this machine by chip, beside its processors; none where no command shows any.

    Cost: the makers' commands, where they are installed. ``ask``: runs a command.
    """
    run = ask or said_by
    found = chips_named(run(_NVIDIA), chips, vendor="NVIDIA")
    return found + chips_named(run(_HUAWEI), chips, vendor="Huawei")


def counted(chip: str, makers: Mapping[str, str]) -> Counter[str]:
    """Devices of this machine by chip; those that only files tell of count as this one.

    ``makers``: by chip. Cost: the makers' commands, seconds at worst; so not in a transaction.
    """
    from yunhe.compute import cards  # noqa: PLC0415 - reads a file

    there = devices(makers)
    if cards.counted_by_files(makers.get(chip, "")):
        there[chip] = len(cards.cards_of(chip, makers))
    return there


def short(chip: str, count: int, *, has: Counter[str]) -> Iterator[Finding]:
    """Why a machine that has these devices cannot offer so many of a chip."""
    if has[chip] < count:
        shown = ", ".join(f"{name} × {has[name]}" for name in sorted(+has)) or "-"
        params = (("chip", chip[:64]), ("devices", count), ("has", shown))
        yield Finding("chip", "compute.chip_not_here", params)


def chip_faults(
    chip: str, count: int, *, adapter: str, makers: Mapping[str, str]
) -> Iterator[Finding]:
    """Why this machine cannot offer such devices; distant adapters say themselves what they have.

    ``makers``: by chip. Processors may be offered in any number: they are shared by time. Cost: as
    `counted`.
    """
    if adapter == LOCAL and chip != PROCESSOR:
        yield from short(chip, count, has=counted(chip, makers))


def said_by(command: tuple[str, ...]) -> str:
    """What a command prints; nothing where it is not there, fails or takes too long."""
    found = shutil.which(command[0])
    if found is None or not Path(found).is_absolute():  # never one that lies where work is done
        return ""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        ended = subprocess.run(
            (found, *command[1:]),
            capture_output=True,
            timeout=ANSWER_SECONDS,
            check=False,
            env={**environment, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.decode("utf-8", "replace") if ended.returncode == 0 else ""
