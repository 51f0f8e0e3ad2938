"""Notices, preferences, webhooks and mailed invitations, against real receivers."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from api_desk import Desk, open_home

sys.path.insert(0, str(Path(__file__).parents[1] / "notices"))

from notices_desk import posting, receiving, verify

from yunhe.kernel.clock import SECOND_US
from yunhe.notices import service as notices


@pytest.fixture
def receive():
    yield from receiving()


@pytest.fixture
def office():
    yield from posting()


@pytest.fixture
def desk(storage, tmp_path, office):
    platform = open_home(
        storage,
        tmp_path / "home",
        outbound_allow="127.0.0.0/8",
        smtp_url=f"smtp://127.0.0.1:{office.port}",
        mail_from="yunhe@programme.example",
        public_url="http://127.0.0.1:8420",
    )
    with Desk(platform).open() as opened:
        yield opened


@pytest.fixture
def town(desk):
    class Town:
        home = desk.organisation("home")
        admin_member = desk.member(home, "administrator")
        admin = desk.key(admin_member)
        trainer_member = desk.member(home, "trainer")
        trainer = desk.key(trainer_member)
        rival = desk.key(desk.member(desk.organisation("rival"), "administrator"))

    return Town


def tell(desk, town, key, **more):
    values = {
        "kind": "operation_ended",
        "organisation": town.home,
        "subject": f"operation_{key}",
        "params": {"operation": "corpus.cleanse", "outcome": "done"},
    } | more
    with desk.storage.database.begin() as tx:
        notices.notify(tx, key=key, at_us=desk.now_us(), **values)


def pages(desk, path, key, **query):
    seen, after = [], None
    for _ in range(20):
        asked = {"limit": 2, **query} | ({"after": after} if after else {})
        found = desk.ask("GET", path, key, params=asked).json()
        seen += found["items"]
        after = found["next"]
        if after is None:
            return seen
    raise AssertionError("the list has no end")


def test_one_reads_what_one_is_told_page_by_page_and_marks_it(desk, town):
    for number in range(5):
        tell(desk, town, str(number), **({"member": town.trainer_member.id} if number else {}))
        desk.storage.clock.advance(seconds=1)
    mine = pages(desk, "/v1/notices", town.trainer)
    assert [each["subject"][-1] for each in mine] == ["4", "3", "2", "1", "0"]
    assert len(pages(desk, "/v1/notices", town.admin)) == 1
    assert pages(desk, "/v1/notices", town.rival) == []
    ids = [each["id"] for each in mine[:3]]
    for key, count in ((town.rival, 0), (town.trainer, 3), (town.trainer, 0)):
        read = desk.ask("POST", "/v1/notices/read", key, json={"ids": [*ids, "note_0"]})
        assert read.json() == {"read": count}
    left = pages(desk, "/v1/notices", town.trainer, unread=True)
    assert [each["subject"][-1] for each in left] == ["1", "0"]


def test_a_notice_is_a_sentence_in_the_readers_language(desk, town):
    tell(desk, town, "k")
    said = {
        language: desk.ask(
            "GET", "/v1/notices", town.trainer, headers={"accept-language": language}
        ).json()["items"][0]["message"]
        for language in ("en", "zh")
    }
    assert said["en"] != said["zh"]
    assert "corpus.cleanse" in said["en"]


def test_a_key_of_one_project_sees_that_projects_notices_only(desk, town):
    project = desk.project(town.home, "p")
    bound = desk.key(town.trainer_member, project=project)
    tell(desk, town, "whole")
    tell(desk, town, "part", project=project)
    assert [n["project"] for n in pages(desk, "/v1/notices", bound)] == [project]
    whole = next(n for n in pages(desk, "/v1/notices", town.trainer) if not n["project"])
    read = desk.ask("POST", "/v1/notices/read", bound, json={"ids": [whole["id"]]})
    assert read.json() == {"read": 0}


def test_what_one_chooses_holds_and_the_rest_stays(desk, town):
    before = desk.ask("GET", "/v1/notices/preferences", town.trainer).json()["items"]
    choice = {"kind": "operation_ended", "feed": False, "mail": False}
    after = desk.ask(
        "PUT", "/v1/notices/preferences", town.trainer, json={"choices": [choice]}
    ).json()["items"]
    assert [each for each in after if each not in before] == [choice]
    assert len(after) == len(before)
    tell(desk, town, "k")
    assert pages(desk, "/v1/notices", town.trainer) == []
    wrong = {"choices": [choice | {"kind": "no_such"}]}
    refused = desk.ask("PUT", "/v1/notices/preferences", town.trainer, json=wrong)
    assert refused.json()["findings"][0]["where"] == "body.choices.0.kind"


def add(desk, town, receiver, **given):
    body = {"url": receiver.url, "kinds": ["operation_ended"]}
    return desk.ask("POST", "/v1/webhooks", town.admin, json=body, **given)


def test_a_webhook_is_sent_to_signed_and_looked_at_from_registration_to_removal(
    desk, town, receive
):
    receiver = receive()
    made = add(desk, town, receiver)
    assert made.status_code == 201, made.text
    hook, secret = made.json()["webhook"], made.json()["secret"]
    path = f"/v1/webhooks/{hook['id']}"
    tell(desk, town, "k")
    ways = desk.platform.ways
    assert notices.deliver(desk.storage, ways) > 0
    [(headers, body)] = receiver.got
    verify(secret, headers, body, now=desk.now_us() // SECOND_US)
    [delivery] = desk.ask("GET", f"{path}/deliveries", town.admin).json()["items"]
    assert (delivery["state"], delivery["status"]) == ("done", 200)

    again = desk.ask("POST", f"{path}/deliveries/{delivery['id']}/redeliver", town.admin)
    assert again.json()["state"] == "waiting"
    turned = desk.ask("POST", f"{path}/rotate", town.admin)
    assert turned.status_code == 201
    assert turned.json()["secret"] != secret
    notices.deliver(desk.storage, ways)
    assert receiver.ids == [delivery["id"]] * 2  # the receiver sees that it is the same
    for each in (secret, turned.json()["secret"]):
        verify(each, *receiver.got[-1], now=desk.now_us() // SECOND_US)
    shown = desk.ask("GET", path, town.admin)
    assert "whsec" not in shown.text + desk.ask("GET", "/v1/webhooks", town.admin).text
    assert desk.ask("DELETE", path, town.admin).status_code == 204
    assert desk.ask("GET", path, town.admin).json()["code"] == "notices.webhook_unknown"


def test_a_webhook_asked_for_twice_is_one_with_one_secret_also_when_its_name_is_gone(
    desk, town, receive
):
    receiver = receive()
    head = {"headers": {"idempotency-key": "hook"}}
    first = add(desk, town, receiver, **head)
    again = add(desk, town, receiver, **head)
    assert again.json() == first.json()
    assert len(desk.ask("GET", "/v1/webhooks", town.admin).json()["items"]) == 1


def test_a_delivery_of_another_webhook_is_unknown_under_this_one(desk, town, receive):
    receiver = receive()
    one, two = (add(desk, town, receiver).json()["webhook"]["id"] for _ in range(2))
    tell(desk, town, "k")
    notices.deliver(desk.storage, desk.platform.ways)
    [delivery] = desk.ask("GET", f"/v1/webhooks/{one}/deliveries", town.admin).json()["items"]
    crossed = desk.ask(
        "POST", f"/v1/webhooks/{two}/deliveries/{delivery['id']}/redeliver", town.admin
    )
    assert (crossed.status_code, crossed.json()["code"]) == (404, "notices.delivery_unknown")


def test_an_address_inside_is_refused_unless_the_operator_allows_it(desk, town):
    for url in ("http://10.0.0.1/", "http://[::ffff:169.254.169.254]/", "ftp://example.org/"):
        body = {"url": url, "kinds": ["job_ended"]}
        refused = desk.ask("POST", "/v1/webhooks", town.admin, json=body)
        assert refused.json()["code"].startswith("outbound."), refused.text
    assert desk.ask("GET", "/v1/webhooks", town.admin).json()["items"] == []


def test_a_key_of_one_project_has_nothing_to_do_with_webhooks(desk, town, receive):
    hook = add(desk, town, receive()).json()["webhook"]["id"]
    bound = desk.key(town.admin_member, project=desk.project(town.home, "p"))
    for method, path in (
        ("GET", f"/v1/webhooks/{hook}"),
        ("DELETE", f"/v1/webhooks/{hook}"),
        ("POST", f"/v1/webhooks/{hook}/rotate"),
    ):
        assert desk.ask(method, path, bound).status_code in (403, 404), path
    assert desk.ask("GET", "/v1/webhooks", bound).json().get("items", []) == []


def invite(desk, town, **more):
    given = {"headers": more.pop("headers")} if "headers" in more else {}
    body = {"organisation": town.home, "roles": ["trainer"], "contact": "guest@lab.example"}
    return desk.ask("POST", "/v1/invitations", town.admin, json=body | more, **given)


def test_an_invitation_is_mailed_once_and_its_link_lets_the_guest_in(desk, town, office):
    head = {"idempotency-key": "guest"}
    made = invite(desk, town, headers=head)
    assert made.json()["mailed"] is True, made.text
    [letter] = office.letters
    text = letter.get_content()
    token = re.search(r"#invitation=(\S+)", text)[1]
    assert token == made.json()["token"]
    repeated = invite(desk, town, headers=head)
    assert repeated.json()["token"] == token
    assert len(office.letters) == 1
    body = {"token": token, "name": "Guest Example"}
    assert desk.ask("POST", "/v1/invitations/accept", json=body).status_code == 201


def test_an_invitation_holds_when_it_can_not_be_mailed(desk, town, office, caplog):
    office.answer = "550 no such mailbox"
    made = invite(desk, town)
    assert (made.status_code, made.json()["mailed"]) == (201, False)
    assert made.json()["token"]
    assert made.json()["token"] not in caplog.text
    assert "guest@" not in caplog.text


def test_administrators_are_told_of_an_open_invitation_until_it_is_open_no_more(desk, town):
    told = lambda: [n["kind"] for n in pages(desk, "/v1/notices", town.admin)]  # noqa: E731
    first = invite(desk, town).json()
    assert told() == ["invitation"]
    assert pages(desk, "/v1/notices", town.trainer) == []
    body = {"token": first["token"], "name": "Guest Example"}
    assert desk.ask("POST", "/v1/invitations/accept", json=body).status_code == 201
    assert told() == []
    second = invite(desk, town, contact="").json()["invitation"]["id"]
    assert told() == ["invitation"]
    assert desk.ask("DELETE", f"/v1/invitations/{second}", town.admin).status_code == 204
    assert told() == []
