"""A certified dataset without a cleansing, and people who review it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence

import pyarrow as pa
from pyarrow import parquet

from yunhe.corpus import store
from yunhe.corpus.review import service as reviews
from yunhe.corpus.review.domain import Asked, Judgement, Review
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.storage.service import Storage

HOLDER = "org_holder"
OPENER, ANN, BEN, CAT = "member_opener", "member_ann", "member_ben", "member_cat"
Says = Callable[[int], Judgement]


def dataset_bytes(count: int, *, texts: Sequence[str] | None = None) -> bytes:
    """A dataset as cleansing leaves it."""
    said = texts or [
        f"第{n}件：路口的灯不亮了。" + "请处理。" * (20 * (n % 3)) for n in range(count)
    ]
    names = [f"d{n}" for n in range(len(said))]
    labels = ["道路" if n % 4 else None for n in range(len(said))]
    return _parquet({"id": names, "text": said, "label": labels, "group": names})


def _parquet(columns: dict[str, object]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def certify(
    storage: Storage,
    data: bytes,
    *,
    name: str = "one",
    holder: str = HOLDER,
    key: str = "",
    certificate: dict[str, object] | None = None,
) -> str:
    """The id of a certificate of this dataset, on record."""
    at_us, dataset = storage.clock.now_us(), storage.blobs.put(data).digest
    issued = {"body": certificate or {}, "id": f"certificate_{name}", "issued_at": "2026-01-01"}
    digests = {
        "input_digest": "sha256:" + "1" * 64,
        "output_digest": dataset,
        "certificate_digest": storage.blobs.put(json.dumps(issued).encode()).digest,
    }
    sides = storage.blobs.put(_parquet({"document": pa.array([], pa.string())})).digest
    body = {**digests, "pipeline_digest": "sha256:" + "3" * 64}
    body |= {"documents_in": 1, "documents_out": 1}
    source_body = {"digest": digests["input_digest"], "holder": holder, "licence": "CC-BY-4.0"}
    with storage.database.begin() as tx:
        source = custody.append(tx, Record("data.source", f"source_{name}", at_us, source_body, {}))
        made = custody.append(
            tx,
            Record("data.certificate", f"certificate_{name}", at_us, body, {"source": source}),
        )
        store.insert(
            tx,
            {
                "certificate_id": f"certificate_{name}",
                "key": key or name,
                "request_digest": "sha256:" + "4" * 64,
                "source_id": f"source_{name}",
                "name": name,
                "holder": holder,
                "licence": "CC-BY-4.0",
                "synthetic": True,
                "input_bytes": 100,
                "source_reference": source,
                "certificate_reference": made,
                **digests,
                "decisions_digest": sides,
                "spans_digest": sides,
                "sample_digest": dataset,
                "at_us": at_us,
            },
        )
    return f"certificate_{name}"


def opened(storage: Storage, count: int = 10, **asked: object) -> Review:
    """A review of a dataset of so many documents."""
    certificate = certify(storage, dataset_bytes(count))
    return reviews.open_review(storage, Asked(certificate, **asked), by=OPENER)  # type: ignore[arg-type]


def take(storage: Storage, review: str, member: str, items: int = 1, **given: object):
    with storage.database.begin() as tx:
        return reviews.claim(
            tx, review, member=member, items=items, now_us=storage.clock.now_us(), **given
        )


def say(storage: Storage, review: str, member: str, *said: Judgement) -> Review:
    with storage.database.begin() as tx:
        return reviews.judge(tx, review, said, member=member, at_us=storage.clock.now_us())


def fine(item: int) -> Judgement:
    return Judgement(item, "pass")


def wrong(item: int) -> Judgement:
    return Judgement(item, "fail", ("A.1.1", "quality.garbled"))


def work(storage: Storage, review: str, member: str, says: Says = fine, items: int = 3) -> Review:
    """Somebody judges all there is for them."""
    while held := take(storage, review, member, items):
        say(storage, review, member, *(says(each.item) for each in held))
    with storage.database.read() as tx:
        return reviews.review(tx, review)
