"""Where the key comes from, who may have it, and how it is changed without losing a secret."""

from __future__ import annotations

import base64
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, Unavailable, YunheError
from yunhe.storage.service import Storage
from yunhe.vault import keys, store
from yunhe.vault import service as vault
from yunhe.vault.domain import Secret
from yunhe.vault.sealing import Vault, key_id

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
VALUE = b"hunter2-and-some-more"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def source(home: Path, file: Path | None = None, **environment: str) -> keys.KeySource:
    return keys.source(home, file=file, environment=environment)


def put(storage: Storage, opener: Vault, name: str = "TOKEN", value: bytes = VALUE, **over) -> None:
    with storage.database.begin() as tx:
        given = {"organisation": "org_a", "member": "m", "at_us": 1, **over}
        vault.put(tx, opener, name=name, value=value, **given)


def sealed(tx, secret: Secret) -> str:
    return store.sealed(tx, secret.organisation, secret.project, secret.name)[1]


def reveal(storage: Storage, opener: Vault, name: str = "TOKEN", **over) -> bytes:
    with storage.database.read() as tx:
        given = {"organisation": "org_a", **over}
        return vault.reveal(tx, opener, names=[name], **given)[name]


def place(number: int) -> dict[str, str]:
    """Over several projects, as one holds a bounded number."""
    return {"name": f"S{number}", "project": f"project_{number // 100}"}


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.b64encode(KEY).decode(),
        base64.b64encode(KEY).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY).decode(),
        f"  {KEY.hex()}\n",
    ],
)
def test_a_key_is_read_in_every_usual_form(tmp_path, text):
    assert list(source(tmp_path, YUNHE_SECRETS_KEY=text).load()) == [KEY]
    assert list(source(tmp_path, written(tmp_path / "key", text)).load()) == [KEY]


@pytest.mark.parametrize(
    "text", ["", "x", KEY.hex()[:-2], "钥匙", base64.b64encode(KEY[:16]).decode()]
)
def test_what_is_no_key_is_refused_without_being_told(tmp_path, text):
    path = written(tmp_path / "key", text)
    for found in (source(tmp_path, YUNHE_SECRETS_KEY=text), source(tmp_path, path)):
        with pytest.raises(Invalid) as caught:
            found.load()
        assert caught.value.code == "vault.key_invalid"
        assert caught.value.params["where"] == found.where
        assert len(text) < 8 or text not in caught.value.message("en") + repr(caught.value)


def test_several_keys_are_read_in_order_and_too_many_are_refused(tmp_path):
    both = f"{OTHER.hex()}, {KEY.hex()}\n{OTHER.hex()}"
    assert list(source(tmp_path, YUNHE_SECRETS_KEY=both).load()) == [OTHER, KEY]
    with pytest.raises(Invalid) as caught:
        source(tmp_path, YUNHE_SECRETS_KEY=" ".join([KEY.hex()] * 5)).load()
    assert caught.value.code == "vault.keys_too_many"


def test_the_environment_wins_over_the_file_and_the_file_over_the_home(tmp_path):
    file = written(tmp_path / "key", OTHER.hex())
    assert source(tmp_path, file, YUNHE_SECRETS_KEY=KEY.hex()).where == "YUNHE_SECRETS_KEY"
    assert source(tmp_path, file).where == str(file)
    assert source(tmp_path).where == str(tmp_path / "keys" / "secrets.key")


def test_a_first_key_is_made_for_its_owner_alone_and_stays(tmp_path):
    own = source(tmp_path / "home")
    with pytest.raises(Unavailable) as caught:
        own.load()
    assert caught.value.code == "vault.key_missing"
    (made,) = own.make()
    assert list(own.make()) == list(own.load()) == [made]
    assert stat.S_IMODE(own.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(own.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in own.path.parent.iterdir()] == ["secrets.key"]


def test_a_key_the_operator_keeps_is_never_made(tmp_path):
    with pytest.raises(Unavailable) as caught:
        source(tmp_path, tmp_path / "absent").make()
    assert caught.value.code == "vault.key_missing"
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o644])
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path, mode):
    for found in (
        source(tmp_path, written(tmp_path / "key", KEY.hex(), mode)),
        source(tmp_path / "home"),
    ):
        if found.own:
            found.make()
            found.path.chmod(mode)
        with pytest.raises(NotAllowed) as caught:
            found.load()
        assert caught.value.code == "vault.key_permissions"
        assert caught.value.params["mode"] == "600"


def test_a_key_in_a_folder_open_to_others_or_behind_a_link_is_refused(tmp_path):
    own = source(tmp_path / "home")
    own.make()
    own.path.parent.chmod(0o755)
    with pytest.raises(NotAllowed):
        own.load()
    own.path.parent.chmod(0o700)
    kept = written(tmp_path / "elsewhere", KEY.hex())
    own.path.unlink()
    own.path.symlink_to(kept)
    with pytest.raises(NotAllowed):
        own.load()
    # A file that the operator names may be a link: that is how secrets are mounted into containers.
    assert list(source(tmp_path, own.path).load()) == [KEY]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path):
    path = written(tmp_path / "key", KEY.hex())
    os.chown(path, 12_345, 12_345)
    with pytest.raises(NotAllowed) as caught:
        source(tmp_path, path).load()
    assert caught.value.code == "vault.key_owner"
    assert caught.value.params["owner"] == 12_345


def test_a_folder_in_the_place_of_a_key_is_refused(tmp_path):
    (tmp_path / "key").mkdir(mode=0o700)
    with pytest.raises(YunheError):
        source(tmp_path, tmp_path / "key").load()


_MAKE = """
import sys
from pathlib import Path
from yunhe.vault import keys
sys.stdin.readline()
(key,) = keys.source(Path(sys.argv[1]), file=None, environment={}).make()
print(key.hex())
"""


def test_many_processes_that_start_at_once_make_one_key(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = {process.communicate("go\n", timeout=60)[0] for process in started}
    assert len(said) == 1
    assert said == {key.hex() + "\n" for key in source(tmp_path / "home").load()}
    assert [path.name for path in (tmp_path / "home" / "keys").iterdir()] == ["secrets.key"]


def test_a_lost_key_is_not_replaced_by_a_new_one(storage, tmp_path):
    own = source(tmp_path / "home")
    put(storage, Vault(own))
    own.path.unlink()
    for attempt in (lambda: put(storage, Vault(own), "MORE"), lambda: reveal(storage, Vault(own))):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "vault.key_missing"
    assert not own.path.exists()
    with storage.database.read() as tx:
        assert vault.condition(tx, Vault(own)) == vault.Condition(secrets=1, lost=1, waiting=0)


def test_rotation_seals_everything_anew_and_the_old_key_opens_nothing(storage):
    old, new = Vault(KEY), Vault(OTHER)
    for number in range(250):  # several batches
        put(storage, old, value=b"value number %d" % number, **place(number))
    assert vault.rotate(storage, old, new) == 250
    assert vault.rotate(storage, old, new) == 0
    for number in (0, 99, 100, 249):
        assert reveal(storage, new, **place(number)) == b"value number %d" % number
    with pytest.raises(Unavailable) as caught:
        reveal(storage, old, **place(0))
    assert caught.value.code == "vault.key_other"
    put(storage, new, "AFTER")
    with pytest.raises(Unavailable):
        put(storage, old, "STALE")


_ROTATE = """
import os, signal, sys
from pathlib import Path
from yunhe.custody import store as _
from yunhe.kernel.clock import SystemClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage
from yunhe.vault import keys, service, sealing
home, url, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
storage = Storage(Database(url), LocalBlobs(home / "blobs"), SystemClock())
source = keys.source(home / "home", file=None, environment={})
real = sealing.Vault.seal
def seal(self, secret, value):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, secret, value)
sealing.Vault.seal = seal
source.begin_change()
service.rotate(storage, sealing.Vault(source), sealing.Vault(source))
source.end_change()
"""


@pytest.mark.parametrize("seals", [0, 1, 150, 230])
def test_a_rotation_killed_at_any_point_goes_on_and_loses_nothing(storage, tmp_path, seals):
    own = source(tmp_path / "home")
    count = 230
    for number in range(count):
        put(storage, Vault(own), **place(number))
    (before,) = own.load()

    def rotate(seals: int) -> int:
        line = [sys.executable, "-c", _ROTATE, str(tmp_path), storage.database.url, str(seals)]
        return subprocess.run(line, timeout=60, check=False).returncode

    if seals < count:
        assert rotate(seals) == -signal.SIGKILL
        assert before in own.load()
        with storage.database.read() as tx:
            condition = vault.condition(tx, Vault(own))
        assert (condition.secrets, condition.lost) == (count, 0)
        assert condition.waiting == count - seals // 100 * 100
        assert {reveal(storage, Vault(own), **place(number)) for number in range(count)} == {VALUE}
        put(storage, Vault(own), value=b"put during the change", **place(7))
    assert rotate(1_000) == 0
    assert before not in own.load()
    assert len(own.load()) == 1
    with storage.database.read() as tx:
        assert vault.condition(tx, Vault(own)) == vault.Condition(count, lost=0, waiting=0)
        assert store.any_key(tx) == key_id(own.load()[0])
    assert reveal(storage, Vault(own), **place(199)) == VALUE


def test_keys_the_operator_keeps_are_changed_by_the_operator(storage, tmp_path):
    file = written(tmp_path / "key", KEY.hex())
    put(storage, Vault(source(tmp_path, file)))
    with pytest.raises(Invalid) as caught:
        source(tmp_path, file).begin_change()
    assert caught.value.code == "vault.rotation_needs_key"
    written(file, f"{OTHER.hex()}\n{KEY.hex()}")
    both = source(tmp_path, file)
    # Until it is rotated, everything goes on as before.
    put(storage, Vault(both), "BEFORE")
    assert reveal(storage, Vault(both)) == VALUE
    both.begin_change()
    assert vault.rotate(storage, Vault(both), Vault(both)) == 2
    assert not both.end_change()
    written(file, OTHER.hex())
    assert reveal(storage, Vault(source(tmp_path, file)), "BEFORE") == VALUE


def test_two_rotations_to_different_keys_do_not_fight(storage, monkeypatch):
    put(storage, Vault(KEY))
    third = bytes(range(2, 34))
    real = store.set_key

    def interrupted(tx, key, *, at_us):
        real(tx, key, at_us=at_us)
        real(tx, key_id(third), at_us=at_us)

    monkeypatch.setattr(store, "set_key", interrupted)
    with pytest.raises(Conflict) as caught:
        vault.rotate(storage, Vault(KEY), Vault(OTHER))
    assert caught.value.code == "vault.rotated_elsewhere"


def test_a_damaged_secret_stops_a_rotation_until_it_is_put_anew(storage):
    put(storage, Vault(KEY), "GOOD")
    put(storage, Vault(KEY), "BAD")
    with storage.database.begin() as tx:
        bad = store.secret(tx, "org_a", "", "BAD")
        store.keep(tx, bad, sealed(tx, store.secret(tx, "org_a", "", "GOOD")))
    both = keys.KeySource(Path(), own=False, text=f"{OTHER.hex()} {KEY.hex()}")
    with pytest.raises(Unavailable) as caught:
        vault.rotate(storage, Vault(both), Vault(both))
    assert caught.value.code == "vault.secret_damaged"
    assert caught.value.params == {"name": "BAD"}
    put(storage, Vault(both), "BAD", b"the value put anew")
    vault.rotate(storage, Vault(both), Vault(both))
    assert reveal(storage, Vault(OTHER), "GOOD") == VALUE
    assert reveal(storage, Vault(OTHER), "BAD") == b"the value put anew"


def test_a_key_source_does_not_show_the_key():
    shown = repr(source(Path("/nowhere"), YUNHE_SECRETS_KEY=KEY.hex()))
    assert KEY.hex() not in shown
