"""Every route as every role, as another tenant, and as nobody: results equal the declared table."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field

import pytest
from api_desk import Desk, open_home
from api_seeds import FIXED, SEEDS, Place, unknown

from yunhe.api.app import FLOORS
from yunhe.api.table import ROWS
from yunhe.identity.domain import ROLES, SCOPES, Member
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

DECLARED = {route.name: route for floor in FLOORS for route in floor.declared}
NAMES = sorted(DECLARED)
KEYED = [name for name in NAMES if not ROWS[name].public]
UNSAFE = [name for name in KEYED if not name.startswith("GET ")]
OWN_NAMES = {
    "POST /v1/forwarded/{job}/cancel",  # one that is called off need not have come
    "GET /v1/agents/{site}/jobs/{job}/inputs/{name}",  # needs a right: test_compute_agents
}
"""The organisation is part of the name, so that another's is never met."""
WITH_THINGS = [name for name in NAMES if re.search(r"{(?!role})", name) and name not in OWN_NAMES]
GATES = {
    "api.credential_missing",
    "api.scope_missing",
    "api.role_missing",
    "api.operator_only",
    "identity.csrf",
}
"""Codes with which the guard refuses; behind them a route may answer what it wants."""
KINDS = {"university": "university", "operator": "operator", "regulator": "regulator"}


@dataclass
class Town:
    """Three organisations with a member for every role, and another tenant."""

    desk: Desk
    members: dict[tuple[str, str], Member] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    seeds: dict[tuple[str, str], str] = field(default_factory=dict)
    addresses: itertools.count = field(default_factory=lambda: itertools.count(1))

    def ask(self, name: str, key: str = "", *, path: str | None = None, **given):
        """Call a route; everything without a key comes from an address of its own."""
        method, _, template = name.partition(" ")
        number = next(self.addresses)
        headers = {
            "x-forwarded-for": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            **given.pop("headers", {}),
        }
        if method in ("POST", "PUT", "PATCH") and "json" not in given:
            given["content"] = b"{}"
            headers["content-type"] = DECLARED[name].consumes
        return self.desk.ask(method, path or self.path(template), key, headers=headers, **given)

    def path(self, template: str, **things: str) -> str:
        """The template with ids that name nothing, or the given ones."""

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            return things.get(name) or FIXED.get(name) or unknown(name, self.seed(name, "a"))

        return re.sub(r"{(\w+)}", fill, template)

    def seed(self, name: str, place: str) -> str:
        """The id of a thing of that place."""
        if (name, place) not in self.seeds:
            self.seeds[name, place] = SEEDS[name](self.desk, self.places[place])
        return self.seeds[name, place]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    home = tmp_path_factory.mktemp("town")
    database = Database.at(home / "yunhe.db", durable=False)
    with database.begin() as tx:
        metadata.create_all(tx)
    storage = Storage(database, LocalBlobs(home / "blobs"), ManualClock())
    platform = open_home(storage, home / "home", trusted_proxies="127.0.0.1")
    with Desk(platform).open() as desk:
        made = Town(desk)
        for name, kind in {**KINDS, "a": "company", "b": "company"}.items():
            organisation = desk.organisation(name, kind)
            administrator = desk.member(organisation, "administrator", name=f"{name} admin")
            made.places[name] = Place(organisation, administrator.id)
        for name, role in itertools.product([*KINDS, "b"], ROLES):
            if role == "operator" and name != "operator":
                continue  # identity gives it in the operator's organisation alone
            member = desk.member(made.places[name].organisation, role)
            made.members[name, role] = member
            made.keys[name, role] = desk.key(member)
        yield made
    database.close()


def gate(answer) -> str:
    """The code with which the guard refused; empty when the caller came past it."""
    if answer.status_code in (401, 403):
        code = answer.json()["code"]
        return code if code in GATES or answer.status_code == 401 else ""
    return ""


def admitted(name: str, kind: str, role: str) -> bool:
    """What the declared row says of a caller with one role and a key with every scope."""
    row = ROWS[name]
    if row.who == "operator" and kind != "operator":
        return False
    beyond = kind in ("operator", "regulator") and role in row.beyond
    return not row.roles or role in row.roles or beyond


def test_the_table_and_the_routes_are_the_same():
    assert set(ROWS) == set(DECLARED)


def test_every_role_and_scope_the_table_names_exists():
    for name, row in ROWS.items():
        assert row.roles | row.beyond <= set(ROLES), name
        assert row.scope in {"", *SCOPES}, name


def test_every_unsafe_route_asks_for_a_write_scope_and_every_other_for_a_read_scope():
    free = {"POST /v1/session", "POST /auth/logout"}
    for name in KEYED:
        scope = ROWS[name].scope
        if scope == "agent":  # for one site's work, both ways, and for nothing else
            assert name.split()[1].startswith("/v1/agents/"), name
            continue
        verb = "read" if name.startswith("GET ") else "write"
        assert scope.endswith(f":{verb}") or name in free or (verb == "read" and not scope), name


@pytest.mark.parametrize("name", NAMES)
def test_nobody_gets_past_the_guard_of_a_route_that_is_not_open(town, name):
    found = gate(town.ask(name))
    assert found == ("" if ROWS[name].public else "api.credential_missing")


@pytest.mark.parametrize("name", KEYED)
def test_every_role_of_every_kind_of_organisation_gets_what_the_table_says(town, name):
    found = {who: gate(town.ask(name, key)) == "" for who, key in town.keys.items()}
    assert found == {who: admitted(name, *who) for who in found if who[0] != "b"} | {
        who: admitted(name, "company", who[1]) for who in found if who[0] == "b"
    }


@pytest.mark.parametrize("name", KEYED)
def test_a_key_without_the_scope_opens_nothing_whatever_its_member_may(town, name):
    scope = ROWS[name].scope
    others = [each for each in SCOPES if each not in ("*", scope)]
    for who in [("operator", role) for role in ROLES]:
        if not admitted(name, *who):
            continue
        without = town.desk.key(town.members[who], *others)
        assert gate(town.ask(name, without)) == ("api.scope_missing" if scope else "")
        if scope:
            assert gate(town.ask(name, town.desk.key(town.members[who], scope))) == ""
        return


@pytest.mark.parametrize("name", KEYED)
def test_expired_revoked_and_invented_keys_open_nothing(town, name):
    member = town.members["operator", "operator"]
    now_us = town.desk.now_us()
    expired = town.desk.key(member, expires_at_us=now_us + DAY_US)
    town.desk.storage.clock.advance(seconds=86_401)
    try:
        assert gate(town.ask(name, expired)) == "identity.key_expired"
    finally:
        town.desk.storage.clock.advance(seconds=-86_401)
    assert gate(town.ask(name, expired[:-1] + ("0" if expired[-1] != "0" else "1"))) == (
        "identity.key_unknown"
    )
    assert gate(town.ask(name, "yk_nonsense")) == "identity.key_unknown"


@pytest.mark.parametrize("name", UNSAFE)
def test_a_session_without_its_token_changes_nothing(town, name):
    for role in ROLES:
        if not admitted(name, "operator", role):
            continue
        member = town.members["operator", role]
        cookie, csrf = town.desk.session(member)
        assert gate(town.ask(name, headers=cookie)) == "identity.csrf"
        _, other = town.desk.session(member)
        assert gate(town.ask(name, headers={**cookie, "x-csrf-token": other})) == "identity.csrf"
        assert gate(town.ask(name, headers={**cookie, "x-csrf-token": csrf})) == ""
        return


def told(answer, thing: str) -> tuple[int, str, dict[str, str]]:
    """Everything an answer says, but for the request's id and the id that was asked for."""
    answer_id = answer.headers["x-request-id"]
    text = answer.text.replace(answer_id, "REQUEST").replace(thing, "THING")
    kept = ("x-request-id", "date", "content-length", "ratelimit")
    headers = {name: value for name, value in answer.headers.items() if name not in kept}
    return answer.status_code, text, headers


@pytest.mark.parametrize("name", WITH_THINGS)
def test_ids_of_others_answer_exactly_like_ids_that_do_not_exist(town, name):
    template = name.partition(" ")[2]
    names = [each for each in re.findall(r"{(\w+)}", template) if each not in FIXED]
    thing = {each: town.seed(each, "a") for each in names}
    nothing = {each: unknown(each, thing[each]) for each in names}
    body = {} if name.startswith("GET ") else {"json": _body(name)}
    before = _snapshot(town)
    for role in ROLES:
        if role == "operator" or not admitted(name, "company", role):
            continue
        key = town.keys["b", role]
        there = town.ask(name, key, path=town.path(template, **thing), **body)
        gone = town.ask(name, key, path=town.path(template, **nothing), **body)
        last = names[-1] if len(names) == 1 else names[0]
        assert told(there, thing[last]) == told(gone, nothing[last]), role
        assert there.status_code in (403, 404, 405, 415, 422), role
    assert _snapshot(town) == before


def _snapshot(town: Town) -> str:
    """What place a has, as its administrator sees it."""
    key = town.keys.get(("a", "administrator"))
    if key is None:
        key = town.keys["a", "administrator"] = town.desk.key(town.places["a"].member)
    shown = [
        town.ask(name, key).json()
        for name in ("GET /v1/members", "GET /v1/invitations", "GET /v1/operations")
    ]
    return json.dumps(shown)


def _body(name: str) -> object:
    """The example of the route's body, if it has one."""
    return BODIES.get(name, {})


BODIES = {"POST /v1/members/{member}/roles": {"role": "auditor"}}


@pytest.mark.parametrize("name", [n for n in WITH_THINGS if n.startswith("GET ")])
def test_whoever_may_look_beyond_sees_things_of_others_and_its_owner_its_own(town, name):
    row, template = ROWS[name], name.partition(" ")[2]
    thing = {
        each: town.seed(each, "a") for each in re.findall(r"{(\w+)}", template) if each != "role"
    }
    path = town.path(template, **thing)
    headers = {"accept": DECLARED[name].produces}
    if "events" in name or name.endswith("/stream"):
        return  # a stream has no end; its own tests follow it
    owner = town.desk.key(town.places["a"].member)
    own = town.ask(name, owner, path=path, headers=headers)
    assert own.status_code == 200 or not admitted(name, "company", "administrator"), own.text
    for role in ROLES:
        answer = town.ask(name, town.keys["operator", role], path=path, headers=headers)
        assert (answer.status_code == 200) == (role in row.beyond), (role, answer.text)
