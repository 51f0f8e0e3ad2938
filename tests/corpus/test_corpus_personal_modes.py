"""Every way to redact each type of detail, written out: what a reader sees in its place."""

from __future__ import annotations

import hmac
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from corpus_marked import identity, luhn, unmarked
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.domain import MASKS, PERSONAL_TYPES, PersonalType
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal.found import Found, as_spans
from yunhe.corpus.personal.general import general
from yunhe.corpus.personal.redact import MODES, Mode, Redaction, masked, pseudonym, redacted
from yunhe.corpus.personal.values import digits, half, plain

KEY = b"an invented key of 32 bytes, xyz"
CARD = identity("320106", "19870615", "331")
BANK = luhn("622588012345678")

TABLE: list[tuple[PersonalType, str, str, str]] = [
    ("NAME", "王建军", "王**", "[姓名]"),
    ("NAME", "刘", "*", "[姓名]"),
    ("NAME", "比尔·克林顿", "比*·***", "[姓名]"),
    ("PHONE", "13912345678", "139****5678", "[电话·139]"),
    ("PHONE", "139-1234-5678", "139-****-5678", "[电话·139]"),
    ("PHONE", "+8613912345678", "+86139****5678", "[电话·139]"),
    ("PHONE", "(+86)139 1234 5678", "(+86)139 **** 5678", "[电话·139]"),
    ("PHONE", "一三九一二三四五六七八", "一三九****五六七八", "[电话·139]"),
    ("LANDLINE", "010-61234567", "010-******67", "[电话·010]"),
    ("LANDLINE", "（0571）81234567", "（057*）******67", "[电话·0571]"),
    ("LANDLINE", "81234567", "81****67", "[电话]"),
    ("LANDLINE", "+86-10-61234567", "+86-1*-******67", "[电话·010]"),
    ("ID", CARD, CARD[:3] + "*" * 14 + CARD[17], "[身份证号·320106·1987年]"),
    ("ID", f"{CARD[:6]} {CARD[6:]}", f"{CARD[:3]}*** {'*' * 11}{CARD[17]}",
     "[身份证号·320106·1987年]"),
    ("ID_BAD", CARD[:17] + "0", CARD[:3] + "*" * 14 + "0", "[身份证号·320106·1987年]"),
    ("ADDRESS", "浙江省杭州市西湖区文三路18号", "浙江省************", "[地址·浙江省杭州市西湖区]"),
    ("ADDRESS", "朝阳区望京街10号", "朝阳区******", "[地址·朝阳区]"),
    ("ADDRESS", "解放路88号", "解放****", "[地址]"),
    ("PLATE", "京A12345", "京A****5", "[车牌号·京A]"),
    ("PLATE", "沪B·8K231", "沪B·****1", "[车牌号·沪B]"),
    ("EMAIL", "user@qq.com", "u***@qq.com", "[邮箱·qq.com]"),
    ("EMAIL", "user@example.com", "u***@example.com", "[邮箱]"),
    ("EMAIL", "user＠163.com", "u***＠163.com", "[邮箱·163.com]"),
    ("EMAIL", "user1#163.com", "u***#163.com", "[邮箱·163.com]"),
    ("BANK", BANK, "*" * 12 + BANK[-4:], f"[银行卡号·{BANK[:6]}]"),
    ("WECHAT", "abc_1234", "a**_***4", "[微信号]"),
    ("QQ", "1234567890", "12*******0", "[QQ号]"),
    ("QQ", "12345", "1***5", "[QQ号]"),
    ("PASSPORT", "E12345678", "E******78", "[护照号]"),
    ("USCC", "91320106MA1XYX123T", "91**************3T", "[统一社会信用代码·320106]"),
    ("IP", "101.2.3.4", "101.2.*.*", "[IP地址·101.2.0.0/16]"),
    ("IP", "240e:1:2:3::4", "240e:1:*:*:*:*", "[IP地址·240e:1::/32]"),
    ("PERMIT", "C12345678", "C******78", "[通行证号]"),
    ("MEDICAL", "ZY20261234", "Z********4", "[病历号]"),
    ("ACCOUNT", "110226123456", "1*********56", "[账号]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "mask", "broad"), TABLE)
def test_what_stands_for_a_value_by_mask_and_by_generalising(
    kind: PersonalType, value: str, mask: str, broad: str
) -> None:
    assert masked(kind, value) == mask
    assert general(kind, value) == broad


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "value", "mask", "broad"), TABLE)
def test_each_mode_puts_the_same_between_the_same_words(
    mode: Mode, kind: PersonalType, value: str, mask: str, broad: str
) -> None:
    text = f"前𝄞{value}后"
    seen = utf8(pa.array(["先", text, "末"], pa.large_string()))
    start = len("先前𝄞".encode())
    stretch = Found(*(np.array([n], t) for n, t in (
        (start, np.int64),
        (start + len(value.encode()), np.int64),
        (PERSONAL_TYPES.index(kind), np.uint8),
        (90, np.uint8),
        (0, np.uint8),
    )))  # fmt: skip
    array = pa.array(["先", text, "末"], pa.large_string())
    wanted = {
        "placeholder": MASKS[kind],
        "mask": mask,
        "delete": "",
        "pseudonym": pseudonym(kind, value, KEY),
        "generalise": broad,
    }[mode]
    after = redacted(array, seen, stretch, Redaction(mode, KEY)).to_pylist()
    assert after == ["先", f"前𝄞{wanted}后", "末"]
    spans = as_spans(stretch, seen)
    assert (spans.documents.tolist(), spans.starts.tolist()) == ([1], [2])
    assert text[spans.starts[0] : spans.ends[0]] == value


@pytest.mark.parametrize(("kind", "value", "mask", "broad"), TABLE)
def test_a_pseudonym_is_a_keyed_hash_of_type_and_value(
    kind: PersonalType, value: str, mask: str, broad: str
) -> None:
    said = f"{MASKS[kind]}\0{plain(kind, value)}".encode()
    token = hmac.new(KEY, said, sha256).hexdigest()[:10]
    assert pseudonym(kind, value, KEY) == f"{MASKS[kind][:-1]}#{token}]"
    assert value not in pseudonym(kind, value, KEY)
    assert mask != value
    assert broad.startswith(MASKS[kind][:-1])


SPELLINGS: list[tuple[PersonalType, str, tuple[str, ...]]] = [
    ("PHONE", "13912345678", ("139 1234 5678", "+86-139-1234-5678", "008613912345678",
                              "１３９１２３４５６７８", "一三九一二三四五六七八",
                              "幺三九幺二三四五六七八",
                              "𝟏𝟑𝟗𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖", "①③⑨①②③④⑤⑥⑦⑧", "壹叁玖壹贰叁肆伍陆柒捌")),
    ("LANDLINE", "01061234567", ("010-61234567", "(010)61234567", "（010） 61234567")),
    ("ID", "11010519491231002X", ("11010519491231002x", "110105 19491231 002X",
                                  "１１０１０５１９４９１２３１００２Ｘ", "110105-19491231-002X")),
    ("BANK", BANK, (" ".join(BANK[n : n + 4] for n in range(0, 16, 4)), BANK.translate(
        {code: code + 0xFEE0 for code in range(0x30, 0x3A)}))),
    ("QQ", "23456789", ("２３４５６７８９", "234 567 89", "二三四五六七八九")),
    ("EMAIL", "user@qq.com", ("USER@QQ.COM", "user＠qq.com", "user#qq.com", "user(at)qq.com",
                              "user[at]qq.com", "user at qq dot com", "user @ qq.com",
                              "user@qq。com", "user@qq点com", "user @ qq . com",
                              "user (at) qq (dot) com", "user{at}qq{dot}com")),
    ("PLATE", "京A12345", ("京A·12345", "京a12345", "京A 12345", "京Ａ１２３４５", "京A-12345")),
    ("PASSPORT", "E12345678", ("e12345678", "E 12345678", "E-12345678", "Ｅ１２３４５６７８")),
    ("USCC", "91320106MA1XYX123T", ("91320106ma1xyx123t", "91 320106 MA1XYX123 T")),
    ("NAME", "欧阳清风", ("欧阳 清风", "欧阳　清风")),
    ("ADDRESS", "建设路88号", ("建设路８８号", "建设路 88 号")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [(kind, value, other) for kind, value, others in SPELLINGS for other in others],
)
def test_two_spellings_of_one_value_share_a_pseudonym(
    kind: PersonalType, value: str, other: str
) -> None:
    assert plain(kind, value) == plain(kind, other)
    assert pseudonym(kind, value, KEY) == pseudonym(kind, other, KEY)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PERSONAL_TYPES), st.text(min_size=1, max_size=24))
def test_a_mask_has_the_length_of_its_value_and_shows_nothing_new(
    kind: PersonalType, value: str
) -> None:
    shown = masked(kind, value)
    if kind not in ("EMAIL", "IP"):
        assert len(shown) == len(value)
        assert all(new in (old, "*") for new, old in zip(shown, value, strict=True))
        marks = [one for one in value if one.isalnum()]
        kept = sum(old.isalnum() and new != "*" for new, old in zip(shown, value, strict=True))
        assert kept <= max(2 * (len(marks) + 2) // 3, len(marks) - 4) or kind == "PHONE"
    assert set(shown) <= {*value, "*"}


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PERSONAL_TYPES), st.text(max_size=24))
def test_every_value_can_be_made_plain_general_and_a_token(kind: PersonalType, value: str) -> None:
    assert general(kind, value).endswith("]")
    assert general(kind, value).startswith(MASKS[kind][:-1])
    assert plain(kind, value) == plain(kind, value)
    token = pseudonym(kind, value, KEY)
    assert token.startswith(f"{MASKS[kind][:-1]}#")
    assert set(token[-11:-1]) <= set("0123456789abcdef")


@settings(deadline=None)
@given(st.text(max_size=30))
def test_the_digits_of_a_value_are_digits_and_half_width_keeps_its_length(value: str) -> None:
    assert set(digits(value)) <= set("0123456789X")
    assert len(half(value)) == len(value)
    assert half(half(value)) == half(value)
    ascii_ = "".join(one for one in value if one.isascii() and one.isprintable())
    assert half(ascii_) == ascii_


def test_marks_in_a_table_of_cases_are_read_as_places() -> None:
    assert unmarked("ab⟦cd⟧e⟦f⟧") == ("abcdef", [(2, 4), (5, 6)])


def test_the_key_takes_part_in_every_pseudonym_and_shows_in_none() -> None:
    others = {bytes([n]) * 32 for n in range(20)}
    tokens = {pseudonym("PHONE", "13912345678", key) for key in others}
    assert len(tokens) == len(others)
    assert len({Redaction("pseudonym", key).key_digest for key in others}) == len(others)
    assert Redaction("mask").key_digest == ""


def test_one_value_has_one_token_in_a_whole_batch_and_two_values_have_two() -> None:
    from yunhe.corpus.personal.scan import scan  # noqa: PLC0415 - only here

    texts = ["电话13912345678", "手机139 1234 5678", "电话13812345678"]
    array = pa.array(texts, pa.large_string())
    seen = utf8(array)
    one, two, three = redacted(array, seen, scan(seen), Redaction("pseudonym", KEY)).to_pylist()
    assert one[2:] == two[2:]
    assert one[2:] != three[2:]
