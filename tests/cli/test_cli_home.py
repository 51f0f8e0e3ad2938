from __future__ import annotations

import stat

import pytest

from yunhe.app import open_platform
from yunhe.kernel.errors import Unavailable
from yunhe.settings import Settings


def test_a_new_home_and_its_keys_are_for_their_owner_alone(tmp_path):
    with open_platform(Settings(home=tmp_path / "new" / "home")):
        pass
    home = tmp_path / "new" / "home"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "keys" / "log.pem").stat().st_mode) == 0o600


def test_opening_a_home_again_finds_the_same_log(tmp_path):
    for _ in range(2):
        with open_platform(Settings(home=tmp_path)) as platform:
            trust = platform.trust_path.read_text("utf-8")
    assert trust.count("yunhe.local/log+") == 1


def test_a_file_where_the_home_should_be_is_named(tmp_path):
    path = tmp_path / "home"
    path.write_text("not a folder")
    with pytest.raises(Unavailable) as caught, open_platform(Settings(home=path)):
        pass
    assert str(path) in caught.value.message("en")


@pytest.mark.parametrize("place", ["there/checkpoints.txt", ""])
def test_checkpoints_go_to_the_place_that_is_set(tmp_path, place):
    outside = str(tmp_path / place) if place else ""
    settings = Settings(home=tmp_path / "home", checkpoints=outside)
    with open_platform(settings) as platform:
        assert platform.newest_checkpoint() is None
        platform.rotate_key()
        newest = platform.newest_checkpoint()
        assert newest is not None
        assert newest.note in platform.publisher.read()
    where = tmp_path / place if place else tmp_path / "home" / "witness" / "checkpoints.txt"
    assert newest.note in where.read_text("utf-8")
