"""Commands and questions about cities; operators give the commands, and each is on record.

Whoever nothing is said of belongs to the platform's own city, whose code is a setting. Work that
another platform hands over is that of the organisation it does so for, and so of its city.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import authority, checks
from yunhe.identity import store as parties
from yunhe.identity.cities import store
from yunhe.identity.cities.domain import CODE, OWN, City
from yunhe.identity.domain import Organisation, Principal
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Conflict, Finding, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Database, Transaction, carried

_NAME = "city"


def take(database: Database, code: str) -> None:
    """Let this be the code of the platform's own city from now on."""
    database.carry(**{_NAME: code})


def own(tx: Transaction) -> str:
    """Code of the platform's own city."""
    return str(carried(tx, _NAME) or OWN)


def cities(tx: Transaction) -> list[City]:
    """The platform's own, then those that were added, by code."""
    here, counts = own(tx), store.counts(tx)
    known = {each.code: each for each in store.cities(tx)}
    first = known.pop(here, City(here, ""))
    many = counts.get("", 0) + counts.get(here, 0)
    rest = [replace(each, organisations=counts.get(each.code, 0)) for each in known.values()]
    return [replace(first, organisations=many, own=True), *rest]


def city(tx: Transaction, code: str) -> City:
    """A city that is known. Errors: `NotFound` ``identity.city_unknown``."""
    here = own(tx)
    found = store.city(tx, code)
    if code == here:
        return replace(found or City(here, ""), own=True)
    if found is None:
        raise NotFound("identity.city_unknown", city=code[:64])
    return found


def cities_of(tx: Transaction, organisations: Sequence[str]) -> dict[str, str]:
    """Codes of the cities of those that are of another than the platform's own.

    Cost: a query for each 5,000.
    """
    here = own(tx)
    found = store.cities_of(tx, organisations)
    return {name: code for name, code in found.items() if code != here}


def add_city(
    tx: Transaction, code: str, *, name: str = "", at_us: int, by: Principal | None = None
) -> City:
    """Add a city, or rename it; the same again changes nothing.

    Errors: `Invalid` ``identity.city_invalid`` with every finding; `NotAllowed`
    ``identity.scope_missing``, ``identity.role_missing``.
    """
    _require_operator(by)
    findings = [] if CODE.fullmatch(code) else [Finding("city", "identity.city_code")]
    if name:
        findings += checks.text("name", name)
    checks.refuse(findings)
    before = store.city(tx, code)
    if before is not None and before.name == name:
        return city(tx, code)
    body: dict[str, Json] = {"step": "added" if before is None else "renamed", "name": name}
    last = "" if before is None else before.reference
    reference = _record(tx, code, body, last=last, by=by, at_us=at_us)
    store.put(tx, City(code, name, reference=reference), by=_member(by), at_us=at_us)
    return city(tx, code)


def remove_city(tx: Transaction, code: str, *, at_us: int, by: Principal | None = None) -> None:
    """Take away a city to which no organisation belongs.

    Errors: `NotFound` ``identity.city_unknown``; `Conflict` ``identity.city_own``,
    ``identity.city_in_use``; `NotAllowed` as `add_city`.
    """
    _require_operator(by)
    if code == own(tx):
        raise Conflict("identity.city_own", city=code)
    found = city(tx, code)
    count = store.counts(tx).get(code, 0)
    if count:
        raise Conflict("identity.city_in_use", city=code, organisations=count)
    body: dict[str, Json] = {"step": "removed", "name": found.name}
    _record(tx, code, body, last=found.reference, by=by, at_us=at_us)
    store.remove(tx, code)


def set_city(
    tx: Transaction, organisation: str, code: str, *, at_us: int, by: Principal | None = None
) -> Organisation:
    """Say which city an organisation belongs to; the same again changes nothing.

    ``code``: one that is known; empty or the platform's own: the platform's own. Errors: `NotFound`
    ``identity.organisation_unknown``, ``identity.city_unknown``; `NotAllowed` as `add_city`.
    """
    _require_operator(by)
    found = parties.organisation(tx, organisation)
    if found is None:
        raise NotFound("identity.organisation_unknown", organisation=organisation)
    here = own(tx)
    if code and code != here:
        city(tx, code)
    to, before = ("" if code == here else code), ("" if found.city == here else found.city)
    if to == before:
        return found
    body: dict[str, Json] = {
        "step": "moved",
        "organisation": organisation,
        "before": before or here,
    }
    last = store.reference_of(tx, organisation)
    reference = _record(tx, to or here, body, last=last, by=by, at_us=at_us)
    store.move(tx, organisation, to, reference=reference)
    return replace(found, city=to)


def _require_operator(by: Principal | None) -> None:
    authority.require_scope(by)
    if by is not None and not authority.is_operator(by):
        raise NotAllowed("identity.role_missing", member=by.member, role="operator")


def _member(by: Principal | None) -> str:
    return "" if by is None else by.member


def _record(
    tx: Transaction,
    code: str,
    body: dict[str, Json],
    *,
    last: str,
    by: Principal | None,
    at_us: int,
) -> str:
    links = {"replaces": last} if last else {}
    said = {"city": code, **body, "said_by": _member(by)}
    subject = derived_id("city", code, str(body.get("organisation", "")), str(at_us), last)
    return custody.append(tx, Record("identity.city", subject, at_us, said, links))
