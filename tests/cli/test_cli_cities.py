"""`yunhe cities` and `yunhe organisations` against a server that says what it is told to."""

from __future__ import annotations

from yunhe.api import document
from yunhe.client.wire.cities import City
from yunhe.client.wire.identity import Organisation
from yunhe.client.wire.queue import Weight

LIST, PUT, REMOVE = "GET /v1/cities", "PUT /v1/cities/{city}", "DELETE /v1/cities/{city}"
WHO, WHERE = "GET /v1/organisations", "PUT /v1/organisations/{organisation}/city"


def test_cities_are_a_table_with_what_each_had(desk):
    one = document.example(City)
    own = {**one, "city": "CN-31", "own": True, "used_per_thousand": 360}
    desk.office.says(LIST, {"items": [one, own], "next": None})
    shown = desk("cities")
    assert shown.code == 0, shown.err
    first, second = shown.out.splitlines()[-2:]
    assert first.split() == ["CN-11", "Beijing", "12", "3", "24.0", "64.0", "%", "96"]
    assert second.split()[:2] == ["CN-31", "*"]
    assert desk("--json", "cities").json["items"] == [one, own]
    assert "占比" in desk("cities", lang="zh").out


def test_a_city_is_added_weighed_and_taken_away(desk):
    one = document.example(City)
    desk.office.says(PUT, one)
    assert desk("--json", "cities", "add", "CN-11", "--name", "Beijing").json == one
    assert desk.office.asked[-1].body == {"name": "Beijing"}
    said = {**document.example(Weight), "city": "CN-11", "kind": "", "organisation": ""}
    desk.office.says("PUT /v1/weights", said)
    assert desk("--json", "cities", "weigh", "CN-11", "3").json == said
    assert desk.office.asked[-1].body["city"] == "CN-11"
    assert not desk.office.asked[-1].body.get("kind")
    desk.office.says(REMOVE, None)
    assert desk("--json", "cities", "remove", "CN-11").json == {"city": "CN-11"}
    assert desk("cities", "weigh", "CN-11", "0").code == 2


def test_organisations_are_listed_with_their_cities_and_moved(desk):
    one = document.example(Organisation)
    desk.office.says(WHO, {"items": [one], "next": None})
    assert desk("organisations").out.split()[-1] == "CN-11"
    desk.office.says(WHERE, one)
    assert desk("--json", "organisations", "city", one["id"], "CN-11").json == one
    assert desk.office.asked[-1].body == {"city": "CN-11"}
    assert desk("organisations", "city", one["id"]).code == 0
    assert desk.office.asked[-1].body == {"city": None}


def test_money_is_put_in_by_one_command_alone(desk):
    assert desk("organisations", "fund", "org_1", "5", "--reason", "x").code == 2
    assert desk.office.asked == []
