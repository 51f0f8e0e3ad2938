"""What the tests of the whole command share: invented input, a request, and looks at the result."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pyarrow as pa
import pytest
from corpus_planting import Planter, write_pair
from pyarrow import parquet
from sqlalchemy import func, select

from yunhe.corpus import service, store
from yunhe.corpus.domain import Cleansed, CleanseRequest, Columns, Profile
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import YunheError
from yunhe.kernel.progress import Silent
from yunhe.storage.service import Storage

ROWS = Planter(11).documents(400)
COPY = {**ROWS[5], "id": "copy", "duplicate_of": "t5", "spans": []}
SPAM = {
    **ROWS[0],
    "id": "spam",
    "text": "专业代开各类发票，加微信abc12345，可先验后付",
    "spans": [],
    "spam": True,
}


def request(
    folder: Path, rows: list[dict[str, object]] | None = None, **changes: object
) -> CleanseRequest:
    tickets, truth = write_pair(folder, [*ROWS, COPY, SPAM] if rows is None else rows)
    made = CleanseRequest(
        key="run-1",
        path=tickets,
        name="hotline tickets",
        holder="org_hotline",
        licence="CC-BY-4.0",
        synthetic=True,
        columns=Columns("text", "label", "id"),
        profile=service.load_profile(),
        truth=truth,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def sampling(count: int) -> Profile:
    """The built-in profile with a smaller sample."""
    profile = service.load_profile()
    fewer = dataclasses.replace(profile.sample_documents, value=count)
    return dataclasses.replace(profile, sample_documents=fewer)


def cleanse(storage: Storage, asked: CleanseRequest) -> Cleansed:
    return service.cleanse(storage, asked, progress=Silent())


def table(storage: Storage, digest: str) -> pa.Table:
    return parquet.read_table(io.BytesIO(storage.blobs.read(digest)))


def body(made: Cleansed) -> JsonObject:
    found = made.certificate["body"]
    assert isinstance(found, dict)
    return found


def rows_kept(storage: Storage) -> int:
    with storage.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(store.cleansings)).scalar_one())


def refusal(storage: Storage, asked: CleanseRequest) -> YunheError:
    with pytest.raises(YunheError) as caught:
        cleanse(storage, asked)
    assert rows_kept(storage) == 0
    assert caught.value.message("zh") != caught.value.message("en")
    return caught.value
