"""`yunhe pool` and `yunhe chips` against a real server, in both languages."""

from __future__ import annotations

from importlib.resources import files

import pytest
from remote_desk import Person, people, server, supplied

from yunhe.cli import chips, pooling
from yunhe.compute import supply as package

COMMANDS = {**pooling.COMMANDS, **chips.COMMANDS}


@pytest.fixture
def folk(tmp_path, capsys, monkeypatch):
    """An operator that is the provider too, a tenant, and a pool of one device."""
    with server(tmp_path / "home") as running:
        operator, tenant = people(tmp_path, capsys, monkeypatch, running)
        supplied(running, operator, tenant)
        yield operator, tenant


def test_a_pool_is_added_changed_priced_and_maintained(folk) -> None:
    operator, tenant = folk
    provider = operator.json("whoami")["organisation"]["id"]
    given = ("--provider", provider, "--site", "west-2", "--chip", "ascend910b", "--devices", "8")
    refused = operator("pool", "add", *given, "--price", "12.00")
    assert refused.code != 0
    assert "demonstration" in refused.err
    for lang in ("en", "zh"):
        mistyped = (*given, "--adapter", "demonstratoin", "--price", "12.00")
        refused = operator("pool", "add", *mistyped, lang=lang)
        assert refused.code != 0
        assert "demonstration, local" in refused.err
        assert "YUNHE_SITES_FILE" in refused.err
    assert tenant.json("pool", "list", "--chip", "ascend910b")["items"] == []
    given = (*given, "--adapter", "demonstration")
    made = operator.json("pool", "add", *given, "--price", "12.00", "--jurisdiction", "CN-GZ")
    pool = made["pool"]["id"]
    assert (made["jurisdiction"], made["price_now_minor"]) == ("CN-GZ", 1_200)
    listed = tenant.json("pool", "list", "--chip", "ascend910b")["items"]
    assert [each["pool"]["id"] for each in listed] == [pool]
    shown = tenant("pool", "list")
    assert pool in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert "12.00 CNY" in shown.out

    because = ("--reason", "spring")
    far = operator("pool", "price", pool, "9.50", "--until", "2199-01-01", *because)
    assert far.code != 0
    assert "2100" in far.err
    until = ("--until", "2099-01-01")
    price = operator.json("pool", "price", pool, "9.50", *until, *because)
    assert price["price_minor_per_device_hour"] == 950
    assert price["until_at"].startswith("2099-01-01T00:00:00")
    twice = operator("pool", "price", pool, "9.00", *because, lang="zh")
    assert twice.code != 0
    assert price["id"] in twice.err
    assert f"yunhe pool end-price 资源池 {price['id']}" in twice.err
    for command in (("price", pool, "1.00"), ("maintenance", pool, "--until", "2098-01-01")):
        early = operator("pool", *command, "--from", "2020-01-01", *because)
        assert early.code != 0
        assert "--from: " in early.err
        assert "from_at" not in early.err
        unread = operator("pool", *command, "--from", "yesterday", *because)
        assert "--from" in unread.err
    assert tenant("pool", "price", pool, "1.00", *because).code != 0
    assert "9.50 CNY" in tenant("pool", "list").out
    ended = operator("pool", "end-price", pool, price["id"], *because)
    assert ended.code == 0
    assert "9.50 CNY" in ended.out
    assert tenant.json("pool", "show", pool)["price_now_minor"] == 1_200

    window = operator.json("pool", "maintenance", pool, "--until", "2090-05-01T08:00+08:00",
                           *because)  # fmt: skip
    assert window["until_at"].startswith("2090-05-01T00:00:00")
    shown = tenant("pool", "show", pool, lang="zh").out
    assert window["id"] in shown
    assert "计划维护" in shown
    off = operator("pool", "call-off", pool, window["id"], *because)
    assert (off.code, window["id"] in off.out) == (0, True)
    drained = operator("pool", "change", pool, "--state", "draining", *because)
    assert "draining" in drained.out
    assert "排空中" in tenant("pool", "list", lang="zh").out
    assert tenant("pool", "show", "pool_none").code != 0
    soon = operator("pool", "maintenance", pool, "--until", "soon", *because)
    assert soon.code != 0
    assert "--until: " in soon.err


def test_a_closed_pool_says_so_where_a_workload_waits(folk, tmp_path) -> None:
    operator, tenant = folk
    (pool,) = (each["pool"]["id"] for each in tenant.json("pool", "list")["items"])
    operator.json("pool", "change", pool, "--state", "down", "--reason", "power")
    offer = tenant.json("pool", "show", pool)
    assert offer["state"] == "down"
    assert [step["reason"] for step in offer["steps"]] == ["power"]


def test_chips_are_listed_compared_and_their_rates_disputed(folk, tmp_path) -> None:
    operator, tenant = folk
    shown = tenant("chips", "list")
    assert "ascend910c" in shown.out
    assert "2026-11-22" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert tenant.json("chips", "list", "--offered")["items"] == []  # cpu is no accelerator
    one = tenant("chips", "show", "h20", lang="zh")
    assert "未核实" in one.out
    assert "许可" in one.out
    assert tenant("chips", "show", "abacus").code != 0
    assert tenant("chips", "rates").code != 0

    file = tmp_path / "rates.yaml"
    file.write_bytes(files(package).joinpath("gavel_rates.yaml").read_bytes())
    assert tenant("chips", "publish", str(file)).code != 0
    card = operator.json("chips", "publish", str(file))
    assert (card["version"], card["reference"]) == (1, "v100")
    rates = tenant("chips", "rates")
    assert "training.resnet50" in rates.out
    assert "631" in rates.out
    assert tenant("chips", "rates", "--version", "2").code != 0
    work = ("p100", "training.resnet50")
    assert "63.100 h × v100" in tenant("chips", "normalise", *work, "100").out
    none = tenant("chips", "normalise", "h100", "training.resnet50", "100")
    assert (none.code, "h100" in none.out) == (0, True)
    assert tenant.json("chips", "normalise", "h100", "x", "1")["reference_us"] is None

    made = tenant.json("chips", "dispute", card["id"], *work, "--reason", "ours do 700")
    assert made["state"] == "open"
    assert "disputed" in tenant("chips", "normalise", *work, "100").out
    assert made["id"] in operator("chips", "disputes").out
    assert tenant("chips", "decide", made["id"], "upheld", "--reason", "x").code != 0
    decided = operator("chips", "decide", made["id"], "upheld", "--reason", "so it is", lang="zh")
    assert "成立" in decided.out
    assert "so it is" in tenant("chips", "disputes").out


@pytest.mark.parametrize("body", ["", "[]", "a: [", "x" * (1 << 20) + "y", "reference: v100"])
def test_a_file_without_a_rate_card_is_refused_before_anything_is_asked(folk, tmp_path, body):
    operator, tenant = folk
    file = tmp_path / "rates.yaml"
    file.write_text(body)
    said = operator("chips", "publish", str(file))
    assert said.code != 0
    assert tenant("chips", "rates").code != 0


def test_a_watched_list_is_shown_again_until_it_is_interrupted(folk, monkeypatch) -> None:
    _, tenant = folk
    waited = []

    def sleeps(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(pooling.time, "sleep", sleeps)
    said = tenant("pool", "list", "--watch")
    assert said.code == 130
    assert said.out.count("east-1") == 2
    assert "items" in tenant.json("pool", "list", "--watch")  # a program is answered once


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("group", ["pool", "chips"])
def test_help_is_there_for_every_command_in_both_languages(
    tmp_path, capsys, monkeypatch, group, lang
):
    person = Person(tmp_path, capsys, monkeypatch)
    shown = person(group, "--help", lang=lang)
    assert shown.code == 0
    names = {command.name for command in COMMANDS[group](lang).commands.values()}
    for name in names:
        assert name in shown.out
        told = person(group, name, "--help", lang=lang)
        assert told.code == 0
        assert "cli." not in told.out


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("2026-12-01", "2026-12-01T00:00:00+00:00"),
        ("2026-12-01T08:00", "2026-12-01T08:00:00+00:00"),
        ("2026-12-01T08:00+08:00", "2026-12-01T08:00:00+08:00"),
        ("2026-12-01T08:00Z", "2026-12-01T08:00:00+00:00"),
        ("soon", "soon"),
        (None, None),
    ],
)
def test_a_time_without_an_offset_is_utc(said, sent) -> None:
    assert pooling._when(said) == sent


def test_a_pool_with_nodes_grows_and_loses_one(folk, tmp_path) -> None:
    operator, tenant = folk
    provider = operator.json("whoami")["organisation"]["id"]
    given = ("--provider", provider, "--site", "west-3", "--chip", "h20", "--price", "1.00")
    given = (*given, "--adapter", "demonstration")
    assert operator("pool", "add", *given).code == 2
    assert "8x16" in operator("pool", "add", *given, "--node", "8 by 16").err
    listed = tmp_path / "nodes.yaml"
    listed.write_text("- {count: 1, devices: 4, cpu_milli: 64000, memory_mib: 524288, domain: 2}\n")
    made = operator.json("pool", "add", *given, "--node", "2x8", "--nodes", str(listed))
    pool = made["pool"]["id"]
    assert made["pool"]["devices"] == 20
    assert [node["devices"] for node in made["nodes"]] == [8, 8, 4]
    because = ("--reason", "a device fell off the bus")
    down = operator.json("pool", "node", pool, "1", "--state", "down", *because)
    assert (down["node"], down["state"]) == (1, "down")
    assert tenant("pool", "node", pool, "1", "--state", "open", *because).code != 0
    grown = operator("pool", "grow", pool, "--node", "1x2,cpu_milli=4000", "--reason", "more")
    assert grown.code == 0, grown.err
    for language, word in (("en", "down"), ("zh", "停用")):
        shown = tenant("pool", "show", pool, lang=language).out
        assert word in shown
        assert "512 GiB" in shown
        assert max(map(len, shown.splitlines())) <= 100
    assert operator("pool", "node", pool, "9", "--state", "open", *because).code != 0
    (tmp_path / "broken.yaml").write_text("nodes: [1, 2")
    wrong = operator("pool", "grow", pool, "--nodes", str(tmp_path / "broken.yaml"), *because)
    assert wrong.code == 2
