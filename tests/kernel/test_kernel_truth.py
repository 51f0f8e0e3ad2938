"""Three truth values: what is said of several holds whatever the unknown ones turn out to be."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.truth import FALSE, TRUE, Truth, every, negated, some, truth

UNKNOWN = Truth(None, frozenset({"x"}))
truths = st.sampled_from([TRUE, FALSE]) | st.builds(
    lambda names: Truth(None, names), st.frozensets(st.sampled_from("abc"), min_size=1)
)


def test_what_is_known_is_true_or_false_and_its_opposite_is_the_other() -> None:
    assert (truth(holds=True), truth(holds=False)) == (TRUE, FALSE)
    assert (negated(TRUE), negated(FALSE)) == (FALSE, TRUE)
    assert negated(UNKNOWN) == UNKNOWN


def test_of_none_at_all_every_one_is_true_and_not_some() -> None:
    assert (every([]), some([])) == (TRUE, FALSE)


@pytest.mark.parametrize(
    ("one", "other", "both", "either"),
    [
        (TRUE, UNKNOWN, UNKNOWN, TRUE),
        (FALSE, UNKNOWN, FALSE, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ],
    ids=["true", "false", "unknown"],
)
def test_kleenes_tables(one, other, both, either) -> None:
    assert every([one, other]) == every([other, one]) == both
    assert some([one, other]) == some([other, one]) == either


@given(st.lists(truths, max_size=5))
def test_it_is_known_exactly_where_the_unknown_ones_could_not_change_it(parts) -> None:
    """Each unknown one taken for itself, whatever it depends on."""
    open_ones = [at for at, part in enumerate(parts) if part.value is None]
    for combined, plain in ((every(parts), all), (some(parts), any)):
        found = set()
        for answers in product([True, False], repeat=len(open_ones)):
            said = dict(zip(open_ones, answers, strict=True))
            found.add(plain(said.get(at, part.value) for at, part in enumerate(parts)))
        assert combined.value == (found.pop() if len(found) == 1 else None)
        assert bool(combined.missing) == (combined.value is None)
        assert combined.missing <= frozenset().union(*(part.missing for part in parts))


@given(st.lists(truths, max_size=5))
def test_not_every_is_some_not(parts) -> None:
    assert negated(every(parts)) == some([negated(part) for part in parts])
