"""What is made of data that may not leave a place may not leave it either."""

from __future__ import annotations

from yunhe.compute.service import limits


def test_the_parts_of_a_limited_dataset_are_limited(centre) -> None:
    first = centre.divide(key="free")
    with centre.storage.database.begin() as tx:
        limits.limit_data(tx, first.grant_reference, ["CN"], reason="terms", by="member_1", at_us=1)
    made = centre.divide(key="bound", seed=8)
    with centre.storage.database.read() as tx:
        for digest in (made.train_digest, made.heldout_digest):
            [said] = limits.said(tx, what="data", subject=digest)
            assert said.jurisdictions == ("CN",)
        assert not limits.said(tx, what="data", subject=first.train_digest)
