"""Commands and questions about guaranteed windows: given, shortened, withdrawn, listed.

A window is given only where it can be kept: nobody is told that it holds and then waits for others.
What makes that impossible is said all at once, with the nearest number and the nearest time that
would do. Every change is a record in the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from yunhe.compute import store as rows_of
from yunhe.compute.accepting import Accepted
from yunhe.compute.admission import admit, picture_of
from yunhe.compute.applications import store as applications
from yunhe.compute.applications.windows import store as spans
from yunhe.compute.errors import refuse
from yunhe.compute.passes.domain import PUSHABLE
from yunhe.compute.reasons import Params
from yunhe.compute.remote import store as remote
from yunhe.compute.scheduling.engine import engine_of
from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.scheduling.state import Picture, WindowView
from yunhe.compute.specs import amount_faults, key_faults, text_faults
from yunhe.compute.supply.classes import is_several
from yunhe.compute.windows import store
from yunhe.compute.windows.checking import Held
from yunhe.compute.windows.domain import Guarantee, GuaranteeStatus, WindowState
from yunhe.compute.windows.grounds import ground_of
from yunhe.compute.windows.views import holds_of, pools_of, views
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, digest_of
from yunhe.kernel.clock import DAY_US, iso
from yunhe.kernel.errors import Conflict, Finding, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = ["Guarantee", "GuaranteeStatus", "change", "give", "views", "window", "windows"]

DEVICES_MAX = 1_000_000
"""Most devices of one window."""
LOOKED_AHEAD_US = 366 * DAY_US
"""How far ahead a time is looked for at which it would be possible."""


def give(  # noqa: PLR0913 - each named; a window has as many parts
    storage: Storage,
    *,
    key: str,
    award: str,
    devices: int,
    from_us: int | None,
    until_us: int,
    pool: str = "",
    site: str = "",
    project: str = "",
    reason: str,
    given_by: str,
) -> Guarantee:
    """Guarantee devices to an award's holder; the same key again returns the first window.

    ``award``: an award, or the application that awards came of; ``from_us`` None: now. Errors:
    `Invalid` ``compute.window_invalid`` with every finding; `NotFound` ``compute.award_unknown``;
    `NotAllowed` ``identity.role_missing`` unless an operator gives it; `Conflict`
    ``compute.window_differs``.
    """
    now_us = storage.clock.now_us()
    begins_us = now_us if from_us is None else from_us
    name = derived_id("window", award, key)
    findings = [*key_faults(key), *text_faults("reason", reason)]
    findings += amount_faults("devices", devices, least=1, most=DEVICES_MAX)
    with storage.database.begin() as tx:
        identity.require(tx, given_by, "operator")
        organisation, own, chip, starts_us, ends_us = _award(tx, award, pool)
        one = Guarantee(
            id=name,
            award=award,
            organisation=organisation,
            project=project or own,
            chip=chip,
            devices=devices,
            pool=pool,
            site=site,
            from_us=begins_us,
            until_us=until_us,
            reason=reason,
            given_by=given_by,
            given_at_us=now_us,
            ended_at_us=None,
            ended_by="",
            ended_reason="",
            reference="",
        )
        there = store.window(tx, name)
        if there is not None:
            if not _same(there[0], one, from_us=from_us):
                raise Conflict("compute.window_differs", key=key)
            return there[0]
        if project:
            identity.project(tx, project, organisation=organisation)
        findings += _period_faults(one, now_us=now_us, starts_us=starts_us, ends_us=ends_us)
        if not findings:
            findings += _room_faults(tx, one, now_us=now_us, latest_us=ends_us)
        refuse("compute.window_invalid", findings)
        one = replace(one, reference=_record(tx, one, "given", reason, at_us=now_us))
        store.add(tx, one)
        admit(tx, now_us=now_us)
    return one


def change(
    storage: Storage,
    name: str,
    *,
    until_us: int | None = None,
    devices: int | None = None,
    withdraw: bool = False,
    reason: str,
    by: str,
) -> Guarantee:
    """End a window sooner, at the earliest now, guarantee fewer devices, or withdraw it.

    What runs goes on. Saying what is so already changes nothing. Errors: `Invalid`
    ``compute.window_invalid``; `NotFound` ``compute.window_unknown``; `NotAllowed`
    ``identity.role_missing`` unless an operator does.
    """
    now_us = storage.clock.now_us()
    findings = list(text_faults("reason", reason))
    with storage.database.begin() as tx:
        identity.require(tx, by, "operator")
        found = store.window(tx, name)
        if found is None:
            raise NotFound("compute.window_unknown", window=name[:64])
        one, ends_us = found
        ended = replace(
            one,
            until_us=one.until_us if until_us is None else until_us,
            devices=one.devices if devices is None else devices,
            ended_at_us=now_us if withdraw and one.ended_at_us is None else one.ended_at_us,
        )
        if ended == one:
            refuse("compute.window_invalid", findings)
            return one
        findings += _less_faults(one, ended, ends_us=ends_us, now_us=now_us)
        refuse("compute.window_invalid", findings)
        ended = replace(ended, ended_by=by, ended_reason=reason)
        what = "withdrawn" if withdraw else "shortened"
        ended = replace(ended, reference=_record(tx, ended, what, reason, at_us=now_us))
        store.put(tx, ended)
        admit(tx, now_us=now_us)
    return ended


def window(tx: Transaction, name: str, *, now_us: int) -> GuaranteeStatus:
    """One window as it stands. Errors: `NotFound` ``compute.window_unknown``."""
    found = store.window(tx, name)
    if found is None:
        raise NotFound("compute.window_unknown", window=name[:64])
    return _stand(tx, [found], now_us=now_us)[0]


def windows(
    tx: Transaction,
    *,
    organisation: str | None = None,
    projects: frozenset[str] | None = None,
    after: str = "",
    limit: int = 50,
    now_us: int,
) -> list[GuaranteeStatus]:
    """Windows by id, of all or of one organisation. Cost: a look at everything that runs."""
    found = store.page(tx, organisation=organisation, projects=projects, after=after, limit=limit)
    return _stand(tx, found, now_us=now_us)


def _stand(
    tx: Transaction, found: list[tuple[Guarantee, int]], *, now_us: int
) -> list[GuaranteeStatus]:
    used: dict[str, tuple[int, int]] = {}
    if any(ends_us > now_us for _, ends_us in found):
        used = _used(picture_of(tx, [], now_us=now_us), now_us=now_us)
    return [
        GuaranteeStatus(one, _state(one, ends_us, now_us), ends_us, *used.get(one.id, (0, 0)))
        for one, ends_us in found
    ]


def _state(one: Guarantee, ends_us: int, now_us: int) -> WindowState:
    if one.ended_at_us is not None:
        return "withdrawn"
    if ends_us <= now_us:
        return "over"
    return "active" if one.from_us <= now_us else "planned"


def _used(picture: Picture, *, now_us: int) -> dict[str, tuple[int, int]]:
    """Devices used and missing of each window."""
    kept = engine_of(picture, YUNHE, now_us=now_us).kept
    if kept is None:
        return {}
    kept.look(now_us=now_us)
    return {
        one.id: (-(-kept.used_milli[at] // 1_000), kept.missing[at])
        for at, one in enumerate(kept.windows)
    }


def _award(tx: Transaction, award: str, pool: str) -> tuple[str, str, str, int, int]:
    """Organisation, project and chip of an award or application, and from and until when it lasts.

    Of one for several chips it is the chip of the pool that is named, if that is one of them.
    """
    found = rows_of.awards(tx, award=award)
    if found:
        status = found[0].award
        chip = _chip(tx, status.chip, status.accepts, pool)
        return status.organisation, "", chip, 0, status.expires_at_us
    asked = applications.application(tx, award)
    if asked is None or asked.state != "awarded" or not asked.ends_at_us or not asked.granted_ms:
        raise NotFound("compute.award_unknown", award=award[:64])
    said = asked.proposal
    given = spans.of(tx, award)
    chip, accepts = (given[-1].chip, given[-1].accepts) if given else (said.chip, None)
    starts_us = min((each.starts_at_us for each in given), default=0)
    on = _chip(tx, chip, accepts, pool)
    return said.organisation, said.project, on, starts_us, asked.ends_at_us


def _chip(tx: Transaction, word: str, accepts: Accepted | None, pool: str) -> str:
    there = rows_of.pool(tx, pool) if accepts is not None and pool else None
    usable = accepts is not None and there is not None and there.chip in accepts.rated
    return there.chip if there is not None and usable else word


def _same(there: Guarantee, said: Guarantee, *, from_us: int | None) -> bool:
    """Whether it was said in the same words before; what was shortened since does not count."""
    names = ("award", "project", "pool", "site", "reason")
    same = all(getattr(there, name) == getattr(said, name) for name in names)
    begins = from_us in (None, there.from_us)
    least = there.devices <= said.devices and there.until_us <= said.until_us
    return same and begins and (least if there.ended_by else _size(there) == _size(said))


def _size(one: Guarantee) -> tuple[int, int]:
    return one.devices, one.until_us


def _period_faults(
    one: Guarantee, *, now_us: int, starts_us: int, ends_us: int
) -> Iterator[Finding]:
    if one.from_us < now_us:
        yield Finding("from", "compute.period_past", (("now", iso(now_us)),))
    elif one.from_us < starts_us:
        yield Finding("from", "compute.window_before_award", (("begins", iso(starts_us)),))
    if one.until_us <= one.from_us:
        yield Finding("until", "compute.period_empty")
    if one.until_us > ends_us:
        yield Finding("until", "compute.window_beyond_award", (("ends", iso(ends_us)),))
    if one.pool and one.site:
        yield Finding("site", "compute.window_place_twice")


def _less_faults(
    one: Guarantee, said: Guarantee, *, ends_us: int, now_us: int
) -> Iterator[Finding]:
    if ends_us <= now_us:
        yield Finding("window", "compute.window_over", (("ended", iso(ends_us)),))
    if said.until_us > one.until_us or said.devices > one.devices:
        yield Finding("until", "compute.window_longer")
    if said.until_us < one.until_us and said.until_us < max(now_us, one.from_us):
        yield Finding("until", "compute.period_past", (("now", iso(now_us)),))
    yield from amount_faults("devices", said.devices, least=1, most=DEVICES_MAX)


def _room_faults(
    tx: Transaction, one: Guarantee, *, now_us: int, latest_us: int
) -> Iterator[Finding]:
    statuses = rows_of.pools(tx)
    pools = pools_of(one, [status.pool for status in statuses])
    if not pools and is_several(one.chip) and not one.pool:
        yield Finding("pool", "compute.window_several", (("chip", one.chip),))
        return
    if not pools:
        nowhere = (("chip", one.chip), ("place", one.pool or one.site or "*"))
        yield Finding("pool" if one.pool else "site", "compute.window_nowhere", nowhere)
        return
    picture = picture_of(tx, [], now_us=now_us)
    ground = ground_of(tx, one.chip, statuses, picture, now_us=now_us)
    usable = frozenset(pools) & ground.devices.keys()
    wanted = Held(holds_of(one), one.devices, one.from_us, one.until_us, usable)
    most = ground.most(wanted) if usable else 0
    if most >= one.devices:
        pushable = PUSHABLE | remote.pushing(tx)
        pools_of_all = [status.pool for status in statuses]
        new = views([(one, one.until_us)], pools_of_all, pushable=pushable)
        yield from _apart(one, picture, new, now_us=now_us)
        return
    for shut in ground.shut_then(wanted):
        params: Params = (
            ("pool", shut.pool),
            ("begins", iso(shut.from_us)),
            ("ends", iso(shut.until_us)),
        )
        yield Finding("from", "compute.window_maintenance", params)
    in_way = [each for each in ground.in_way if each.until_us > one.from_us and each.pool in pools]
    if in_way and replace(ground, in_way=()).most(wanted) > most:
        number = sum(each.devices for each in in_way)
        last = iso(max(each.until_us for each in in_way))
        yield Finding("from", "compute.window_in_use", (("devices", number), ("ends", last)))
    far_us = min(latest_us, one.from_us + LOOKED_AHEAD_US)
    earliest = ground.earliest(wanted, latest_us=far_us)
    said: Params = (("devices", one.devices), ("most", max(most, 0)))
    if earliest is None:
        yield Finding("devices", "compute.window_full", said)
    else:
        yield Finding("devices", "compute.window_full_until", (*said, ("earliest", iso(earliest))))


def _apart(
    one: Guarantee, picture: Picture, new: tuple[WindowView, ...], *, now_us: int
) -> Iterator[Finding]:
    """That the devices suffice by number, but not on the nodes on which they would be kept.

    Those of windows that were given before stay theirs.
    """
    before = _used(picture, now_us=now_us)
    after = _used(replace(picture, windows=(*picture.windows, *new)), now_us=now_us)
    lost = sum(max(after[name][1] - before[name][1], 0) for name in before)
    missing = after[one.id][1] + lost
    if missing > 0:
        most = max(one.devices - missing, 0)
        yield Finding("devices", "compute.window_apart", (("devices", one.devices), ("most", most)))


def _record(tx: Transaction, one: Guarantee, what: str, reason: str, *, at_us: int) -> str:
    body: dict[str, Json] = {
        "what": what,
        "award": one.award,
        "organisation": one.organisation,
        "project": one.project,
        "chip": one.chip,
        "devices": one.devices,
        "pool": one.pool,
        "site": one.site,
        "from_us": one.from_us,
        "until_us": one.until_us,
        "by": one.ended_by or one.given_by,
        "reason": digest_of(reason),
    }
    if not one.reference:
        return custody.append(tx, Record("compute.window", one.id, at_us, body, {}))
    subject = derived_id("window", one.id, one.reference)
    body["window"] = one.id
    links = {"before": one.reference}
    return custody.append(tx, Record("compute.window", subject, at_us, body, links))
