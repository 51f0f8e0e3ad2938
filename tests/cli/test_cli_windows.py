"""`yunhe award window` and `yunhe award windows` against a real server, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from remote_desk import people, server, supplied

from yunhe.client.client import Client

BECAUSE = ("--reason", "a model run of two days")


@pytest.fixture
def folk(tmp_path, capsys, monkeypatch):
    """An operator, a tenant, and an award of the tenant's for the one device there is."""
    with server(tmp_path / "home") as running:
        operator, tenant = people(tmp_path, capsys, monkeypatch, running)
        supplied(running, operator, tenant)
        with Client(running.url, tenant.key) as client:
            [award] = client.compute.awards()
        yield operator, tenant, award.id


def days(number: int) -> str:
    """A time so many days ahead, as somebody types it."""
    return (datetime.now(UTC) + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M")


def test_a_window_is_given_listed_shortened_and_withdrawn(folk) -> None:
    operator, tenant, award = folk
    given = ("--devices", "1", "--from", days(2), "--until", days(5))
    made = operator.json("award", "window", award, *given, *BECAUSE)
    assert (made["state"], made["devices"], made["used"]) == ("planned", 1, 0)
    assert [one["id"] for one in tenant.json("award", "windows")["items"]] == [made["id"]]
    listed = tenant("award", "windows", lang="zh")
    assert made["id"] in listed.out
    assert "未开始" in listed.out
    less = operator.json("award", "window", made["id"], "--until", days(4), *BECAUSE)
    assert less["until_at"] < made["until_at"]
    shown = operator("award", "window", made["id"], "--withdraw", *BECAUSE)
    assert (shown.code, "withdrawn" in shown.out) == (0, True)
    assert operator.json("award", "windows")["items"][0]["state"] == "withdrawn"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_cannot_be_guaranteed_says_what_can(folk, lang) -> None:
    operator, tenant, award = folk
    given = ("--from", days(2), "--until", days(5), *BECAUSE)
    asked = ("award", "window", award, "--devices")
    refused = operator(*asked, "2", *given, lang=lang)
    assert refused.code != 0
    assert {"en": "at most 1 can", "zh": "最多 1 台"}[lang] in refused.err
    assert tenant(*asked, "1", *given).code != 0


@pytest.mark.parametrize(
    "words",
    [("window_x", "--from", "2090-01-01"), ("window_x", "--pool", "p"), ("award_x", "--withdraw")],
    ids=["another beginning", "another pool", "nothing to withdraw"],
)
def test_a_window_that_was_given_does_not_move(folk, words) -> None:
    operator, _, _ = folk
    assert operator("award", "window", *words, *BECAUSE).code == 2
