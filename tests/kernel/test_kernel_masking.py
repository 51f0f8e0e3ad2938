"""Known secrets are found in every usual form, wherever the bytes happen to be cut."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.masking import LETTERS_MIN, MASK, Mask, forms_of

SECRET = b'p@ss/w\xc3\xb6rd+"x\\y" 1'
TEXT = SECRET.decode()

FORMS = {
    "itself": SECRET,
    "base64": base64.b64encode(SECRET),
    "base64 for addresses": base64.urlsafe_b64encode(SECRET),
    "base64 without padding": base64.b64encode(SECRET).rstrip(b"="),
    "hexadecimal": SECRET.hex().encode(),
    "HEXADECIMAL": SECRET.hex().upper().encode(),
    "address": urllib.parse.quote(TEXT).encode(),
    "address, slash too": urllib.parse.quote(TEXT, safe="").encode(),
    "form": urllib.parse.quote_plus(TEXT).encode(),
    "JSON": json.dumps(TEXT).encode(),
    "JSON in UTF-8": json.dumps(TEXT, ensure_ascii=False).encode(),
    "repr of text": repr(TEXT).encode(),
    "repr of bytes": repr(SECRET).encode(),
    "base64 in an address": urllib.parse.quote(base64.b64encode(SECRET), safe="").encode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_each_form_is_masked_alone_and_within_a_line(form):
    mask = Mask([SECRET])
    assert mask.masked(form).strip(b"\"'b=") == MASK
    said = mask.masked(b"before " + form + b" after")
    assert said.startswith(b"before ")
    assert said.endswith(b" after")
    assert form.strip(b"\"'b=") not in said


@pytest.mark.parametrize("user", ["u", "us", "use", "someone"])
@pytest.mark.parametrize("rest", ["", "x", "yz"])
def test_base64_of_something_around_the_secret_shows_none_of_its_inside(user, rest):
    """As in the Authorization header of HTTP, which codes name and password together."""
    coded = base64.b64encode(f"{user}:{TEXT}{rest}".encode())
    said = Mask([SECRET]).masked(coded)
    assert MASK in said
    left = said.split(MASK)
    assert len(left[0]) <= -(-len(user + ":") * 8 // 6)
    assert len(left[1].rstrip(b"=")) <= -(-len(rest) * 8 // 6) + 1


@given(
    secret=st.binary(min_size=LETTERS_MIN, max_size=40),
    before=st.binary(max_size=60),
    after=st.binary(max_size=60),
    cuts=st.lists(st.integers(min_value=1, max_value=30), max_size=12),
)
def test_however_the_bytes_come_the_result_is_the_same(secret, before, after, cuts):
    mask = Mask([secret])
    data = before + secret + after
    stream, said, at = mask.stream(), b"", 0
    for cut in cuts:
        said += stream.take(data[at : at + cut])
        at += cut
    said += stream.take(data[at:]) + stream.rest()
    assert said == mask.masked(data)
    assert secret not in said.replace(MASK, b"")


@pytest.mark.parametrize("part", [1, 7, 997, 4_096, 70_000])
def test_a_secret_across_batches_is_masked(part):
    """Enough data for many batches; every secret ends up masked and nothing else is lost."""
    secret = b"0123456789abcdef" * 20
    line = b"a line of ordinary output, " * 11 + secret + b" and more of it\n"
    data = line * 1_000
    stream, said = Mask([secret]).stream(), bytearray()
    for at in range(0, len(data), part):
        said += stream.take(data[at : at + part])
    said += stream.rest()
    assert bytes(said) == line.replace(secret, MASK) * 1_000


def test_overlapping_secrets_leave_nothing_of_either():
    mask = Mask([b"abcdefghij", b"ghijklmnop"])
    assert mask.masked(b"<abcdefghijklmnop>") == b"<" + MASK + b">"


def test_a_secret_that_repeats_without_end_stays_masked_and_bounded():
    mask = Mask([b"aaaaaaaaaa"])
    stream = mask.stream()
    said = b"".join(stream.take(b"a" * 10_000) for _ in range(100)) + stream.rest()
    assert said.replace(MASK, b"") == b""
    assert len(stream._kept) == 0


def test_one_secret_within_another_is_masked_with_it():
    mask = Mask([b"inner-secret", b"outer:inner-secret:outer"])
    assert mask.masked(b"x outer:inner-secret:outer x inner-secret x") == b"x *** x *** x"


def test_each_line_of_a_long_secret_is_masked_alone():
    lines = ["-----BEGIN KEY-----", "MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB"]
    key = "\n".join(lines).encode()
    said = Mask([key]).masked(b"  MIIEvQIBADANBgkqhkiG9w0B |\n  AQEFAASCBKcwggSjAgEAAoIB |\n")
    assert said == b"  *** |\n  *** |\n"


def test_short_secrets_are_not_looked_for():
    mask = Mask([b"", b"1234567"])
    assert not mask
    assert mask.masked(b"1234567 is a number") == b"1234567 is a number"
    assert list(forms_of(b"1234567")) == []


def test_text_is_masked_as_bytes_are_and_keeps_its_other_letters():
    assert Mask([SECRET]).text(f"运河 {TEXT} \ud800") == "运河 *** \ud800"
    assert Mask().text("nothing to hide") == "nothing to hide"


def test_a_mask_does_not_show_what_it_hides():
    assert TEXT not in repr(Mask([SECRET]))
    assert TEXT not in str(Mask([SECRET]))
