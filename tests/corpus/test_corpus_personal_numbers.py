"""Identity cards, telephones, bank cards: how each may be written, where each begins and ends.

What is between the marks is invented; the sentence around it is what a rule has to tell it by.
"""

from __future__ import annotations

import pytest
from corpus_marked import expected, identity, luhn, rows, seen
from hypothesis import given, settings
from hypothesis import strategies as st

WIDE = str.maketrans("0123456789X-", "０１２３４５６７８９Ｘ－")
BOLD = str.maketrans("0123456789", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
SPELT = (
    str.maketrans("0123456789", "零一二三四五六七八九"),
    str.maketrans("0123456789", "〇幺二三四五六七八九"),
    str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖"),
)
CARD = identity("110105", "19491231", "002")
MAN = identity("320106", "19870615", "331")
WOMAN = identity("440305", "20010228", "404")
BANK16, BANK17, BANK19 = (
    luhn("622588012345678"),
    luhn("6222021234567890"),
    luhn("621700123456789012"),
)
PHONE = "13912345678"

IDENTITIES = [
    f"身份证号⟦{CARD}⟧",
    f"身份证号是⟦{CARD}⟧。",
    f"⟦{CARD}⟧",
    f"他的号码⟦{MAN}⟧已经登记",
    f"本人某某，⟦{MAN}⟧，现申请",
    f"持卡人⟦{WOMAN}⟧的材料",
    f"id=⟦{MAN}⟧&x",
    f"(⟦{MAN}⟧)",
    f"（⟦{MAN}⟧）",
    f"【⟦{MAN}⟧】",
    f"\n⟦{MAN}⟧\n",
    f"\t⟦{MAN}⟧\t",
    f"身份证⟦{CARD.lower()}⟧请核对",
    f"身份证⟦{MAN.translate(WIDE)}⟧请核对",
    f"身份证⟦{CARD.translate(WIDE)}⟧请核对",
    f"身份证⟦{MAN[:6]} {MAN[6:14]} {MAN[14:]}⟧请核对",
    f"身份证⟦{MAN[:6]}-{MAN[6:14]}-{MAN[14:]}⟧请核对",
    f"身份证⟦{MAN[:6]}.{MAN[6:14]}.{MAN[14:]}⟧请核对",
    f"身份证⟦{MAN[:6]}　{MAN[6:14]}　{MAN[14:]}⟧请核对",
    f"身份证⟦{MAN[:6]}–{MAN[6:14]}–{MAN[14:]}⟧请核对",
    f"身份证⟦{MAN[:6]}\u200b{MAN[6:]}⟧请核对",
    f"身份证⟦{MAN[:4]} {MAN[4:8]} {MAN[8:12]} {MAN[12:16]} {MAN[16:]}⟧请核对",
    f"身份证⟦{MAN.translate(BOLD)}⟧请核对",
    f"身份证⟦{MAN.translate(SPELT[0])}⟧请核对",
    f"身份证⟦{MAN.translate(SPELT[1])}⟧请核对",
    f"身份证⟦{MAN.translate(SPELT[2])}⟧请核对",
]

PHONES = [
    f"电话⟦{PHONE}⟧",
    f"电话：⟦{PHONE}⟧。",
    f"⟦{PHONE}⟧",
    f"⟦{PHONE}⟧元旦前都在",
    f"⟦{PHONE}⟧美女老师",
    f"有事打⟦{PHONE}⟧找老赵",
    f"手机号码⟦{PHONE}⟧，微信同号",
    f"Tel:⟦{PHONE}⟧",
    f"tel⟦{PHONE}⟧",
    f"联系人⟦{PHONE}⟧（晚上）",
    f"“⟦{PHONE}⟧”",
    f"⟦{PHONE}⟧/⟦13812345678⟧",
    f"⟦{PHONE}⟧、⟦13812345678⟧",
    f"⟦{PHONE}⟧ ⟦13812345678⟧",
    f"⟦{PHONE}⟧\n⟦13812345678⟧",
    "电话⟦139-1234-5678⟧",
    "电话⟦139 1234 5678⟧",
    "电话⟦139.1234.5678⟧",
    "电话⟦139·1234·5678⟧",
    "电话⟦139　1234　5678⟧",
    "电话⟦139 - 1234 - 5678⟧",
    "电话⟦139–1234–5678⟧",
    f"电话⟦+86{PHONE}⟧",
    f"电话⟦+86 {PHONE}⟧",
    f"电话⟦+86-{PHONE}⟧",
    f"电话⟦0086{PHONE}⟧",
    f"电话⟦0086-{PHONE}⟧",
    f"电话⟦86-{PHONE}⟧",
    f"电话⟦86 {PHONE}⟧",
    f"电话⟦(+86){PHONE}⟧",
    f"电话⟦（+86）{PHONE}⟧",
    f"电话⟦＋86 {PHONE}⟧",
    "电话⟦+86 139-1234-5678⟧",
    f"电话⟦{PHONE.translate(WIDE)}⟧",
    f"电话⟦{'139-1234-5678'.translate(WIDE)}⟧",
    f"电话⟦{PHONE.translate(BOLD)}⟧",
    f"电话⟦{PHONE.translate(CIRCLED)}⟧",
    f"电话⟦{PHONE.translate(SPELT[0])}⟧",
    f"电话⟦{PHONE.translate(SPELT[1])}⟧",
    f"电话⟦{PHONE.translate(SPELT[2])}⟧",
    *(f"请拨⟦{prefix}12345678⟧联系" for prefix in (
        "130", "133", "135", "147", "150", "155", "166", "173", "177", "180", "185", "189", "191",
        "195", "198", "199",
    )),
]  # fmt: skip

LANDLINES = [
    "电话⟦010-61234567⟧",
    "电话⟦010 61234567⟧",
    "电话⟦021-51234567⟧。",
    "电话⟦0571-81234567⟧",
    "电话⟦0512-61234567⟧转接",
    "电话⟦(010)61234567⟧",
    "电话⟦（0571）81234567⟧",
    "电话⟦(0571) 81234567⟧",
    "电话⟦0571-8123456⟧",
    "电话⟦010-61234567转801⟧",
    "电话⟦010-61234567-801⟧",
    "电话⟦010-61234567转分机801⟧",
    "电话⟦010-61234567分机801⟧",
    "电话⟦010-61234567 ext 801⟧",
    "电话⟦+86-10-61234567⟧",
    "电话⟦+86-571-81234567⟧",
    "办公电话⟦61234567⟧",
    "传真：⟦81234567⟧",
    f"电话⟦{'010-61234567'.translate(WIDE)}⟧",
]

BANKS = [
    f"卡号⟦{BANK19}⟧",
    f"卡号⟦{BANK16}⟧。",
    f"银行卡⟦{BANK17}⟧请查收",
    f"打款到⟦{BANK19}⟧谢谢",
    f"⟦{BANK19}⟧",
    f"⟦{BANK16}⟧是我的卡",
    f"银行卡⟦{BANK16[:4]} {BANK16[4:8]} {BANK16[8:12]} {BANK16[12:]}⟧",
    f"银行卡⟦{BANK16[:4]}-{BANK16[4:8]}-{BANK16[8:12]}-{BANK16[12:]}⟧",
    f"银行卡⟦{BANK19[:4]} {BANK19[4:8]} {BANK19[8:12]} {BANK19[12:16]} {BANK19[16:]}⟧",
    f"银行卡⟦{BANK19[:6]} {BANK19[6:]}⟧",
    f"银行卡⟦{BANK19.translate(WIDE)}⟧",
    f"银行卡⟦{BANK16.translate(BOLD)}⟧",
]


@pytest.mark.parametrize("marked", IDENTITIES)
def test_an_identity_card_is_found_from_its_first_digit_to_its_check_sign(marked: str) -> None:
    text, wanted = expected(marked, "ID")
    assert seen(text) == wanted


@pytest.mark.parametrize("marked", PHONES)
def test_a_mobile_number_is_found_with_its_prefix_and_without_its_neighbours(marked: str) -> None:
    text, wanted = expected(marked, *["PHONE"] * marked.count("⟦"))
    assert seen(text) == wanted


@pytest.mark.parametrize("marked", LANDLINES)
def test_a_landline_is_found_with_area_and_extension(marked: str) -> None:
    text, wanted = expected(marked, "LANDLINE")
    assert seen(text) == wanted


@pytest.mark.parametrize("marked", BANKS)
def test_a_bank_card_is_found_whole(marked: str) -> None:
    text, wanted = expected(marked, "BANK")
    assert seen(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        f"电话1{PHONE}",
        f"电话{PHONE}1",
        f"电话a{PHONE}b",
        f"代码x{PHONE}",
        "电话10012345678",
        "电话12012345678",
        "报名费1391234567元",
        "合计13912345678.50元",
        "投资13912345678元",
        "收入13912345678美元，股本13912345678股",
        "预算13912345678万元",
        "产煤13912345678吨",
        "单号13912345678",
        "订单号：13912345678",
        "流水号13912345678",
        "UUID 13912345-6780-4abc-9def-0123456789ab",
        "sha256:13912345678901234567890abcdef",
        "经度116.13912345678",
        "3.14159265358979323846",
        "比分139-123，第45678名",
        "2013-12-08至2013-12-09",
        "2026年11月22日13:09:12",
        "见http://a.cn/13912345678",
        "见https://a.cn/p?tel=13912345678&x=1",
        "`13912345678`",
        "图 13912345678.png",
        "010-6123",
        "010-612345678901",
        "0571-1123456789",
        "第61234567号公告",
        "邮编310000，区号0571",
        "110、119、120、12306",
        "400-123-4567",
        "800-820-1234",
        "群号里没有号",
        "ISBN 978-7-302-51162-5",
        "ISSN 1000-1234",
        "110101",
        "1101051949123100",
        "1949-12-31",
        "000000000000000000",
        "111111111111111111",
        "6222 0212 3456",
        "0.6225880123456785",
        "版本10.15.7.19.42",
        "π≈三点一四一五九二六五三五",
        "一三五七九",
        "一二三四五六七八九十",
        "二〇二六年十一月二十二日",
        "百分之九十九点九",
    ],
)
def test_numbers_of_other_kinds_are_left_alone(text: str) -> None:
    assert seen(text) == []


@pytest.mark.parametrize(
    ("region", "born", "order"),
    [
        ("110105", "19491331", "002"),  # no thirteenth month
        ("110105", "19490230", "002"),  # no thirtieth of February
        ("110105", "20230229", "002"),  # 2023 was no leap year
        ("110105", "17491231", "002"),  # nobody born then has a card
        ("110105", "20991231", "002"),  # nor is anybody born yet
        ("990105", "19491231", "002"),  # no such province
        ("000105", "19491231", "002"),
    ],
)
def test_a_good_check_digit_alone_makes_no_identity_card(
    region: str, born: str, order: str
) -> None:
    assert seen(f"号码{identity(region, born, order)}完") == []


def test_a_leap_day_of_a_leap_year_is_a_birthday() -> None:
    text, wanted = expected(f"号码⟦{identity('110105', '20000229', '015')}⟧完", "ID")
    assert seen(text) == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["110105", "320106", "440305", "510104"]),
    st.dates(),
    st.integers(1, 999),
    st.integers(0, 17),
    st.integers(1, 9),
)
def test_one_wrong_digit_always_breaks_the_check(
    region: str, day: object, order: int, place: int, by: int
) -> None:
    """The check finds every single wrong digit, so none of them may pass for an ID by itself."""
    born = f"19{str(day)[2:4]}{str(day)[5:7]}{str(day)[8:10]}"
    right = identity(region, born, f"{order:03}")
    old = 10 if right[place] == "X" else int(right[place])
    wrong = right[:place] + str((old + by) % 10) + right[place + 1 :]
    kinds = {kind for kind, _, _ in seen(f"数列{wrong}完")}
    assert "ID" not in kinds or wrong == right


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 9), st.integers(0, 10**9 - 1), st.sampled_from("，。；！？：、 \n（）“”"))
def test_every_mobile_number_is_found_between_any_two_marks(
    second: int, rest: int, mark: str
) -> None:
    number = f"1{second}{rest:09}"
    text = f"电话{mark}{number}{mark}完"
    found = [(start, end) for kind, start, end in seen(text) if kind == "PHONE"]
    if second in (3, 5, 8):  # every segment of these is a mobile one
        assert found == [(3, 14)]
    assert all(text[start:end].endswith(number) for start, end in found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([PHONE, CARD, MAN, BANK19, "010-61234567"]),
                min_size=1, max_size=6),
       st.sampled_from(["，", "。", "；", "\n", "、", "——", "和", "或者"]))  # fmt: skip
def test_details_side_by_side_are_each_found_by_themselves(values: list[str], mark: str) -> None:
    kinds = {PHONE: "PHONE", CARD: "ID", MAN: "ID", BANK19: "BANK", "010-61234567": "LANDLINE"}
    marked = "号码：" + mark.join(f"⟦{value}⟧" for value in values) + "。"
    text, wanted = expected(marked, *(kinds[value] for value in values))
    assert seen(text) == wanted


def test_a_check_digit_convinces_more_than_a_layout_and_words_add_to_it() -> None:
    [card], [bare], [told] = rows([f"证件{CARD}", f"找{PHONE}", f"电话{PHONE}"])
    assert (card[0], card[4]) == ("ID", "checksum")
    assert card[3] > told[3] > bare[3] >= 70
    assert told[4] == "context"


@pytest.mark.parametrize("value", [CARD, MAN, PHONE, BANK16, BANK19])
@pytest.mark.parametrize("kept", [1, 2])
def test_a_number_cut_short_is_not_taken_for_a_whole_one(value: str, kept: int) -> None:
    whole = {kind for kind, _, _ in seen(f"数{value}完")}
    assert len(whole) == 1
    assert seen(f"数{value[:-kept]}完") == []
