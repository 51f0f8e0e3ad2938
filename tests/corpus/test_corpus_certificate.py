"""A certificate of the second format: counts that add up, and a page that shows them."""

from __future__ import annotations

from pathlib import Path

from corpus_desk import body, cleanse, request

from yunhe.corpus.datasheet import facts, writing
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage.service import Storage


def test_the_certificate_counts_what_the_datasheet_shows(storage: Storage, tmp_path: Path) -> None:
    made = cleanse(storage, request(tmp_path / "in"))
    found = body(made)
    assert found["format"] == "yunhe-dataset-certificate/2"
    counted = Statistics.of_json(found["statistics"])  # type: ignore[arg-type]
    assert (counted.documents_in, counted.documents_out) == (402, 400)
    assert counted.by_reason("dropped") == found["decisions"]["dropped"]  # type: ignore[index,call-overload]
    assert found["residual_risk"] is None  # nobody probed, and it says so
    shown = facts.of_certificate(made.certificate)
    assert (shown.documents_in, shown.documents_out) == (402, 400)
    assert {(step, reason) for step, reason, _ in shown.dropped} == {
        ("duplicates", "duplicate"), ("spam", "spam"),
    }  # fmt: skip
    assert sum(out for _, _, out in shown.lengths) == 400
    page = writing.of_certificate(made.certificate, [], language="en").decode()
    assert "402 documents were read, 400 released" in page
    canonical_bytes(made.certificate)  # whole numbers only
