"""What guaranteed windows are, and what can be said of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

WindowState = Literal["planned", "active", "over", "withdrawn"]
"""``over``: it ended, or the award it belongs to did."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """Devices guaranteed to the holder of an award for a while."""

    id: str
    """Derived from award and key."""
    award: str
    """The award, or the application that awards came of."""
    organisation: str
    """Who holds it."""
    project: str
    """Of its projects; empty: all."""
    chip: str
    """What the devices are."""
    devices: int
    """How many."""
    pool: str
    """Of which pool; empty: any."""
    site: str
    """At which site; empty: any."""
    from_us: int
    """From when."""
    until_us: int
    """Until when, not included."""
    reason: str = field(repr=False)
    """Why it was given, in the giver's words; the log has only its digest."""
    given_by: str
    """Member."""
    given_at_us: int
    """When."""
    ended_at_us: int | None
    """When it was withdrawn; None: it stands."""
    ended_by: str
    """Member who shortened or withdrew it last; empty before."""
    ended_reason: str = field(repr=False)
    """Why; empty before."""
    reference: str
    """Custody record of what was last said of it."""


@dataclass(frozen=True, slots=True)
class GuaranteeStatus:
    """A window and how it stands."""

    guarantee: Guarantee
    """The window."""
    state: WindowState
    """Whether it holds now."""
    ends_at_us: int
    """When it ends: its own end, or that of the award if that is sooner."""
    used: int
    """Devices its holder uses of it now."""
    missing: int
    """Devices that could not be given now, since nodes broke or left after it was given."""

    @property
    def idle(self) -> int:
        """Guaranteed devices that its holder does not use now; nobody pays for them."""
        return self.guarantee.devices - self.used if self.state == "active" else 0
