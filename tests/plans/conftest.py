"""Fixtures of the whole chain; see `plan_desk`."""

from __future__ import annotations

from plan_desk import (  # noqa: F401 (fixtures)
    bubblewrap,
    copied,
    desk,
    finished,
    full,
    small_plan,
    tickets,
)
