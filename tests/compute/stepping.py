"""Steps that trials of the engine have in common: something arrives, something that runs ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from yunhe.compute.scheduling.events import Arrived
from yunhe.compute.scheduling.state import Request


class Stage(Protocol):
    """What a trial knows of its queue."""

    number: int
    now_us: int
    waiting: dict[str, Request]


def arrived(stage: Stage, what: Request) -> Arrived:
    """The next request, with number, name and time of its own."""
    stage.number += 1
    asked = replace(what, id=f"r{stage.number}", number=stage.number, since_us=stage.now_us)
    stage.waiting[asked.id] = asked
    return Arrived(asked)


def somebody(running: Collection[str], which: int) -> str:
    """One of those that run; a name that nobody has where nothing does."""
    names = sorted(running) or ["nobody"]
    return names[which % len(names)]
