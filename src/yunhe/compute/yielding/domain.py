"""How a job at a site was asked to make room, as kept beside the other reasons to end one."""

from __future__ import annotations

MAKES_ROOM = 3
"""It was asked to save its work and end."""
CUT_SHORT = 4
"""It had its time to do so and is ended as it is."""
ON_REQUEST = (1, MAKES_ROOM, CUT_SHORT)
"""Ends that somebody asked for; the first: nobody wants it any more."""
