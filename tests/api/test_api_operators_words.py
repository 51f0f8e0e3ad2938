"""The plan, weights and ways over HTTP: whose roles and keys suffice, cursors, and what is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yunhe.compute.planning import store
from yunhe.compute.planning.domain import ChipLine, Made, PoolLine
from yunhe.kernel.clock import SECOND_US, iso

MADE = Made(
    number=0,
    at_us=0,
    until_us=0,
    state="sound",
    reason="",
    cpu_us=20_000,
    classes=3,
    served_ppm=5,
    bound_ppm=7,
    reached_ppm=3,
    gap_ppm=1,
    chips=(ChipLine("h20", 16, 12, 40, 16_000, 998_800),),
    pools=(PoolLine("pool_a", "h20", 16, 16_000, 998_800),),
)
LISTS = ("/v1/weights", "/v1/ways")
SENT = {
    "/v1/weights": {"kind": "sme", "weight": 3},
    "/v1/ways": {"from_site": "a", "to_site": "b", "megabit_per_second": 10},
}


class Office:
    """The operator's people: one who operates, an auditor, somebody without either role."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.home = desk.organisation("operator", "operator")
        self.chief = desk.key(desk.member(self.home, "operator"))
        self.auditor = desk.key(desk.member(self.home, "auditor"))
        self.trainer = desk.key(desk.member(self.home, "trainer"))
        lake = desk.organisation("lake")
        self.outside = desk.key(desk.member(lake, "administrator", "trainer"))

    def ask(self, method: str, path: str, key: str, body: object = None):
        return self.desk.ask(method, path, key, **({} if body is None else {"json": body}))

    def keep(self, made: Made) -> None:
        with self.desk.storage.database.begin() as tx:
            store.keep(tx, made, None)

    def plan(self, key: str = "") -> dict:
        found = self.ask("GET", "/v1/plan", key or self.chief)
        assert found.status_code == 200, found.text
        return found.json()


@pytest.fixture
def office(desk) -> Office:
    return Office(desk)


@pytest.mark.parametrize("path", ["/v1/plan", "/v1/weights"])
def test_the_operators_auditors_read_what_nobody_outside_does(office, path) -> None:
    for key, status in ((office.chief, 200), (office.auditor, 200), (office.trainer, 403),
                        (office.outside, 403), ("", 401)):  # fmt: skip
        assert office.ask("GET", path, key).status_code == status


@pytest.mark.parametrize("path", LISTS)
def test_only_who_operates_says_and_only_with_a_key_that_writes(office, path) -> None:
    operator = office.desk.member(office.home, "operator")
    narrow = office.desk.key(operator, "compute:read")
    for key in (office.auditor, office.trainer, office.outside, narrow):
        assert office.ask("PUT", path, key, SENT[path]).status_code == 403
    assert office.ask("PUT", path, "", SENT[path]).status_code == 401
    assert office.ask("GET", path, narrow).json() == {"items": [], "next": None}
    wide = office.desk.key(operator, "compute:write", "compute:read")
    assert office.ask("PUT", path, wide, SENT[path]).status_code == 200
    assert len(office.ask("GET", path, narrow).json()["items"]) == 1


@pytest.mark.parametrize("path", LISTS)
def test_a_page_nobody_gave_out_is_refused(office, path) -> None:
    for query in ("after=nonsense", "after=%00", "limit=0", "limit=x", "limit=-1", "limit=100000"):
        refused = office.ask("GET", f"{path}?{query}", office.chief)
        assert (refused.status_code, refused.json()["kind"]) == (422, "invalid"), query


def test_a_cursor_of_one_list_or_of_another_organisation_opens_no_other(office) -> None:
    for start in "abc":
        way = {**SENT["/v1/ways"], "from_site": start}
        office.ask("PUT", "/v1/ways", office.chief, way)
        weight = {"kind": {"a": "sme", "b": "university", "c": "provider"}[start], "weight": 2}
        office.ask("PUT", "/v1/weights", office.chief, weight)
    marks = {
        path: office.ask("GET", f"{path}?limit=1", office.chief).json()["next"] for path in LISTS
    }
    assert None not in marks.values()
    for path, other in (LISTS, LISTS[::-1]):
        assert office.ask("GET", f"{path}?after={marks[other]}", office.chief).status_code == 422
    mine = f"/v1/ways?after={marks['/v1/ways']}"
    assert len(office.ask("GET", mine, office.chief).json()["items"]) == 2
    assert office.ask("GET", mine, office.outside).status_code == 422


def test_a_page_as_long_as_the_list_is_the_last(office) -> None:
    for start in "ab":
        office.ask("PUT", "/v1/ways", office.chief, {**SENT["/v1/ways"], "from_site": start})
    found = office.ask("GET", "/v1/ways?limit=2", office.outside).json()
    assert ([each["from_site"] for each in found["items"]], found["next"]) == (["a", "b"], None)


def test_a_way_that_was_said_again_keeps_its_place(office) -> None:
    for start, speed in (("b", 1), ("a", 2), ("b", 3)):
        said = {"from_site": start, "to_site": "c", "megabit_per_second": speed}
        assert office.ask("PUT", "/v1/ways", office.chief, said).json() == said
    found = office.ask("GET", "/v1/ways", office.chief).json()["items"]
    speeds = [(each["from_site"], each["megabit_per_second"]) for each in found]
    assert speeds == [("a", 2), ("b", 3)]


def test_a_weight_of_an_organisation_stands_beside_that_of_its_kind(office) -> None:
    lake = office.desk.organisation("sea", "university")
    for more, weight in (({}, 2), ({"organisation": lake}, 5), ({"organisation": lake}, 6)):
        said = {"kind": "university", "weight": weight, **more}
        assert office.ask("PUT", "/v1/weights", office.chief, said).status_code == 200
    found = office.ask("GET", "/v1/weights", office.chief).json()["items"]
    assert [(each["organisation"], each["weight"]) for each in found] == [("", 2), (lake, 6)]


def test_a_weight_out_of_bounds_is_refused_and_the_former_stays(office) -> None:
    office.ask("PUT", "/v1/weights", office.chief, {"kind": "sme", "weight": 7})
    for weight in (0, 1_001, -1, "3", 1.5, True, None, 10**30):
        refused = office.ask("PUT", "/v1/weights", office.chief, {"kind": "sme", "weight": weight})
        assert refused.status_code == 422, weight
        fields = [each["where"].rpartition(".")[2] for each in refused.json()["findings"]]
        assert fields == ["weight"]
    [kept] = office.ask("GET", "/v1/weights", office.chief).json()["items"]
    assert kept["weight"] == 7


def test_a_plan_is_told_whole_and_the_last_one_counts(office) -> None:
    now_us = office.desk.now_us()
    office.keep(replace(MADE, at_us=now_us - SECOND_US, until_us=now_us, classes=99))
    office.keep(replace(MADE, at_us=now_us, until_us=now_us + 900 * SECOND_US))
    told = office.plan(office.auditor)
    assert (told["state"], told["followed"], told["classes"]) == ("sound", True, 3)
    assert (told["at"], told["until"]) == (iso(now_us), iso(now_us + 900 * SECOND_US))
    assert told["chips"] == [
        {"chip": "h20", "supply": 16, "busy": 12, "wanted": 40, "planned_milli": 16_000,
         "price_ppm": 998_800}
    ]  # fmt: skip
    assert [(each["pool"], each["supply"]) for each in told["pools"]] == [("pool_a", 16)]


@pytest.mark.parametrize("change", [{"until_us": -1}, {"state": "failed", "reason": "solver_4"}])
def test_a_plan_that_is_old_or_failed_is_told_but_not_followed(office, change) -> None:
    now_us = office.desk.now_us()
    change = {name: value + now_us if name == "until_us" else value
              for name, value in change.items()}  # fmt: skip
    office.keep(replace(MADE, **{"at_us": now_us - 2, "until_us": now_us + SECOND_US, **change}))
    told = office.plan()
    assert told["followed"] is False
    assert (told["state"], told["reason"]) == (change.get("state", "sound"),
                                               change.get("reason", ""))  # fmt: skip


def test_without_a_plan_every_number_is_nought(office) -> None:
    told = office.plan()
    assert (told["state"], told["at"], told["until"]) == ("none", None, None)
    assert (told["chips"], told["pools"]) == ([], [])
    assert {told[name] for name in told if name.endswith(("_ppm", "_us"))} == {0}
