"""What would become of a workload, by HTTP: nothing stays, and nobody learns of another's."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from test_api_queue import HOUR_SECONDS, City

from yunhe.compute.tables import pool_table
from yunhe.identity import service as identity
from yunhe.storage.schema import metadata

COUNTED = frozenset({"api_quota"})
"""Tables of what callers do, whatever it is: how often they asked."""


@pytest.fixture
def city(desk):
    return City(desk)


def asked(**more) -> dict:
    """What is sent for an hour of one device."""
    return {
        "command": ["python", "train.py"],
        "chip": "h100",
        "wall_seconds_max": HOUR_SECONDS,
        "cpu_seconds_max": HOUR_SECONDS,
        **more,
    }


def ask(city, body: dict, key: str = "", path: str = "/v1/previews"):
    return city.desk.ask("POST", path, key or city.keys["lake"], json=body)


def rows(city) -> dict[str, list[str]]:
    with city.desk.storage.database.read() as tx:
        return {
            name: sorted(repr(tuple(row)) for row in tx.execute(select(table)))
            for name, table in sorted(metadata.tables.items())
        }


def test_a_preview_says_place_holds_and_cost_and_leaves_no_row(city):
    ask(city, asked())  # whatever is written once for a caller is there now
    before = rows(city)
    answer = ask(city, asked(devices=2))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["state"], said["pool"]) == ("placed", city.pool.id)
    assert said["held_ms"] == 2 * HOUR_SECONDS * 1_000
    assert [(home["pool"], home["cost_minor"]) for home in said["homes"]] == [(city.pool.id, 200)]
    after = rows(city)
    assert {name for name in before if before[name] != after[name]} <= COUNTED


def test_a_preview_says_which_pools_only_stand_in_for_a_chip(city):
    with city.desk.storage.database.begin() as tx:
        tx.execute(update(pool_table).values(adapter="demonstration"))
    said = ask(city, asked()).json()
    assert [home["chip"] for home in said["homes"]] == ["h100-demonstration"]


@pytest.mark.parametrize(
    "more",
    [
        {"inputs": {"data": "sha256:" + "1" * 64}},
        {"folder": "sha256:" + "2" * 64},
        {"secrets": {"TOKEN": "THEIRS"}},
        {"priority": "high"},
        {"devices": 64},
        {"chip": "unheard"},
    ],
)
def test_what_submitting_refuses_a_preview_refuses_in_the_same_words(city, more):
    first, second = ask(city, asked(**more)), ask(city, asked(**more), path="/v1/workloads")
    assert first.status_code == second.status_code == 422, first.text
    assert first.json()["code"] == second.json()["code"]
    assert first.json()["findings"] == second.json()["findings"]


def test_anothers_secrets_and_files_sound_like_none(city):
    """Hill has a secret and a file; lake hears the same of them as of what is not there."""
    hill = city.desk.key(city.desk.member(city.tenants["hill"], "administrator"))
    kept = city.desk.ask("PUT", "/v1/secrets/THEIRS", hill, json={"value": "planted-4711"})
    assert kept.status_code == 200, kept.text
    digest = city.desk.storage.blobs.put(b"theirs").digest
    absent = "sha256:" + "3" * 64
    for there, not_there in (
        ({"secrets": {"T": "THEIRS"}}, {"secrets": {"T": "NOBODYS"}}),
        ({"inputs": {"d": digest}}, {"inputs": {"d": absent}}),
        ({"folder": digest}, {"folder": absent}),
    ):
        one, two = ask(city, asked(**there)), ask(city, asked(**not_there))
        assert (one.status_code, two.status_code) == (422, 422)
        codes = [[(f["where"], f["code"]) for f in each.json()["findings"]] for each in (one, two)]
        assert codes[0] == codes[1]


def test_a_project_of_another_tenant_is_unknown_to_a_preview_as_to_submitting(city):
    with city.desk.storage.database.begin() as tx:
        theirs = identity.add_project(
            tx, key="p", organisation=city.tenants["hill"], name="p", at_us=city.desk.now_us()
        ).id
    answers = [
        ask(city, asked(project=project), path=path)
        for project in (theirs, "proj_00000000000000000000000000")
        for path in ("/v1/previews", "/v1/workloads")
    ]
    assert len({each.status_code for each in answers}) == 1
    assert answers[0].status_code in (403, 404, 422)
    assert len({each.json()["code"] for each in answers}) == 1


def test_who_may_not_submit_may_not_preview(city):
    reader = city.desk.key(city.desk.member(city.tenants["lake"], "auditor"))
    assert ask(city, asked(), reader).status_code == 403
    assert ask(city, asked(), "yk_nobody").status_code == 401
