from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from yunhe import custody
from yunhe.cli.help import width
from yunhe.cli.main import COMMANDS

HEAVY = {
    "alembic", "cryptography", "jinja2", "numpy", "pyarrow", "pydantic", "rich", "scipy",
    "sklearn", "sqlalchemy", "uvicorn", "yaml", "httpx", "fastapi",
}  # fmt: skip
MODULES = "import sys; print(' '.join(sorted({m.partition('.')[0] for m in sys.modules})))"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
    )


def yunhe(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"from yunhe.cli.main import main; main({list(arguments)!r})"
    return python(code, **environment)


def test_importing_yunhe_loads_nothing_but_itself():
    bare = set(python(MODULES).stdout.split())
    assert set(python("import yunhe; " + MODULES).stdout.split()) - bare == {"yunhe"}


@pytest.mark.parametrize("arguments", [["--help"], ["--lang", "zh", "--help"], ["verifier"]])
def test_help_loads_the_command_line_library_and_nothing_heavy(arguments):
    code = (
        "import atexit, sys; from yunhe.cli.main import main; "
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr)); "
        f"main({arguments!r})"
    )
    done = python(code)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "click" in loaded
    assert loaded & HEAVY == set()
    floors = {name for name in done.stderr.split() if name.startswith("yunhe.")}
    assert {name.split(".")[1] for name in floors} <= {"cli", "kernel", "custody"}


def test_a_language_nobody_speaks_is_named_in_one_line_with_those_that_are_spoken():
    chosen = yunhe("--help", YUNHE_LANG="zh", LC_ALL="en_US.UTF-8")
    assert "执行计划" in chosen.stdout
    assert chosen.stderr == ""
    odd = yunhe("--help", YUNHE_LANG="fr\n" * 99, LC_ALL="en_US.UTF-8")
    assert "Run a plan" in odd.stdout
    [line] = odd.stderr.splitlines()
    assert "YUNHE_LANG" in line
    assert "en, zh" in line
    assert yunhe("settings", YUNHE_LANG="zh").returncode == 0


def test_help_follows_the_locale_and_the_option_overrides_it():
    assert "Run a plan" in yunhe("--help", LC_ALL="en_US.UTF-8").stdout
    assert "执行计划" in yunhe("--help", LC_ALL="zh_CN.UTF-8").stdout
    assert "执行计划" in yunhe("--lang", "zh", "--help", LC_ALL="en_US.UTF-8").stdout
    assert "Run a plan" in yunhe("--lang=en", "--help", LC_ALL="zh_CN.UTF-8").stdout


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_command_stands_in_the_list_with_a_text(lang):
    listed = yunhe("--lang", lang, "--help").stdout
    assert [name for name in COMMANDS if f"\n  {name}" not in listed] == []
    assert "cli." not in listed


def test_every_command_explains_itself_in_both_languages():
    for command in COMMANDS:
        english = yunhe("--lang", "en", command, "--help")
        chinese = yunhe("--lang", "zh", command, "--help")
        assert english.returncode == chinese.returncode == 0
        assert "Usage:" in english.stdout
        assert "用法" in chinese.stdout
        assert english.stdout != chinese.stdout
        assert "cli." not in english.stdout + chinese.stdout  # a bare key would be a missing text


def test_chinese_help_keeps_to_the_width_of_the_terminal():
    shown = yunhe("--lang", "zh", "run", "--help", COLUMNS="80").stdout
    assert max(width(line) for line in shown.splitlines()) <= 80


def test_a_wrong_option_is_told_with_exit_code_two():
    done = yunhe("run")
    assert done.returncode == 2
    assert "PLAN" in done.stderr
    assert yunhe("nosuch").returncode == 2


def test_an_expected_failure_is_a_message_or_json_and_never_a_trace(tmp_path):
    missing = str(tmp_path / "none.yaml")
    for language, word in (("en", "no plan file"), ("zh", "没有计划文件")):
        done = yunhe("--lang", language, "run", missing, "--check")
        assert done.returncode == 66
        assert word in done.stderr
        assert "Traceback" not in done.stderr
    done = yunhe("--json", "run", missing, "--check")
    assert done.returncode == 66
    assert json.loads(done.stdout)["code"] == "plans.no_file"


def test_the_completion_script_completes_our_commands():
    script = yunhe("completion", "bash").stdout
    assert "_YUNHE_COMPLETE" in script
    done = yunhe(_YUNHE_COMPLETE="bash_complete", COMP_WORDS="yunhe ver", COMP_CWORD="1")
    assert {line.partition(",")[2] for line in done.stdout.split()} == {"verify", "verifier"}


def test_the_stand_alone_verifier_is_printed_byte_for_byte():
    source = Path(custody.__file__).parent / "verifier.py"
    assert yunhe("verifier").stdout == source.read_text("utf-8")
