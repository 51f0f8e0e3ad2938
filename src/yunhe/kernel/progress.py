"""A seam through which long work says how far it is; what shows it is the caller's business."""

from __future__ import annotations

from typing import Literal, Protocol

Halt = Literal["", "cancel", "hand_back"]
"""What long work is asked: to go on (empty), to end for good, or to leave off at a place from which
another worker goes on."""


class Stopped(Exception):
    """Long work left off because it was asked to; whoever asked catches it, no person sees it."""


class Progress(Protocol):
    """Receives steps of one piece of long work."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """``done`` of ``total`` units of ``what`` (a locale key or a plain noun) are finished."""
        ...


class Silent:
    """Shows nothing."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Ignore the step."""


def go_on() -> Halt:
    """What work is asked that nobody ever stops."""
    return ""
