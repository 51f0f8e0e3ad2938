"""Secrets in output that is read as it comes: held back only as long as they may become whole."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.masking import MASK, Mask

SECRET = b"s3cr3t-word"
PARTS = st.lists(st.binary(max_size=6) | st.sampled_from([SECRET[:4], SECRET[4:], SECRET, b"ab"]))


def test_a_prompt_without_a_line_end_is_given_at_once():
    stream = Mask([SECRET]).stream()
    assert stream.take(b"$ ") + stream.ready() == b"$ "
    assert not stream.waiting


def test_the_beginning_of_a_secret_waits_for_what_follows():
    stream = Mask([SECRET]).stream()
    assert stream.take(b"word: s3cr") + stream.ready() == b"word: "
    assert stream.waiting
    assert stream.take(b"3t-word!") + stream.ready() == MASK + b"!"
    assert stream.take(b"s3cr") + stream.ready() == b""
    assert stream.rest() == b"s3cr"


@given(PARTS)
def test_however_it_comes_it_is_masked_as_if_it_came_at_once(parts):
    mask = Mask([SECRET])
    stream, said = mask.stream(), b""
    for part in parts:
        said += stream.take(part) + stream.ready()
        assert SECRET not in said
    # Two that touch are one mask or two, which tells nothing.
    found, whole = said + stream.rest(), mask.masked(b"".join(parts))
    assert re.sub(rb"(\*\*\*)+", MASK, found) == re.sub(rb"(\*\*\*)+", MASK, whole)


@given(st.lists(st.text("ab", min_size=8, max_size=12), min_size=1, max_size=3), st.text("ab"))
def test_what_is_settled_ends_where_the_first_unfinished_form_begins(forms, text):
    mask, data = Mask(form.encode() for form in forms), text.encode()
    unfinished = [
        at
        for at in range(len(data))
        if any(form.startswith(data[at:]) and len(form) > len(data) - at for form in mask._forms)
    ]
    assert mask.settled(data) == min(unfinished, default=len(data))
