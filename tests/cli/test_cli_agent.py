"""`yunhe agent run`: which devices, which folder, whose key, and how it stops."""

from __future__ import annotations

import json
import os
import signal
from types import SimpleNamespace

import pytest
from office import KEY, SERVER

from yunhe import app
from yunhe.cli.agent import _chips
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import text
from yunhe.operations import logs


@pytest.fixture
def started(monkeypatch):
    """What the command starts, instead of an agent; it takes its site and ends at once."""
    seen = SimpleNamespace(fence=7, stopped=0, handlers={})

    def run(*, ready) -> None:
        ready(seen.fence)
        for handler in seen.handlers.values():
            handler(signal.SIGTERM, None)

    def agent(client, site, **given):
        seen.client, seen.site, seen.given = client, site, given
        return SimpleNamespace(run=run, stop=lambda: setattr(seen, "stopped", seen.stopped + 1))

    monkeypatch.setattr(app, "agent", agent)
    monkeypatch.setattr(logs, "configure", lambda **given: setattr(seen, "logs", given))
    monkeypatch.setattr(signal, "signal", seen.handlers.__setitem__)
    return seen


@pytest.mark.parametrize(
    ("given", "chips"),
    [
        (("ascend910b=8",), {"ascend910b": 8}),
        (("h20=1", "cpu=64"), {"h20": 1, "cpu": 64}),
        (("a.b-c_D=0999999",), None),
        (("x=000001",), {"x": 1}),
        (("a" * 64 + "=1",), {"a" * 64: 1}),
        (("a" * 65 + "=1",), None),
        (("=8",), None),
        (("h20",), None),
        (("h20=",), None),
        (("h20=0",), None),
        (("h20=-1",), None),
        (("h20=1.5",), None),
        (("h20=1000000",), None),
        (("h20=٣",), None),
        (("h20=8\n",), None),
        (("-h20=8",), None),
        (("h20=1", "h20=1"), None),
        (("h20=1=2",), None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_devices_are_said_by_chip_each_once(given, chips):
    if chips is None:
        with pytest.raises(Invalid) as refused:
            _chips(given)
        assert refused.value.code == "cli.agent.devices_wrong"
    else:
        assert _chips(given) == chips


def test_without_devices_this_machines_processors_are_counted(monkeypatch):
    assert _chips(()) == {"cpu": os.cpu_count()}
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert _chips(()) == {"cpu": 1}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_devices_that_are_none_are_told_shortened_and_nothing_starts(desk, started, lang):
    line = ("agent", "run", "--site", "east", "--devices", "x" * 500)
    refused = desk(*line, lang=lang)
    assert refused.code == 65
    assert text("cli.agent.devices_wrong", lang, given="x" * 80) in refused.err
    assert "x" * 81 not in refused.err
    assert desk("--json", *line, lang=lang).json["params"] == {"given": "x" * 80}
    assert not hasattr(started, "site")


@pytest.mark.parametrize(
    "line", [(), ("--site",), ("--site", "e", "--isolation", "none"), ("--site", "e", "more")]
)
def test_an_agent_without_a_site_or_with_another_isolation_is_a_mistake_of_use(desk, started, line):
    assert desk("agent", "run", *line).code == 2
    assert not hasattr(started, "site")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_agent_works_in_its_home_for_its_site_and_says_when_it_is_ready(
    desk, started, tmp_path, lang
):
    said = desk("--home", tmp_path, "agent", "run", "--site", "east", "--devices", "h20=2",
                lang=lang)  # fmt: skip
    place = tmp_path / "agents" / "east"
    assert said.code == 0, said.err
    assert said.out.strip() == text("cli.agent.ready", lang, site="east", folder=str(place))
    assert started.given == {"folder": place, "chips": {"h20": 2}, "isolation": "auto"}
    assert started.site == "east"
    assert f"{started.client!r}".find(KEY) == -1
    assert KEY not in said.out + said.err


def test_for_a_program_being_ready_is_one_line_with_the_fence(desk, started, tmp_path):
    folder = tmp_path / "of its own"
    said = desk("--json", "agent", "run", "--site", "东-1", "--folder", folder,
                "--isolation", "approved")  # fmt: skip
    assert said.code == 0, said.err
    assert said.json == {"site": "东-1", "fence": 7, "folder": str(folder)}
    assert len(said.out.splitlines()) == 1
    assert started.given["isolation"] == "approved"
    assert json.dumps("东-1", ensure_ascii=False) in said.out


def test_both_signals_that_end_a_service_stop_it(desk, started):
    assert desk("agent", "run", "--site", "east", "--folder", "x").code == 0
    assert set(started.handlers) == {signal.SIGTERM, signal.SIGINT}
    assert started.stopped == 2


def test_a_folder_that_is_a_file_is_a_mistake_of_use(desk, started, tmp_path):
    (tmp_path / "file").write_text("")
    assert desk("agent", "run", "--site", "e", "--folder", tmp_path / "file").code == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_a_key_or_a_server_nothing_starts(desk, started, monkeypatch, lang):
    monkeypatch.delenv("YUNHE_KEY")
    told = desk("--json", "agent", "run", "--site", "east", lang=lang)
    assert (told.code, told.json["code"]) == (77, "cli.no_key")
    assert told.json["message"] == text("cli.no_key", lang, server=SERVER)
    monkeypatch.delenv("YUNHE_SERVER")
    told = desk("--json", "agent", "run", "--site", "east", lang=lang)
    assert (told.code, told.json["code"]) == (65, "cli.no_server")
    assert not hasattr(started, "site")


def test_with_a_scheduler_beside_it_an_agent_offers_what_that_has(desk, started, tmp_path):
    (tmp_path / "jwt.key").write_text("key")
    file = tmp_path / "slurm.toml"
    file.write_text(
        '[centre]\nkind = "slurm"\naddress = "http://127.0.0.1:6820"\nuser = "yunhe"\n'
        'partition = "work"\nfolder = "shared"\nkey_file = "jwt.key"\n'
        '[centre.chips]\ncpu = ""\n'
    )
    assert desk("agent", "run", "--site", "east", "--scheduler", str(file)).code == 0
    assert started.given["chips"] == {}
    assert started.given["beside"].adapter == "centre"
    line = ("agent", "run", "--site", "east", "--scheduler", str(file), "--devices", "cpu=2")
    assert desk(*line).code == 0
    assert started.given["chips"] == {"cpu": 2}


def test_a_file_that_names_no_scheduler_is_refused_before_anything_starts(desk, started, tmp_path):
    file = tmp_path / "none.toml"
    file.write_text("")
    refused = desk("agent", "run", "--site", "east", "--scheduler", str(file))
    assert refused.code != 0
    assert not hasattr(started, "site")
