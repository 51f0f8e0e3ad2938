"""The platform as a whole: where its key comes from, how it is changed, and what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from leak_search import Needles, search

from yunhe.app import Platform, open_platform
from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.settings import Settings
from yunhe.vault import service as vault

VALUE = b"hunter2-planted-and-more"
KEY = bytes(range(7, 39))


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YUNHE_SECRETS_KEY", raising=False)


def put(platform: Platform, name: str = "TOKEN", value: bytes = VALUE) -> None:
    with platform.storage.database.begin() as tx:
        given = {"organisation": "org_a", "member": "m", "at_us": 1}
        vault.put(tx, platform.vault, name=name, value=value, **given)


def reveal(platform: Platform, name: str = "TOKEN") -> bytes:
    with platform.storage.database.read() as tx:
        return vault.reveal(tx, platform.vault, organisation="org_a", names=[name])[name]


def key_file(home: Path) -> bytes:
    return (home / "keys" / "secrets.key").read_bytes().strip()


def test_a_platform_without_secrets_makes_no_key(tmp_path):
    with open_platform(Settings(home=tmp_path / "home")) as platform:
        with platform.storage.database.read() as tx:
            assert vault.condition(tx, platform.vault) == vault.Condition(0, 0, 0)
        assert platform.rotate_secrets_key() == (0, True)
        with pytest.raises(NotFound):
            reveal(platform)
    assert not (tmp_path / "home" / "keys" / "secrets.key").exists()


def test_the_key_and_the_values_lie_in_no_file_but_the_keys(tmp_path):
    home = tmp_path / "home"
    with open_platform(Settings(home=home)) as platform:
        put(platform)
        assert reveal(platform) == VALUE
        ((raw),) = platform.secrets_key.load()
    found = search(tmp_path, Needles({"value": VALUE, "key": raw, "key as text": key_file(home)}))
    assert set(found) == {"home/keys/secrets.key"}
    assert found["home/keys/secrets.key"] >= {"key as text"}


def test_after_a_rotation_nothing_is_left_of_the_old_key(tmp_path):
    home = tmp_path / "home"
    with open_platform(Settings(home=home)) as platform:
        put(platform)
        put(platform, "OTHER", b"another value altogether")
        before = key_file(home)
        assert platform.rotate_secrets_key() == (2, True)
        assert key_file(home) != before
        assert reveal(platform) == VALUE
    with open_platform(Settings(home=home)) as platform:
        assert reveal(platform, "OTHER") == b"another value altogether"
    assert search(tmp_path, Needles({"old": before})) == {}


def test_a_lost_key_file_is_told_and_everything_else_goes_on(tmp_path):
    home = tmp_path / "home"
    with open_platform(Settings(home=home)) as platform:
        put(platform)
    (home / "keys" / "secrets.key").unlink()
    with open_platform(Settings(home=home)) as platform:
        assert platform.audit(None).ok
        for attempt in (put, reveal, Platform.rotate_secrets_key):
            with pytest.raises(Unavailable) as caught:
                attempt(platform)
            assert caught.value.code == "vault.key_missing"
    assert not (home / "keys" / "secrets.key").exists()


def test_a_key_in_the_environment_is_in_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("YUNHE_SECRETS_KEY", KEY.hex())
    with open_platform(Settings(home=tmp_path / "home")) as platform:
        put(platform)
        assert reveal(platform) == VALUE
        with pytest.raises(Invalid) as caught:
            platform.rotate_secrets_key()
        assert caught.value.code == "vault.rotation_needs_key"
    assert search(tmp_path, Needles({"key": KEY, "value": VALUE})) == {}


def test_a_key_in_a_file_of_the_operator_is_used_and_never_changed(tmp_path):
    file = tmp_path / "operator.key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    settings = Settings(home=tmp_path / "home", secrets_key_file=file)
    with open_platform(settings) as platform:
        put(platform)
        file.write_text(f"{os.urandom(32).hex()}\n{KEY.hex()}\n")
        written = file.read_text()
        assert platform.rotate_secrets_key() == (1, False)
        assert file.read_text() == written
        assert reveal(platform) == VALUE


def test_values_put_while_keys_change_are_never_lost(tmp_path):
    """Several threads put and read while the key is changed ten times."""
    with open_platform(Settings(home=tmp_path / "home")) as platform:
        put(platform, "S_0", b"value-of-S_0")
        end, faults, names = threading.Event(), [], ["S_0"]

        def work(number: int) -> None:
            count = 0
            while not end.is_set():
                name = f"S_{number}_{count % 20}"
                try:
                    put(platform, name, f"value-of-{name}".encode())
                    names.append(name)
                    assert reveal(platform, "S_0") == b"value-of-S_0"
                except Unavailable as error:  # it held the keys of before: asking again helps
                    if error.code != "vault.key_other":
                        faults.append(error)
                except BaseException as error:
                    faults.append(error)
                    raise
                count += 1

        threads = [threading.Thread(target=work, args=[number]) for number in range(1, 4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            platform.rotate_secrets_key()
        end.set()
        for thread in threads:
            thread.join()
        assert faults == []
        assert len(set(names)) > 3
        for name in set(names):
            assert reveal(platform, name) == f"value-of-{name}".encode()
        with platform.storage.database.read() as tx:
            assert vault.condition(tx, platform.vault).lost == 0
        assert len(platform.secrets_key.load()) == 1


def yunhe(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "yunhe", "--home", str(home), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_command_line_counts_secrets_and_changes_their_key(tmp_path):
    home = tmp_path / "home"
    with open_platform(Settings(home=home)) as platform:
        put(platform)
    before = key_file(home)
    file = str(home / "keys" / "secrets.key")
    counted = yunhe(home, "--json", "secrets")
    assert (counted.returncode, json.loads(counted.stdout)) == (
        0,
        {"count": 1, "lost": 0, "waiting": 0, "key": file},
    )
    changed = yunhe(home, "--json", "secrets", "--rotate-key")
    assert json.loads(changed.stdout) == {
        "sealed_anew": 1,
        "old_key_destroyed": True,
        "key": file,
    }
    with open_platform(Settings(home=home)) as platform:
        assert reveal(platform) == VALUE
    (home / "keys" / "secrets.key").unlink()
    for language, word in (("en", "1 of them cannot be opened"), ("zh", "其中 1 个无法打开")):
        lost = yunhe(home, "--lang", language, "secrets")
        assert lost.returncode == 1
        assert word in lost.stdout
    for done in (counted, changed, lost):
        assert Needles({"value": VALUE, "key": before}).within(done.stdout.encode()) == set()
