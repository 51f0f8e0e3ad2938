"""Files of every size there and back, over a real server."""

from __future__ import annotations

import random

import pytest
from server_desk import new_key, serving

from yunhe.client.client import Client
from yunhe.client.http import Options
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import NotAllowed, NotFound, YunheError


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    home = tmp_path_factory.mktemp("home") / "home"
    with serving(home, parts=("api",), upload_bytes_max=4_000_000, rate_burst=1000) as opened:
        yield opened


@pytest.fixture(scope="module")
def key(running):
    return new_key(running._platform)


# Sizes around what a socket gives at once: the end of a body must not count as a long head.
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_537, 200_000, 1 << 20, 3_500_001])
def test_a_file_comes_back_byte_for_byte(running, key, tmp_path, size):
    content = random.Random(size).randbytes(size)
    (tmp_path / "sent").write_bytes(content)
    with Client(running.url, key, Options(sleep=lambda _: None)) as client:
        made = client.uploads.send(tmp_path / "sent")
        assert made.digest == sha256(content)
        assert made.size_bytes == size
        assert client.uploads.send(tmp_path / "sent") == made
        client.uploads.download(made.digest, tmp_path / "got")
        assert client.uploads.get(made.digest) == made
    assert (tmp_path / "got").read_bytes() == content


def test_a_file_beyond_the_bound_is_refused_with_the_bound(running, key, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 9_000_000)
    with Client(running.url, key) as client, pytest.raises(YunheError) as raised:
        client.uploads.send(tmp_path / "large")
    assert raised.value.code in ("storage.too_large", "api.body_too_large")
    assert not raised.value.retryable


def test_files_of_others_are_as_unknown_as_those_that_are_not_there(running, key, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    other = new_key(running._platform, kind="university", role="data_steward")
    with Client(running.url, key) as client, Client(running.url, other) as stranger:
        made = client.uploads.send(tmp_path / "mine")
        for digest in (made.digest, "sha256:" + "0" * 64):
            with pytest.raises(NotFound):
                stranger.uploads.download(digest, tmp_path / "stolen")
    assert not (tmp_path / "stolen").exists()
    with Client(running.url, "yk_nobody") as nobody, pytest.raises(NotAllowed):
        nobody.uploads.send(tmp_path / "mine")
