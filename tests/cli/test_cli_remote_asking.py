"""Every command that asks a server: what it asks, how it answers, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from office import KEY, SERVER, Desk, fault

from yunhe.cli.main import REMOTE
from yunhe.kernel.errors import (
    Conflict,
    Exhausted,
    Invalid,
    NotAllowed,
    NotFound,
    Unavailable,
)

CERTIFICATE, REVIEW = "certificate_0123456789abcdefghjkmnpqrs", "review_0123456789abcdefghjkmnpqrs"
SOURCE, MEMBER = "source_0123456789abcdefghjkmnpqrs", "member_0123456789abcdefghjkmnpqrs"
OPERATION, WORKLOAD = "operation_0123456789abcdefghjkmnpqrs", "workload_0123456789abcdefghjkmnpqrs"

# What is typed, what is asked first, and with which body; None: none, ...: whatever it is.
COMMANDS = {
    "whoami": ("GET /v1/me", None),
    "members": ("GET /v1/members", None),
    f"members grant {MEMBER} auditor": (
        f"POST /v1/members/{MEMBER}/roles",
        {"role": "auditor", "project": ""},
    ),
    f"members grant {MEMBER} trainer --project p": (
        f"POST /v1/members/{MEMBER}/roles",
        {"role": "trainer", "project": "p"},
    ),
    f"members revoke {MEMBER} auditor": (f"DELETE /v1/members/{MEMBER}/roles/auditor", None),
    f"members end {MEMBER}": (f"DELETE /v1/members/{MEMBER}", None),
    "invite --role trainer --days 3": (
        "POST /v1/invitations",
        {"roles": ["trainer"], "project_roles": {}, "contact": "", "days": 3, "new_name": "",
         "new_kind": None},
    ),
    "invite --role trainer --role caller --project p": (
        "POST /v1/invitations",
        {"roles": [], "project_roles": {"p": ["trainer", "caller"]}, "contact": "", "days": 7,
         "new_name": "", "new_kind": None},
    ),
    "keys": ("GET /v1/keys", None),
    "keys new --scope corpus:read --days 2 --label l": (
        "POST /v1/keys",
        {"label": "l", "scopes": ["corpus:read"], "days": 2, "project": ""},
    ),
    "keys revoke key_1": ("DELETE /v1/keys/key_1", None),
    "workloads": ("GET /v1/workloads", None),
    f"workloads {WORKLOAD}": (f"GET /v1/workloads/{WORKLOAD}", None),
    f"cancel {WORKLOAD}": (f"POST /v1/workloads/{WORKLOAD}/cancel", None),
    f"cancel {OPERATION}": (f"POST /v1/operations/{OPERATION}/cancel", None),
    "operations": ("GET /v1/operations", None),
    f"operations {OPERATION}": (f"GET /v1/operations/{OPERATION}", None),
    "notices": ("GET /v1/notices", None),
    "secrets list": ("GET /v1/secrets", None),
    "secrets remove TOKEN": ("DELETE /v1/secrets/TOKEN", None),
    "review list": ("GET /v1/reviews", None),
    f"review show {REVIEW}": (f"GET /v1/reviews/{REVIEW}", None),
    f"review withdraw {REVIEW}": (f"POST /v1/reviews/{REVIEW}/withdraw", None),
    f"review open {CERTIFICATE}": (
        "POST /v1/reviews",
        {"certificate": CERTIFICATE, "items": 0, "adjudicator": None, "made_by": [],
         "organisations": []},
    ),
    f"review open {CERTIFICATE} --items 9 --adjudicator m --made-by a --made-by b "
    "--organisation o": (
        "POST /v1/reviews",
        {"certificate": CERTIFICATE, "items": 9, "adjudicator": "m", "made_by": ["a", "b"],
         "organisations": ["o"]},
    ),
    f"review check {CERTIFICATE} --profile zh-short": (
        "POST /v1/checks",
        {"certificate": CERTIFICATE, "profile": "zh-short"},
    ),
    f"datasheet {CERTIFICATE} --to TO": (f"GET /v1/certificates/{CERTIFICATE}/datasheet", None),
    "sources": ("GET /v1/sources", None),
    f"sources show {SOURCE}": (f"GET /v1/sources/{SOURCE}", None),
    f"sources sample {SOURCE} --looked 400 --illegal 3 --method read": (
        f"POST /v1/sources/{SOURCE}/samples",
        {"looked": 400, "illegal": 3, "method": "read"},
    ),
    f"sources decide {SOURCE} accept": (
        f"POST /v1/sources/{SOURCE}/decide",
        {"decision": "accept", "reason": ""},
    ),
    f"sources decide {SOURCE} refuse --reason terms": (
        f"POST /v1/sources/{SOURCE}/decide",
        {"decision": "refuse", "reason": "terms"},
    ),
}  # fmt: skip
ENDED = {"state": "done", "result": {"review": REVIEW}, "error": None}


@pytest.fixture
def told(desk: Desk) -> Desk:
    desk.office.says("GET /v1/operations/{operation}", ENDED)
    return desk


def words(line: str, folder: Path) -> list[str]:
    return [str(folder / "to") if word == "TO" else word for word in line.split()]


def test_every_command_that_asks_a_server_is_tried_here_or_where_it_is_said():
    tried = {line.split()[0] for line in COMMANDS}
    elsewhere = {"login", "logout", "upload", "submit", "outputs"}  # test_cli_remote_people, …_work
    elsewhere |= {"pool", "chips"}  # test_cli_supply
    elsewhere |= {"award", "usage", "statement", "queue", "why", "logs"}  # a file each
    elsewhere |= {"weights", "policy"}  # test_cli_weights
    elsewhere |= {"cities", "organisations"}  # test_cli_cities
    elsewhere |= {"agent"}  # tests/compute/test_compute_agent_process
    elsewhere |= {"exec", "develop"}  # test_cli_live
    elsewhere |= {"service", "balance"}  # test_cli_services, test_cli_balances
    assert tried - {"secrets"} == set(REMOTE) - elsewhere


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_asks_for_what_it_is_named_for(told, line, tmp_path):
    said = told(*words(line, tmp_path))
    assert said.code == 0, said.out + said.err
    first = told.office.asked[0]
    asked, body = COMMANDS[line]
    assert first.line == asked
    assert first.body == body
    assert first.headers["accept-language"] == "en"


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_answers_a_program_with_one_object_and_nothing_besides(told, line, tmp_path):
    said = told("--json", *words(line, tmp_path))
    assert said.code == 0
    assert said.out.count("\n") == 1
    assert isinstance(said.json, dict)
    assert said.err == ""
    assert KEY not in said.out


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("line", COMMANDS)
def test_a_person_meets_sentences_of_their_language_and_no_code(told, line, lang, tmp_path):
    said = told(*words(line, tmp_path), lang=lang)
    assert said.code == 0
    assert told.office.asked[0].headers["accept-language"] == lang
    for code in ("cli.", "client.", "None"):
        assert code not in said.out
    assert KEY not in said.out + said.err


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [(each.kind, each.status, each.exit_code)
     for each in (Invalid, NotAllowed, NotFound, Conflict, Exhausted, Unavailable)],
)  # fmt: skip
@pytest.mark.parametrize("line", COMMANDS)
def test_a_refusal_has_the_exit_code_of_its_kind_and_the_servers_words(
    told, line, kind, status, code, tmp_path
):
    told.office.refusal = (status, fault(kind))
    said = told(*words(line, tmp_path))
    assert (said.code, said.out) == (code, "")
    assert said.err == "Refused here.\nDo otherwise.\n"
    for_program = told("--json", *words(line, tmp_path))
    assert (for_program.code, for_program.err) == (code, "")
    assert for_program.json["code"] == "x.refused"
    assert list(tmp_path.glob("to/*")) == []


def test_an_answer_that_is_not_of_our_server_is_told_as_such(desk):
    desk.office.refusal = (404, {"error": "no such page"})
    said = desk("--json", "whoami")
    assert said.code == Unavailable.exit_code
    assert said.json["code"] == "client.not_yunhe"


def test_a_servers_words_cannot_steer_the_terminal_of_whoever_reads_them(desk):
    desk.office.refusal = (409, fault(message="no\x1b[2J\x07", do="\x9b2Jgo"))
    said = desk("review", "list")
    assert said.err == "no[2J\n2Jgo\n"


@pytest.mark.parametrize(
    "line",
    [
        f"review open {CERTIFICATE} --items -1",
        "review open",
        f"review export {REVIEW}",
        f"review export {REVIEW} --to x --items 0",
        f"review import {REVIEW}",
        "review list --limit 0",
        f"sources sample {SOURCE} --looked many --illegal 3 --method m",
        f"sources sample {SOURCE} --looked 4 --illegal 3",
        f"sources decide {SOURCE} maybe",
        "sources register no-such-file.yaml",
        "datasheet",
        "members grant m",
        "keys new",
        "keys new --scope a --days 0",
        "workloads --log",
        "operations --follow",
        "notices --limit x",
    ],
)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_wrong_use_ends_with_two_before_anything_is_asked(desk, line, lang):
    said = desk(*line.split(), lang=lang)
    assert (said.code, said.out) == (2, "")
    assert said.err
    for_program = desk("--json", *line.split(), lang=lang)
    assert for_program.code == 2
    assert for_program.json["kind"] == "usage"
    assert desk.office.asked == []


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (f"sources sample {SOURCE} --looked 0 --illegal 0 --method m", "looked"),
        (f"sources sample {SOURCE} --looked 1 --illegal -1 --method m", "illegal"),
        (f"sources decide {SOURCE} accept --reason " + "x" * 501, "reason"),
        ("review open Certificate!", "certificate"),
        (f"review open {CERTIFICATE} --items 100001", "items"),
        (f"review open {CERTIFICATE} --made-by A", "made_by"),
        (f"review check {CERTIFICATE} --profile ../x", "profile"),
        ("members grant m emperor", "role"),
        ("keys new --scope a --days 100000", "days"),
    ],
)
def test_what_no_server_takes_is_told_field_by_field_before_it_is_sent(desk, line, field):
    said = desk("--json", *line.split())
    assert said.code == Invalid.exit_code
    assert said.json["code"] == "api.invalid"
    assert all(field in each["where"] for each in said.json["findings"])
    assert desk.office.asked == []


@pytest.mark.parametrize("word", [".", "..", "a/b", "../v1/me"])
@pytest.mark.parametrize(
    "line", ["review show", "review withdraw", "sources show", "keys revoke", "workloads", "cancel"]
)
def test_an_id_leads_to_no_other_address(desk, line, word):
    said = desk(*line.split(), word)
    assert said.code == NotFound.exit_code
    assert desk.office.asked == []


def test_a_key_stays_out_of_every_word_when_a_server_sends_it_back(desk):
    desk.office.refusal = (500, {"oops": KEY})
    said = desk("whoami")
    assert KEY not in said.out + said.err


def test_nobodys_key_is_asked_for_where_there_is_none(desk, monkeypatch):
    monkeypatch.delenv("YUNHE_KEY")
    for line in ("review", "sources", "datasheet certificate_x"):
        said = desk(*line.split())
        assert said.code == NotAllowed.exit_code
        assert SERVER in said.err
    monkeypatch.delenv("YUNHE_SERVER")
    assert desk("sources").code == Invalid.exit_code
    assert desk.office.asked == []


@pytest.mark.parametrize("columns", [20, 40, 80])
@pytest.mark.parametrize("line", ["review list", "sources", "members", "operations"])
def test_an_id_stays_whole_however_narrow_the_terminal_is(desk, line, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    found = desk("--json", *line.split()).json["items"][0]
    said = desk(*line.split())
    assert found["id"] in said.out


@pytest.mark.parametrize(("there", "limit", "more"), [(3, 3, False), (4, 3, True), (3, 1, True)])
def test_a_list_reads_as_far_as_it_shows_and_says_that_there_is_more(desk, there, limit, more):
    from yunhe.api import document  # noqa: PLC0415
    from yunhe.client.wire.sources import Source  # noqa: PLC0415

    one = document.example(Source)
    pages = [
        {"items": [{**one, "id": f"source_{n}"}], "next": None if n == there else f"c{n}"}
        for n in range(1, there + 1)
    ]
    desk.office.says("GET /v1/sources", *pages)
    said = desk("--json", "sources", "--limit", limit, "--state", "sampled")
    assert [each["id"] for each in said.json["items"]] == [
        f"source_{n}" for n in range(1, min(there, limit) + 1)
    ]
    assert said.json["more"] is more
    assert len(desk.office.asked) == min(there, limit + 1)
    assert {each.query["state"] for each in desk.office.asked} == {"sampled"}
    afters = [each.query.get("after") for each in desk.office.asked]
    assert afters == [None, *(f"c{n}" for n in range(1, len(afters)))]


def test_an_empty_list_is_said_to_be_empty_in_words_and_empty_for_programs(desk):
    for name in ("sources", "reviews"):
        desk.office.says(f"GET /v1/{name}", {"items": [], "next": None})
    for line in ("sources", "review list"):
        assert desk("--json", *line.split()).json == {"items": [], "more": False}
        english, chinese = desk(*line.split()).out, desk(*line.split(), lang="zh").out
        assert english.strip()
        assert chinese.strip() not in ("", english.strip())


def test_options_of_server_and_key_may_stand_before_or_after_a_subcommand(desk, tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    given = ("--key-file", key)
    assert desk("review", *given, "list").code == 0
    assert desk("review", "list", *given).code == 0
    assert desk("sources", *given, "show", SOURCE).code == 0
    key.chmod(0o644)
    for line in (("review", *given, "list"), ("sources", "show", SOURCE, *given)):
        assert desk(*line).code == NotAllowed.exit_code
    assert len(desk.office.asked) == 3


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_output_is_valid_json_whatever_a_server_calls_things(desk, lang):
    desk.office.says("GET /v1/me", {"name": 'a"b\\c\u2028\x1b[2J路'})
    said = desk("--json", "whoami", lang=lang)
    assert json.loads(said.out)["name"] == 'a"b\\c\u2028\x1b[2J路'
    shown = desk("whoami", lang=lang)
    assert "\x1b" not in shown.out
