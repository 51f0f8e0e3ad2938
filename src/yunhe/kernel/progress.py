"""A seam through which long work says how far it is; what shows it is the caller's business."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives steps of one piece of long work."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """``done`` of ``total`` units of ``what`` (a locale key or a plain noun) are finished."""
        ...


class Silent:
    """Shows nothing."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Ignore the step."""
