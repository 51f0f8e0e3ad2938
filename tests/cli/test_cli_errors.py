"""Whatever goes wrong is one message or one JSON object, and never a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from yunhe.kernel.errors import Invalid
from yunhe.plans.outcome import _write


def yunhe(*arguments: str, stdout=subprocess.PIPE, **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "yunhe", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["run"], 2), (["nosuch"], 2), (["--lang", "xx", "run"], 2), (["serve", "--port", "x"], 2),
     (["verify", "none", "--trust", "none"], 66), (["--home", "nowhere-at-all", "accounts"], 66)],
)  # fmt: skip
def test_with_json_every_failure_is_one_object_on_standard_output(arguments, code):
    done = yunhe("--json", *arguments)
    assert done.returncode == code
    said = json.loads(done.stdout)
    assert said["kind"] in ("usage", "not_found")
    assert said["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value"), [("--json", []), ("--home", ["elsewhere"]), ("--lang", ["zh"])]
)
@pytest.mark.parametrize("command", ["doctor", "up", "whoami"])
def test_an_option_for_all_commands_that_stands_behind_one_is_told_where_it_goes(
    command, option, value
):
    done = yunhe(command, option, *value)
    assert done.returncode == 2
    said = json.loads(done.stdout)["message"] if option == "--json" else done.stderr
    assert f"yunhe {option} … " in said


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_fault_of_our_own_is_told_without_a_trace_unless_one_is_asked_for(language, tmp_path):
    code = (
        "import yunhe.settings, yunhe.cli.main as m\n"
        "def broken(**_): raise ValueError('inside')\n"
        "yunhe.settings.from_environment = broken\n"
        f"m.main(['--lang', {language!r}, '--home', {str(tmp_path)!r}, 'settings'])"
    )
    run = {"capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", code], check=False, **run)
    assert done.returncode == 70
    assert "ValueError: inside" in done.stderr
    assert "YUNHE_TRACE" in done.stderr
    assert "Traceback" not in done.stderr
    traced = subprocess.run(
        [sys.executable, "-c", code], check=False, env={**os.environ, "YUNHE_TRACE": "1"}, **run
    )
    assert "Traceback" in traced.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("arguments", [["--help"], ["--json", "settings"], ["settings"]])
def test_an_output_that_takes_nothing_ends_with_the_code_of_a_full_disk(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = yunhe(*arguments, stdout=full)
    assert done.returncode == 74
    assert "Traceback" not in done.stderr


def test_a_terminal_without_chinese_shows_the_rest():
    done = yunhe("--lang", "zh", "settings", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert "YUNHE_HOME" in done.stdout


@pytest.mark.parametrize("address", ["garbage", "nosuch://u:hunter2@127.0.0.1/x"])
def test_an_address_of_no_database_is_named_without_its_password(address):
    done = yunhe("accounts", YUNHE_DATABASE_URL=address)
    assert done.returncode == 65
    assert "YUNHE_DATABASE_URL" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_report_never_replaces_what_is_no_file(tmp_path):
    kept = tmp_path / "kept.html"
    kept.write_text("kept")
    (tmp_path / "link.html").symlink_to(kept)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link.html", "pipe", "."):
        with pytest.raises(Invalid):
            _write(tmp_path / name, b"page")
    assert kept.read_text() == "kept"
    _write(kept, b"page")
    assert kept.read_text() == "page"
