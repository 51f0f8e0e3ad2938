"""Submissions of many callers are written together, each once and each told its own."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from yunhe.api.handing import TOGETHER
from yunhe.api.runtime import PLACES, Runtime
from yunhe.api.turns import SPARE
from yunhe.compute import service as compute
from yunhe.ledger import service as ledger
from yunhe.storage.grouping import GroupCommit

BODY = {"entry_point": "trial", "chip": "cpu", "wall_seconds_max": 60, "cpu_seconds_max": 60}


@pytest.fixture
def town(desk):
    """A pool and two tenants, each with a key; its awards pay for nothing."""
    centre = desk.organisation("centre", "provider")
    compute.register_pool(
        desk.storage,
        key="pool",
        provider=centre,
        site="east-1",
        chip="cpu",
        devices=8,
        price_minor_per_device_hour=1,
        currency="CNY",
    )
    keys = {}
    for name in ("crowd", "other"):
        keys[name] = desk.key(desk.member(desk.organisation(name), "trainer"))
    return desk, keys


def submit(desk, key: str, name: str, **more: object):
    body = {**BODY, **more}
    return desk.asking("POST", "/v1/workloads", key, json=body, headers={"idempotency-key": name})


def all_at_once(desk, asked):
    async def ask():
        return await asyncio.gather(*asked)

    return desk.wait(ask(), 120)


def count(desk) -> int:
    with desk.storage.database.read() as tx:
        return len(compute.workloads(tx))


def test_the_same_submission_many_times_at_once_is_one_workload(town):
    desk, keys = town
    answers = all_at_once(desk, [submit(desk, keys["crowd"], "same") for _ in range(12)])
    assert [one.status_code for one in answers] == [201] * 12
    assert len({one.text for one in answers}) == 1
    assert count(desk) == 1
    again = desk.wait(submit(desk, keys["crowd"], "same"))
    assert again.text == answers[0].text
    assert again.headers["idempotency-replayed"] == "true"


def test_one_that_is_refused_among_many_keeps_nobody_else_from_being_taken(town):
    desk, keys = town
    asked = [submit(desk, keys["crowd"], f"k{number}") for number in range(6)]
    asked += [
        submit(desk, keys["crowd"], "chip", chip="nonesuch"),
        submit(desk, keys["other"], "k0"),
        submit(desk, keys["crowd"], "k0", wall_seconds_max=61),
        submit(desk, keys["other"], "many", devices=100),
        submit(desk, keys["other"], "shape", wall_seconds_max="long"),
    ]
    answers = all_at_once(desk, asked)
    told = [(one.status_code, one.json().get("code")) for one in answers]
    # Of the two under one name the first to arrive is taken; here that is either.
    assert sorted([told[0], told[8]], key=str) == [(201, None), (409, "storage.key_reused")]
    assert told[1:6] == [(201, None)] * 5
    assert told[6] == (422, "compute.spec_invalid")
    assert told[7] == (201, None)
    assert told[9] == (422, "compute.spec_invalid")
    assert told[10][0] in (400, 422)
    assert count(desk) == 7


def in_one_group(desk, monkeypatch, asked):
    """What came of requests that arrive one after the other while another writes."""
    joined, before = [], GroupCommit.join

    def join(self, batch, item):
        joined.append(self)
        return before(self, batch, item)

    monkeypatch.setattr(GroupCommit, "join", join)

    async def play(end):
        sent = []
        for request in asked:
            sent.append(asyncio.ensure_future(request))
            while len(joined) < len(sent):
                await asyncio.sleep(0)
            while len(sent) == 1 and not joined[0]._queue.empty():  # it is a group by itself
                await asyncio.sleep(0)
        end()
        return await asyncio.gather(*sent)

    with ExitStack() as held:
        held.enter_context(desk.storage.database.begin())
        return desk.wait(play(held.close), 120)


def told(answer) -> tuple[int, str | None, bool]:
    return (
        answer.status_code,
        answer.json().get("code"),
        "idempotency-replayed" in answer.headers,
    )


def test_under_one_name_the_first_that_is_kept_decides(town, monkeypatch):
    desk, keys = town
    crowd, wrong = keys["crowd"], {"chip": "nonesuch"}
    for key in keys.values():  # what is written once for a key is written
        desk.wait(submit(desk, key, "warm"))
    answers = in_one_group(
        desk,
        monkeypatch,
        [
            submit(desk, crowd, "before"),
            submit(desk, crowd, "name", **wrong),
            submit(desk, crowd, "name", **wrong),
            submit(desk, crowd, "name", chip="another"),
            submit(desk, crowd, "between"),
            submit(desk, crowd, "name"),
            submit(desk, crowd, "name", **wrong),
            submit(desk, crowd, "name"),
            submit(desk, keys["other"], "name", **wrong),
        ],
    )
    refused, kept = (422, "compute.spec_invalid", False), (201, None, False)
    reused = (409, "storage.key_reused", False)
    assert [told(each) for each in answers] == [
        kept, refused, refused, refused, kept, kept, reused, (201, None, True), refused,
    ]  # fmt: skip
    assert answers[5].text == answers[7].text
    assert count(desk) == 5
    assert told(desk.wait(submit(desk, crowd, "name"))) == (201, None, True)


def test_of_two_transfers_under_one_name_the_one_with_the_money_is_made(desk, monkeypatch):
    place = desk.organisation("uni")
    key = desk.key(desk.member(place, "buyer", "administrator"))
    with desk.storage.database.begin() as tx:
        cash, fee = (
            ledger.open_account(tx, owner=place, unit="CNY", purpose=purpose)
            for purpose in ("cash", "fee")
        )
        ledger.grant(tx, key="top-up", account=cash, amount=1_000, at_us=1)

    def pay(amount: int, name: str):
        sent = {"entries": [{"debit": cash, "credit": fee, "amount": amount}], "memo": "m"}
        headers = {"idempotency-key": name}
        return desk.asking("POST", "/v1/transfers", key, json=sent, headers=headers)

    assert desk.wait(pay(1, "warm")).status_code == 201
    asked = [pay(1, "before"), pay(5_000, "name"), pay(10, "name"), pay(5_000, "name")]
    answers = in_one_group(desk, monkeypatch, asked)
    assert [each.status_code for each in answers] == [201, 429, 201, 409]
    assert answers[3].json()["code"] == "storage.key_reused"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"devices": 100}, id="too many"),
        pytest.param({"replicas": 9, "fabric": "site"}, id="gang"),
        pytest.param({"wall_seconds_max": "long"}, id="shape"),
    ],
)
def test_what_may_take_long_to_refuse_is_refused_without_a_writer(town, monkeypatch, wrong):
    desk, keys = town
    desk.wait(submit(desk, keys["other"], "warm"))  # what is written once for a key is written
    joined, before = [], Runtime.join_in_turn

    def join_in_turn(*given, **named):
        joined.append(given)
        return before(*given, **named)

    monkeypatch.setattr(Runtime, "join_in_turn", join_in_turn)
    refused = desk.wait(submit(desk, keys["other"], "wrong", **wrong))
    assert refused.status_code in (400, 422), refused.text
    assert joined == []
    taken = desk.wait(submit(desk, keys["other"], "wrong"))  # nothing of the refused one is kept
    assert taken.status_code == 201
    assert len(joined) == 1


def test_a_gang_that_was_taken_is_answered_again_though_it_fits_nowhere_now(town):
    desk, keys = town
    first = desk.wait(submit(desk, keys["other"], "gang", devices=8))
    assert first.status_code == 201
    with desk.storage.database.begin() as tx:
        [status] = compute.pools(tx)
        compute.store.set_devices(tx, status.pool.id, devices=1)
    again = desk.wait(submit(desk, keys["other"], "gang", devices=8))
    assert (again.status_code, again.text) == (201, first.text)
    assert desk.wait(submit(desk, keys["other"], "gang-2", devices=8)).status_code == 422


def test_a_crowd_has_so_many_places_and_anothers_submission_one_of_the_next(town, monkeypatch):
    desk, keys = town
    desk.wait(submit(desk, keys["crowd"], "warm"))
    desk.wait(submit(desk, keys["other"], "warm"))
    joined, before = [], GroupCommit.join

    def join(self, batch, item):
        if batch is TOGETHER:
            joined.append(item[0].tenant)
        return before(self, batch, item)

    monkeypatch.setattr(GroupCommit, "join", join)

    async def play(end):
        crowd = [
            asyncio.ensure_future(submit(desk, keys["crowd"], f"k{number}"))
            for number in range(3 * PLACES)
        ]
        while len(joined) < PLACES - SPARE:
            await asyncio.sleep(0)
        other = asyncio.ensure_future(submit(desk, keys["other"], "one"))
        while len(set(joined)) < 2:
            await asyncio.sleep(0)
        waited = len(joined)
        end()
        return waited, [one.status_code for one in await asyncio.gather(other, *crowd)]

    with ExitStack() as held:  # another writes meanwhile, so nothing of this is written yet
        held.enter_context(desk.storage.database.begin())
        waited, statuses = desk.wait(play(held.close), 120)
    assert waited == PLACES - SPARE + 1
    assert statuses == [201] * (3 * PLACES + 1)
