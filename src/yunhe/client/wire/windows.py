"""Messages about guaranteed windows of awards."""

from __future__ import annotations

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from yunhe.client.wire.releases import Until
from yunhe.client.wire.shapes import Id, Sent, Shown, Time

_WINDOW = "window_r6w0h1ab7v1k0e5m2q9xj4c8t3"
_AWARD = "award_9xj4c8t3r6w0h1ab7v1k0e5m2q"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "member_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_FROM, _UNTIL = "2027-03-01T00:00:00.000000Z", "2027-03-15T00:00:00.000000Z"
_WHY = "model run of two weeks"
_REASON = Field(min_length=1, max_length=200)
_DEVICES = Field(strict=True, ge=1, le=1_000_000)
_SHOWN: JsonDict = {
    "id": _WINDOW,
    "award": _AWARD,
    "organisation": _ORG,
    "project": "",
    "chip": "ascend-910b",
    "devices": 64,
    "pool": "",
    "site": "east-1",
    "from_at": _FROM,
    "until_at": _UNTIL,
    "ends_at": _UNTIL,
    "state": "active",
    "used": 48,
    "idle": 16,
    "missing": 0,
    "reason": _WHY,
    "given_by": _MEMBER,
    "ended_reason": "",
    "reference": "log.example#7",
}


class NewWindow(Sent):
    """Devices to guarantee to an award's holder for a while."""

    award: str = Field(min_length=1, max_length=64)
    """The award, or the application that awards came of."""
    devices: int = _DEVICES
    """How many."""
    from_at: Until | None = None
    """From when; null: from now on."""
    until_at: Until
    """Until when, not included."""
    pool: str = Field(default="", max_length=64)
    """Of which pool; empty: of any."""
    site: str = Field(default="", max_length=200)
    """At which site; empty: at any."""
    project: str = Field(default="", max_length=64)
    """For one project of the organisation; empty: the application's, or all."""
    reason: str = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "award": _AWARD,
                "devices": 64,
                "from_at": _FROM,
                "until_at": _UNTIL,
                "site": "east-1",
                "reason": _WHY,
            }
        }
    )


class WindowChange(Sent):
    """What of a window is to be less from now on."""

    until_at: Until | None = None
    """A sooner end; null: as before."""
    devices: int | None = Field(default=None, strict=True, ge=1, le=1_000_000)
    """Fewer devices; null: as before."""
    withdraw: bool = Field(default=False, strict=True)
    """Whether it is withdrawn altogether."""
    reason: str = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"withdraw": True, "reason": "the trial was put off"}}
    )


class GuaranteedWindow(Shown):
    """Devices guaranteed to an award's holder for a while, and how that stands."""

    id: Id
    """Its id."""
    award: Id
    """The award, or the application that awards came of."""
    organisation: Id
    """Who holds it."""
    project: str
    """For one of its projects; empty: for all."""
    chip: str
    """What the devices are."""
    devices: int
    """How many."""
    pool: str
    """Of which pool; empty: of any."""
    site: str
    """At which site; empty: at any."""
    from_at: Time
    """From when."""
    until_at: Time
    """Until when, not included."""
    ends_at: Time
    """When it really ends: with its award, if that is sooner."""
    state: str
    """``planned``, ``active``, ``over`` or ``withdrawn``."""
    used: int
    """Devices its holder uses of it now, or will by work that lasts until it begins."""
    idle: int
    """Guaranteed devices that are not used now; nobody pays for them."""
    missing: int
    """Devices that could not be given now: nodes broke or left since."""
    reason: str
    """Why it was given."""
    given_by: Id
    """Member."""
    ended_reason: str
    """Why it was shortened or withdrawn; empty before."""
    reference: str
    """Record in the log of what was last said of it."""

    model_config = ConfigDict(json_schema_extra={"example": _SHOWN})
