"""Which cities there are, who belongs to which, and that each word of it is on record."""

from __future__ import annotations

import pytest

from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.identity.cities import store
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.settings import from_environment


@pytest.fixture
def beijing(town):
    """A town of a platform in Shanghai, with Beijing beside it."""
    identity.take_city(town.storage.database, "CN-31")
    town.do(identity.add_city, "CN-11", name="北京")
    return town


def cities(town) -> dict[str, tuple[str, int, bool]]:
    return {c.code: (c.name, c.organisations, c.own) for c in town.see(identity.cities)}


def test_everybody_belongs_to_the_platforms_own_city_unless_another_is_said(beijing):
    assert cities(beijing) == {"CN-31": ("", 2, True), "CN-11": ("北京", 0, False)}
    moved = beijing.do(identity.set_city, beijing.university, "CN-11")
    assert moved.city == "CN-11"
    assert cities(beijing) == {"CN-31": ("", 1, True), "CN-11": ("北京", 1, False)}
    both = [beijing.university, beijing.city, "org_nobody"]
    assert beijing.see(identity.cities_of, both) == {beijing.university: "CN-11"}
    assert beijing.see(identity.organisation, beijing.university) == moved
    assert beijing.do(identity.set_city, beijing.university, "CN-31").city == ""
    assert beijing.see(identity.cities_of, both) == {}


def test_a_home_without_the_setting_has_one_city(town):
    assert cities(town) == {"local": ("", 2, True)}
    assert town.see(identity.own_city) == from_environment({}).city == "local"
    with pytest.raises(NotFound):
        town.do(identity.set_city, town.university, "CN-11")


def test_a_city_that_the_setting_names_later_is_the_own_one_with_all_its_organisations(beijing):
    beijing.do(identity.set_city, beijing.university, "CN-11")
    identity.take_city(beijing.storage.database, "CN-11")
    assert cities(beijing) == {"CN-11": ("北京", 2, True)}
    assert beijing.see(identity.cities_of, [beijing.university]) == {}


@pytest.mark.parametrize("code", ["", " ", "a b", "北京", "-x", "x" * 33, "a/b", "CN-11\n"])
def test_what_is_no_code_of_a_city_is_refused(town, code):
    with pytest.raises(Invalid) as refused:
        town.do(identity.add_city, code, name="x" * 201)
    assert [finding.where for finding in refused.value.findings] == ["city", "name"]


def test_unknown_cities_and_organisations_are_told(beijing):
    for organisation, code in ((beijing.university, "CN-99"), ("org_nobody", "CN-11")):
        with pytest.raises(NotFound):
            beijing.do(identity.set_city, organisation, code)
    with pytest.raises(NotFound):
        beijing.do(identity.add_organisation, key="new", name="New", kind="sme", city="CN-99")
    with pytest.raises(NotFound):
        beijing.do(identity.remove_city, "CN-99")


def test_a_city_in_use_stays_and_so_does_the_platforms_own(beijing):
    beijing.do(identity.set_city, beijing.university, "CN-11")
    for code, why in (("CN-11", "identity.city_in_use"), ("CN-31", "identity.city_own")):
        with pytest.raises(Conflict) as refused:
            beijing.do(identity.remove_city, code)
        assert refused.value.code == why
    beijing.do(identity.set_city, beijing.university, "")
    beijing.do(identity.remove_city, "CN-11")
    assert set(cities(beijing)) == {"CN-31"}
    beijing.clock.advance(seconds=1)
    assert beijing.do(identity.add_city, "CN-11").name == ""


def test_an_organisation_can_be_added_to_a_city_and_its_key_keeps_meaning_it(beijing):
    given = {"key": "new", "name": "New", "kind": "sme"}
    made = beijing.do(identity.add_organisation, **given, city="CN-11")
    assert made.city == "CN-11"
    assert beijing.do(identity.add_organisation, **given) == made
    assert beijing.do(identity.add_organisation, **given, city="CN-11") == made
    moved = beijing.do(identity.set_city, made.id, "CN-31")
    assert beijing.do(identity.add_organisation, **given, city="CN-11") == moved


def test_only_operators_say_anything_of_cities(beijing):
    who, chief = beijing.actor("dean"), beijing.actor("operator")
    for command, given in (
        (identity.add_city, ("CN-12",)),
        (identity.remove_city, ("CN-11",)),
        (identity.set_city, (beijing.university, "CN-11")),
    ):
        assert beijing.code(command, *given, by=who) == "identity.role_missing"
    assert cities(beijing)["CN-11"] == ("北京", 0, False)
    assert beijing.do(identity.set_city, beijing.university, "CN-11", by=chief).city == "CN-11"


def test_each_change_is_a_record_that_names_the_one_before(beijing):
    chief = beijing.actor("operator")
    first = beijing.do(identity.set_city, beijing.university, "CN-11", by=chief)
    assert beijing.do(identity.set_city, beijing.university, "CN-11", by=chief) == first
    beijing.clock.advance(seconds=1)
    beijing.do(identity.set_city, beijing.university, "CN-31")
    moved = chain(beijing, beijing.see(store.reference_of, beijing.university))
    assert [(one["step"], one["city"], one["before"], one["said_by"]) for one in moved] == [
        ("moved", "CN-31", "CN-11", ""),
        ("moved", "CN-11", "CN-31", beijing.people["operator"]),
    ]
    renamed = beijing.do(identity.add_city, "CN-11", name="Beijing")
    assert beijing.do(identity.add_city, "CN-11", name="Beijing") == renamed
    named = chain(beijing, renamed.reference)
    assert [(one["step"], one["name"]) for one in named] == [
        ("renamed", "Beijing"),
        ("added", "北京"),
    ]


def chain(town, reference: str) -> list[dict]:
    """What the records say, the newest first."""
    found = []
    while reference:
        record = town.see(custody.record, reference)
        assert record.kind == "identity.city"
        found.append(record.body)
        reference = record.links.get("replaces", "")
    return found
