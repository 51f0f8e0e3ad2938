"""Signing in, and who may do what on a server, from the command line."""

from __future__ import annotations

import json
import stat
from typing import get_args

import pytest
from remote_desk import Person, people, server

from yunhe.cli import remote
from yunhe.cli.people import KINDS
from yunhe.client.wire.identity import Kind
from yunhe.kernel.errors import Conflict, NotAllowed, NotFound


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home") / "home") as opened:
        yield opened


@pytest.fixture
def person(tmp_path, capsys, monkeypatch):
    return Person(tmp_path / "person", capsys, monkeypatch)


_CLAIMED: dict[str, tuple[str, str]] = {}


@pytest.fixture
def pair(tmp_path, capsys, monkeypatch, running):
    """The operator and the tenant; the first token works only once for a server."""
    if running.url not in _CLAIMED:
        made = people(tmp_path, capsys, monkeypatch, running)
        _CLAIMED[running.url] = (made[0].key, made[1].key)
        return made
    found = []
    for name, key in zip(("operator", "tenant"), _CLAIMED[running.url], strict=True):
        each = Person(tmp_path / name, capsys, monkeypatch)
        each.json("login", "--server", running.url, typed=key)
        found.append(each)
    return tuple(found)


def test_the_first_token_and_an_invitation_sign_people_in_without_a_key_being_shown(pair, running):
    operator, tenant = pair
    me = operator.json("whoami")
    assert me["organisation"]["kind"] == "operator"
    assert {"operator", "administrator"} <= set(me["roles"])
    assert tenant.json("whoami")["organisation"]["name"] == "Lakeside"
    for each in pair:
        said = each("login", "--server", running.url, typed=f"{each.key}\n")
        assert said.code == 0
        assert "Signed in to" in said.out
        assert each.key not in said.out + said.err
        assert stat.S_IMODE(each.kept.stat().st_mode) == 0o600
        assert stat.S_IMODE(each.kept.parent.stat().st_mode) == 0o700


def test_a_wrong_key_is_not_kept(person, running):
    said = person("--json", "login", "--server", running.url, typed="yk_wrong\n")
    assert said.code == NotAllowed.exit_code
    assert not person.kept.exists()
    assert person("login", "--server", running.url, typed="").code == 65


def test_a_token_that_was_used_is_refused_in_the_readers_language(person, pair, running):
    claim = ("login", "--server", running.url, "--claim-token", "--organisation", "Other")
    said = person(*claim, "--name", "N", typed="yf_wrong\n", lang="zh")
    assert said.code != 0
    assert "Traceback" not in said.err
    assert any("\u4e00" <= letter <= "\u9fff" for letter in said.err)


def test_a_used_token_gives_the_same_key_again_and_nobody_of_another_name_gets_in(pair, running):
    _operator, tenant = pair
    token = tenant.json("invite", "--role", "caller")["token"]
    accept = ("login", "--server", running.url, "--invitation", "--name")
    guest, other = (
        Person(tenant.folder.parent / name, tenant._capsys, tenant._monkeypatch)
        for name in ("wu", "other")
    )
    guest.json(*accept, "Wu", typed=token)
    key = guest.key
    guest.json(*accept, "Wu", typed=token)  # as when the first answer was lost
    assert guest.key == key
    said = other(*accept, "Other", typed=token)
    assert said.code == Conflict.exit_code
    assert "This token was used before" in said.err
    assert "idempotency" not in said.err
    assert not other.kept.exists()


def test_without_a_server_or_a_key_one_is_told_how_to_get_them(person, running):
    said = person("whoami")
    assert said.code == 65
    assert "yunhe login" in said.err
    said = person("whoami", "--server", running.url)
    assert said.code == NotAllowed.exit_code
    assert running.url in said.err


def test_variables_and_key_files_stand_in_for_a_login(person, pair, running, tmp_path):
    key = pair[1].key
    assert person.json("whoami", YUNHE_SERVER=running.url, YUNHE_KEY=key)["name"] == "Li Example"
    file = tmp_path / "key"
    file.write_text(key + "\n")
    file.chmod(0o600)
    found = person.json("whoami", "--server", f"{running.url}/", "--key-file", str(file))
    assert found["name"] == "Li Example"
    assert not person.kept.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_that_others_can_read_is_refused(person, pair, running, tmp_path, mode):
    file = tmp_path / "key"
    file.write_text(pair[1].key)
    file.chmod(mode)
    said = person("whoami", "--server", running.url, "--key-file", str(file))
    assert said.code == NotAllowed.exit_code
    assert f"chmod 600 {file}" in said.err
    assert pair[1].key not in said.err
    pair[1].kept.chmod(mode)
    said = pair[1]("whoami")
    assert said.code == NotAllowed.exit_code
    assert "chmod 600" in said.err


def test_strange_key_files_and_damaged_logins_are_explained(person, running, tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    for path, code in ((binary, 65), (tmp_path / "none", NotFound.exit_code)):
        said = person("whoami", "--server", running.url, "--key-file", str(path))
        assert said.code == code
        assert str(path) in said.err
    person.kept.parent.mkdir(parents=True)
    for damage in ("{", "[]", '{"current": "x"}', '{"current": "x", "keys": []}'):
        person.kept.write_text(damage)
        person.kept.chmod(0o600)
        said = person("whoami")
        assert said.code == 65
        assert str(person.kept) in said.err


def test_a_key_goes_to_its_own_server_alone(pair, running):
    said = pair[1]("whoami", "--server", "http://localhost:9")
    assert said.code == NotAllowed.exit_code  # asked for a key rather than sending this one
    assert "localhost:9" in said.err


def test_logging_out_forgets_the_key_and_can_revoke_it(pair, running, tmp_path):
    tenant = pair[1]
    made = tenant.json("keys", "new", "--scope", "*", "--label", "for a while")
    again = Person(tmp_path / "again", tenant._capsys, tenant._monkeypatch)
    again.json("login", "--server", running.url, typed=made["secret"])
    assert again.json("logout", "--revoke-key")["revoked"]
    assert json.loads(again.kept.read_text())["keys"] == {}
    assert made["secret"] not in again.kept.read_text()
    said = again("--json", "login", "--server", running.url, typed=made["secret"])
    assert said.json["code"] == "identity.key_revoked"
    assert not again.json("logout", "--server", running.url)["forgotten"]


def test_keys_are_issued_to_a_file_listed_without_secret_and_revoked(pair, tmp_path, running):
    tenant = pair[1]
    target = tmp_path / "robot.key"
    made = tenant.json(
        "keys", "new", "--scope", "identity:read", "--label", "robot", "--days", "3",
        "--output", str(target),
    )  # fmt: skip
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    secret = target.read_text().strip()
    assert secret not in json.dumps(made)
    assert tenant.json("whoami", "--key-file", str(target))["scopes"] == ["identity:read"]
    listed = tenant("keys")
    assert "robot" in listed.out
    robot = next(line for line in listed.out.splitlines() if line.startswith(made["id"]))
    assert robot.rstrip().endswith("live")
    assert "有效" in tenant("keys", lang="zh").out
    assert secret not in listed.out
    assert tenant("keys", "revoke", made["id"]).code == 0
    said = tenant("--json", "whoami", "--key-file", str(target))
    assert said.json["code"] == "identity.key_revoked"
    assert "revoked" in tenant("keys").out


def test_a_key_is_shown_once_where_no_file_is_named(pair):
    said = pair[1]("keys", "new", "--scope", "identity:read")
    assert "yk_" in said.out or "key_" in said.out
    assert pair[1]("keys", "new").code == 2  # a scope has to be chosen


def test_members_are_listed_and_their_roles_change(pair, running):
    operator, tenant = pair
    me = tenant.json("whoami")["member"]
    assert operator("members", "grant", me, "buyer").code == 0
    listed = tenant("members")
    assert "Li Example" in listed.out
    assert "buyer" in listed.out
    assert any(line.startswith(me) and "buyer" in line for line in listed.out.splitlines())
    assert operator("members", "revoke", me, "buyer").code == 0
    assert "buyer" not in tenant("members").out
    wrong = tenant("--json", "members", "grant", me, "emperor")
    assert wrong.code == 65
    assert wrong.json["findings"][0]["where"] == "role"
    assert {each["name"] for each in operator.json("members")["items"]} >= {"Li Example"}
    assert tenant("members", "end", "mem_" + "0" * 26).code == NotFound.exit_code


def test_an_invitation_shows_its_token_once_and_says_how_to_use_it(pair, running):
    said = pair[1]("invite", "--role", "buyer", "--contact", "wang@example.org", "--days", "2")
    assert said.code == 0
    assert f"yunhe login --server {running.url} --invitation" in said.out
    wrong = pair[1]("invite", "--kind", "palace", "--new-organisation", "X")
    assert wrong.code == 2
    assert all(f"'{kind}'" in wrong.err for kind in get_args(Kind))  # each that there is
    assert get_args(Kind) == KINDS


def test_secrets_are_put_listed_and_removed_and_never_shown(pair, tmp_path):
    tenant = pair[1]
    file = tmp_path / "value"
    file.write_text("planted\n二", "utf-8")
    assert tenant("secrets", "put", "TOKEN", typed="planted-value\n").code == 0
    assert tenant.json("secrets", "put", "TOKEN", "--from-file", str(file))["version"] == 2
    listed = tenant("secrets", "list")
    assert "TOKEN" in listed.out
    assert "planted" not in listed.out
    assert tenant("secrets", "put", "EMPTY", typed="").code == 65
    assert tenant("secrets", "put", "TOKEN", "--from-file", str(tmp_path / "no")).code == 66
    assert tenant("secrets", "remove", "TOKEN").code == 0
    assert tenant.json("secrets", "list")["items"] == []
    assert tenant("secrets", "remove", "TOKEN").code == NotFound.exit_code


def test_names_that_would_steer_a_terminal_or_the_table_are_shown_plainly(pair):
    _operator, tenant = pair
    invited = tenant.json("invite", "--role", "caller")
    guest = Person(tenant.folder.parent / "guest", tenant._capsys, tenant._monkeypatch)
    name = "[red]Eve[/nothing]"
    accept = ("login", "--server", json.loads(tenant.kept.read_text())["current"])
    guest.json(*accept, "--invitation", "--name", name, typed=invited["token"])
    listed = tenant("members")
    assert listed.code == 0
    assert "[red]Eve" in listed.out
    assert "[/nothing]" in guest("whoami").out
    assert remote.plain("a\x1b[2Jb\r\n\x9bc") == "a [2Jb   c"  # names of other servers' making


def test_a_long_list_says_that_there_is_more(pair):
    said = pair[1]("keys", "--limit", "1")
    assert said.code == 0
    assert "--limit" in said.err
    assert pair[1].json("keys", "--limit", "1")["more"] is True


@pytest.mark.parametrize("language", ["en", "zh"])
def test_lists_speak_the_language(pair, language):
    heading = {"en": "Roles", "zh": "角色"}[language]
    assert heading in pair[1]("members", lang=language).out


def test_a_server_that_is_not_there_is_said_so(person):
    said = person("whoami", "--server", "http://127.0.0.1:9", YUNHE_KEY="yk_x", lang="zh")
    assert said.code == 74
    assert "127.0.0.1:9" in said.err
    said = person("whoami", "--server", "http://yunhe.example.org", YUNHE_KEY="yk_x")
    assert said.code == 65
    assert "https" in said.err
