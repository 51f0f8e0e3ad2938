"""How much an organisation may send: its quota, what gives room back, and the disk's reserve."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from yunhe.kernel.errors import Conflict, Exhausted
from yunhe.storage import operations, uploads
from yunhe.storage.taking import FREE_BYTES_RESERVED, Taking, removed


def taking(storage, *, organisation="org_1", limit=1_000):
    return Taking(storage=storage, organisation=organisation, member="mem_1", limit=limit, at_us=1)


def stored(storage):
    return set(storage.blobs.digests())


def test_a_caller_without_a_sending_role_may_not_fill_the_disk(desk):
    uni = desk.organisation("uni")
    buyer, steward = (desk.key(desk.member(uni, role)) for role in ("buyer", "data_steward"))
    said = desk.ask("POST", "/v1/uploads", buyer, content=b"x")
    assert (said.status_code, said.json()["code"]) == (403, "api.role_missing")
    digest = desk.ask("POST", "/v1/uploads", steward, content=b"x").json()["digest"]
    path = f"/v1/uploads/{digest}"
    assert desk.ask("DELETE", path, buyer).status_code == 403
    assert desk.ask("DELETE", path, steward).status_code == 204
    assert desk.ask("GET", path, steward).status_code == 404
    assert desk.ask("DELETE", path, steward).json()["code"] == "storage.upload_unknown"


def test_a_quota_is_kept_and_removing_gives_room_back(desk, monkeypatch):
    uni = desk.organisation("uni")
    steward = desk.key(desk.member(uni, "data_steward"))
    quota = 3_000
    monkeypatch.setitem(desk.platform.settings.__dict__, "upload_bytes_quota", quota)

    async def pieces():
        for _ in range(2):
            yield b"y" * 1_000

    first = desk.ask("POST", "/v1/uploads", steward, content=b"x" * 2_000).json()["digest"]
    before = stored(desk.storage)
    for content in (b"y" * 2_000, pieces()):
        said = desk.ask("POST", "/v1/uploads", steward, content=content)
        assert (said.status_code, said.json()["code"]) == (429, "storage.uploads_exhausted")
        assert "2000" in said.json()["message"]
        assert "3000" in said.json()["message"]
        assert stored(desk.storage) == before
    assert desk.ask("DELETE", f"/v1/uploads/{first}", steward).status_code == 204
    assert first not in stored(desk.storage)
    assert desk.ask("POST", "/v1/uploads", steward, content=b"y" * 2_000).status_code == 201


def test_uploads_at_the_same_time_do_not_exceed_the_quota_together(storage):
    def send(number):
        try:
            return taking(storage).put([bytes([number]) * 300], bytes_max=1_000).digest
        except Exhausted:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = {each for each in pool.map(send, range(12)) if each}
    with storage.database.read() as tx:
        assert uploads.used(tx, "org_1") == 900
    assert len(made) == 3
    assert stored(storage) == made


def test_the_same_bytes_again_take_no_more_room_and_a_broken_sender_none(storage):
    again = {taking(storage).put([b"x" * 600], bytes_max=1_000).digest for _ in range(2)}
    assert len(again) == 1

    def broken():
        yield b"z"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        taking(storage).put(broken(), bytes_max=1_000)
    with storage.database.read() as tx:
        assert uploads.used(tx, "org_1") == 600


def test_what_others_sent_too_keeps_its_bytes(storage):
    digest = taking(storage).put([b"x"], bytes_max=10).digest
    taking(storage, organisation="org_2").put([b"x"], bytes_max=10)
    removed(storage, organisation="org_1", digest=digest)
    assert storage.blobs.read(digest) == b"x"
    removed(storage, organisation="org_2", digest=digest)
    assert not storage.blobs.exists(digest)


def test_what_ones_own_work_waits_for_stays_and_others_work_keeps_the_bytes(storage):
    digest = taking(storage).put([b"x"], bytes_max=10).digest
    taking(storage, organisation="org_2").put([b"x"], bytes_max=10)
    with storage.database.begin() as tx:
        asked = operations.create(
            tx, kind="a", key="k", organisation="org_1", member="mem_1",
            payload={"input": digest}, at_us=1,
        )  # fmt: skip
    with pytest.raises(Conflict) as caught:
        removed(storage, organisation="org_1", digest=digest)
    assert caught.value.code == "storage.upload_used"
    removed(storage, organisation="org_2", digest=digest)
    assert storage.blobs.exists(digest)
    with storage.database.begin() as tx:
        operations.ask_cancel(tx, asked.id, at_us=2)
    removed(storage, organisation="org_1", digest=digest)
    assert not storage.blobs.exists(digest)


def test_uploads_leave_a_reserve_on_the_disk(desk, monkeypatch):
    steward = desk.key(desk.member(desk.organisation("uni"), "data_steward"))
    real = shutil.disk_usage("/")
    little = type(real)(real.total, real.total, FREE_BYTES_RESERVED - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: little)
    said = desk.ask("POST", "/v1/uploads", steward, content=b"x")
    assert (said.status_code, said.json()["code"]) == (503, "storage.disk_full")
