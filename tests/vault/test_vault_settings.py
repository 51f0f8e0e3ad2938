"""Settings are shown, and refused, without any password in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from yunhe.custody.publishers import GitPublisher, _environment
from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.settings import Settings, from_environment, shown

PASSWORD = "hunter2-planted"
DATABASE = f"postgresql://yunhe:{PASSWORD}@127.0.0.1:1/yunhe"


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("SMTP_URL", f"smtp://mail:{PASSWORD}@host:25", "settings.password_in_smtp"),
        ("SMTP_URL", f"smtps://:{PASSWORD}@host", "settings.password_in_smtp"),
        ("CHECKPOINTS", f"git+https://u:{PASSWORD}@host/repo.git", "settings.password_inside"),
        ("OTLP_ENDPOINT", f"https://u:{PASSWORD}@host:4318", "settings.password_inside"),
        ("S3_ENDPOINT", f"https://u:{PASSWORD}@host", "settings.password_inside"),
        ("OIDC_ISSUER", f"https://u:{PASSWORD}@host", "settings.password_inside"),
        ("PUBLIC_URL", f"https://u:{PASSWORD}@host", "settings.password_inside"),
    ],
)
def test_an_address_with_a_password_is_refused_with_what_to_do_instead(variable, value, code):
    name = f"YUNHE_{variable}"
    with pytest.raises(Invalid) as caught:
        from_environment({name: value})
    assert [(found.where, found.code) for found in caught.value.findings] == [(name, code)]
    for language in ("en", "zh"):
        said = caught.value.message(language)
        assert PASSWORD not in said
        assert "YUNHE_SMTP_PASSWORD_FILE" in said or code != "settings.password_in_smtp"
    assert PASSWORD not in json.dumps(caught.value.as_json("en"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SMTP_URL", "smtp://mail@host:25"),
        ("CHECKPOINTS", "git+ssh://git@host/repo.git"),
        ("CHECKPOINTS", "/srv/witness/checkpoints.txt"),
        ("CHECKPOINTS", "git+/srv/repo.git"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000"),
        ("S3_ENDPOINT", "http://[broken"),
    ],
)
def test_an_address_without_one_is_taken(variable, value):
    taken = from_environment({f"YUNHE_{variable}": value})
    assert getattr(taken, variable.lower()) == value


def test_settings_in_a_trace_or_a_list_hide_the_password_of_the_database():
    settings = Settings(database_url=DATABASE)
    assert PASSWORD not in repr(settings) + str(settings)
    assert shown(settings)["database_url"] == DATABASE.replace(PASSWORD, "***")
    assert shown(Settings(database_url=f"postgresql://db/x?password={PASSWORD}"))[
        "database_url"
    ].endswith("?password=***")
    assert shown(Settings()).keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_yunhe_settings_prints_no_password_and_no_key(form, tmp_path):
    key = tmp_path / "key"
    key.write_text("00" * 32)
    environment = {
        **os.environ,
        "YUNHE_DATABASE_URL": DATABASE,
        "YUNHE_SECRETS_KEY": "ab" * 32,
        "YUNHE_SECRETS_KEY_FILE": str(key),
        "YUNHE_KEY": "yk_planted",
        "COLUMNS": "300",
    }
    done = subprocess.run(
        [sys.executable, "-m", "yunhe", "--home", str(tmp_path), *form, "settings"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "postgresql://yunhe:***@127.0.0.1:1/yunhe" in done.stdout
    assert str(key) in done.stdout
    for secret in (PASSWORD, "ab" * 8, "00" * 8, "yk_planted"):
        assert secret not in done.stdout + done.stderr


_FAIL = """
import yunhe.settings, yunhe.cli.main as m
def broken(**_):
    try:
        raise ValueError("cannot open postgresql://yunhe:hunter2-planted@db/x")
    except ValueError as error:
        raise KeyError("Authorization: Bearer hunter2-planted") from error
yunhe.settings.from_environment = broken
m.main(["settings"])
"""


@pytest.mark.parametrize("trace", [{}, {"YUNHE_TRACE": "1"}])
def test_a_fault_of_ours_is_told_without_the_secrets_in_its_words(trace):
    done = subprocess.run(
        [sys.executable, "-c", _FAIL],
        env={**os.environ, **trace},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert ("Traceback" in done.stderr) == bool(trace)
    assert "KeyError" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_git_gets_none_of_our_variables():
    outer = {"YUNHE_SECRETS_KEY": "x", "YUNHE_DATABASE_URL": DATABASE, "HOME": "/root"}
    inner = _environment(outer)
    assert inner["HOME"] == "/root"
    assert not [name for name in inner if name.startswith("YUNHE_")]


def test_a_place_that_cannot_be_reached_is_told_without_its_password(tmp_path):
    publisher = GitPublisher(f"file://u:{PASSWORD}@host{tmp_path}/absent.git")
    with pytest.raises(Unavailable) as caught:
        publisher.publish("log\n1\nroot\n")
    assert PASSWORD not in caught.value.message("en") + repr(caught.value.params)
