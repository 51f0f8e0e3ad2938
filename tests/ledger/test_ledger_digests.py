"""The digest of a request is that of its canonical bytes, however it is put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.canonical import INTEGER_MAX, digest_of
from yunhe.ledger import requests
from yunhe.ledger.domain import (
    CaptureRequest,
    Entry,
    GrantRequest,
    HoldRequest,
    Movement,
    RefundRequest,
    ReleaseRequest,
    TransferRequest,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
amounts = st.integers(-INTEGER_MAX - 2, INTEGER_MAX + 2)


@given(texts, texts, texts, st.lists(st.tuples(texts, texts, st.integers(0, INTEGER_MAX))))
def test_any_request_has_the_digest_of_its_canonical_bytes(kind, target, memo, lines) -> None:
    said = requests._digest(kind, target, memo, lines)
    assert said == digest_of([kind, target, memo, lines])


def test_a_number_that_is_none_is_written_as_it_always_was() -> None:
    said = requests._digest("grant", "", "", [("", "a", True)])
    assert said == digest_of(["grant", "", "", [("", "a", True)]])
    with pytest.raises(TypeError):
        requests._digest("grant", "", "", [("", "a", 1.0)])  # type: ignore[list-item]


@given(amounts)
def test_an_amount_that_json_does_not_keep_exactly_has_no_digest(amount: int) -> None:
    movement = Movement(1, "a", "b", "CNY", amount)
    if -INTEGER_MAX <= amount <= INTEGER_MAX:
        requests.fingerprint_of_rows("grant", target="", memo="", movements=[movement])
    else:
        with pytest.raises(ValueError, match="not exact"):
            requests.fingerprint_of_rows("grant", target="", memo="", movements=[movement])


@pytest.mark.parametrize(
    ("request_", "plain"),
    [
        (GrantRequest("k", "acc", 5, 1, '晨 "m"\\'), ["grant", "", '晨 "m"\\', [["", "acc", 5]]]),
        (HoldRequest("k", "acc", 5, 9, 1, "m"), ["hold", "", "m", [["acc", "", 5]]]),
        (
            TransferRequest("k", (Entry("a", "b", 1), Entry("b", "c", 2)), "subsidy", 1, "\n"),
            ["subsidy", "", "\n", [["a", "b", 1], ["b", "c", 2]]],
        ),
        (
            CaptureRequest("k", "hold", (("x", 1), ("y", 0)), 1, ""),
            ["capture", "hold", "", [["", "x", 1]]],
        ),
        (ReleaseRequest("k", "hold", 1), ["release", "hold", "", []]),
        (RefundRequest("k", "t", 3, 1, "m"), ["refund", "t", "m", [["", "", 3]]]),
    ],
    ids=["grant", "hold", "transfer", "capture", "release", "refund"],
)
def test_each_kind_of_request_says_what_it_always_said(request_, plain) -> None:
    assert requests.fingerprint(request_) == digest_of(plain)
