"""Plates, passports, permits, credit codes, mail, chat names, network addresses, owned numbers.

What is between the marks is invented; every kind is told by its form, by words beside it, or both.
"""

from __future__ import annotations

import pytest
from corpus_marked import credit_code, expected, rows, seen
from hypothesis import given, settings
from hypothesis import strategies as st

WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
FIRM = credit_code("91320106MA1XYX123")
OFFICE = credit_code("12110000400012345")

PLATES = [
    "⟦京A12345⟧",
    "⟦沪B8K231⟧",
    "车牌⟦粤B·D1234⟧",
    "车牌⟦浙A•88K88⟧",
    "车牌号是⟦苏E·6X789⟧。",
    "车牌⟦鲁B 12345⟧",
    "车牌⟦鲁B-12345⟧",
    "车牌⟦鲁b12345⟧",
    "⟦京AD12345⟧",
    "⟦京A12345D⟧",
    "⟦粤BF12345⟧停在门口",
    "一辆⟦川A1234挂⟧",
    "警车⟦京A1234警⟧",
    "教练车⟦津C1234学⟧",
    "车牌⟦渝Ａ１２３４５⟧",
    "⟦京A12345⟧、⟦京A54321⟧",
    "（⟦湘A12345⟧）",
    "车主把⟦皖A12345⟧停在⟦1号⟧".replace("⟦1号⟧", "一边"),
]
PASSPORTS = [
    "护照⟦E12345678⟧",
    "护照号⟦G12345678⟧",
    "护照号码：⟦EA1234567⟧",
    "护照号码是⟦E12345678⟧。",
    "护照编号⟦e12345678⟧",
    "护照⟦E 12345678⟧",
    "护照⟦E-12345678⟧",
    "Passport No. ⟦E12345678⟧",
    "passport ⟦E12345678⟧",
    "護照⟦E12345678⟧",
    "护照（因公）⟦P12345678⟧",
    "护照⟦Ｅ１２３４５６７８⟧",
]
PERMITS = [
    "港澳通行证⟦C12345678⟧",
    "往来港澳通行证号码⟦CA1234567⟧",
    "通行证：⟦W12345678⟧",
    "台胞证⟦12345678⟧",
    "回乡证⟦H1234567890⟧",
    "回乡证号码：⟦M1234567890⟧",
    "居留证⟦USA123456789012⟧",
    "通行证⟦Ｃ１２３４５６７８⟧",
    "通行證號碼⟦C12345678⟧",
]
CREDITS = [
    f"信用代码⟦{FIRM}⟧",
    f"统一社会信用代码：⟦{FIRM}⟧。",
    f"税号⟦{FIRM}⟧",
    f"⟦{FIRM}⟧",
    f"开票抬头 ⟦{FIRM}⟧ 某公司",
    f"代码⟦{FIRM.lower()}⟧",
    f"代码⟦{FIRM.translate(WIDE)}⟧",
    f"代码⟦{OFFICE}⟧",
    f"信用代码⟦{FIRM[:2]} {FIRM[2:8]} {FIRM[8:]}⟧",
]
MAILS = [
    "邮箱⟦user.name@example.com⟧",
    "邮箱：⟦user_name@example.com.cn⟧。",
    "⟦user-1@example.org⟧",
    "发到⟦u+tag@example.net⟧即可",
    "<⟦user@example.com⟧>",
    "(⟦user@example.com⟧)",
    "mailto:⟦user@example.com⟧",
    "邮箱⟦12345678@qq.com⟧，谢谢",
    "邮箱⟦user＠example.com⟧",
    "邮箱⟦user(at)example.com⟧",
    "邮箱⟦user[at]example.com⟧",
    "邮箱⟦user (at) example.com⟧",
    "邮箱⟦user（at）example.com⟧",
    "邮箱⟦user at qq dot com⟧",
    "邮箱⟦user1#163.com⟧",
    "邮箱⟦user @ example.com⟧",
    "邮箱⟦user@a.b.example.com⟧",
    "邮箱⟦USER@EXAMPLE.COM⟧",
    "邮箱⟦ｕｓｅｒ＠ｅｘａｍｐｌｅ．ｃｏｍ⟧",
    "⟦a1@example.com⟧;⟦b2@example.com⟧",
    "邮箱⟦user@example。com⟧。Thanks",
    "⟦user@example.com⟧。Com is short",
    "邮箱⟦user＠１６３。ｃｏｍ⟧，",
    "⟦user@163点com⟧",
    "邮箱⟦user @ example . com⟧",
    "⟦user@example .com⟧",
    "⟦user@example. cn⟧ 谢谢",
    "邮箱⟦user (at) example (dot) com⟧",
    "⟦user [at] example [dot] com⟧",
    "邮箱⟦user{at}example{dot}com⟧",
]
WECHATS = [
    "微信号⟦abc_1234⟧",
    "微信号：⟦abcdef12⟧，",
    "微信⟦abc-2026⟧",
    "加微信⟦wx_12345⟧",
    "微信号是⟦some_body99⟧。",
    "vx：⟦abcdef99⟧",
    "VX:⟦abcdef99⟧",
    "wx:⟦abcdef99⟧",
    "薇信⟦abc_12345⟧",
    "v信⟦abc_12345⟧",
    "加微信（⟦abc12345⟧）",
    "微信号(⟦abcdefgh⟧)",
    "WeChat: ⟦abc_12345⟧".replace("WeChat", "微信ID"),
]
QQS = [
    "QQ⟦123456⟧",
    "QQ：⟦1234567890⟧",
    "qq号⟦23456789⟧。",
    "QQ号码是⟦23456789⟧",
    "扣扣⟦23456789⟧",
    "企鹅号⟦23456789⟧",
    "QQ群⟦234567890⟧",
    "QQ⟦２３４５６７８９⟧",
    "QQ⟦123 456 789⟧",
    "扣扣号⟦二三四五六七八九⟧",
]
NETS = [
    "IP⟦8.8.8.8⟧",
    "IP地址：⟦114.114.114.114⟧。",
    "ip=⟦123.125.114.1⟧",
    "登录IP⟦101.2.3.4⟧",
    "登录⟦192.168.1.20⟧",
    "来自⟦10.0.0.8⟧",
    "IP⟦101.2.3.4/24⟧",
    "IP地址⟦240e:1:2:3::4⟧",
    "IPv6：⟦2408:8000:1010:1::8⟧",
    "IPv6地址：⟦2408:8000:1010:1::8⟧",
    "IPv6 ⟦2408:8000:1010:1:2:3:4:5⟧",
    "IP:⟦2400:3200::1⟧",
    "IP⟦１０１．２．３．４⟧",
]
OWNED = [
    ("病历号⟦1234567⟧", "MEDICAL"),
    ("住院号：⟦ZY20261234⟧", "MEDICAL"),
    ("门诊号是⟦20261234⟧。", "MEDICAL"),
    ("就诊卡号⟦8800123456⟧", "MEDICAL"),
    ("医保卡号⟦1234567890⟧", "MEDICAL"),
    ("患者ID：⟦12345678⟧", "MEDICAL"),
    ("病案号⟦１２３４５６７⟧", "MEDICAL"),
    ("户号⟦1234567890⟧", "ACCOUNT"),
    ("公积金账号：⟦123456789012⟧", "ACCOUNT"),
    ("学号⟦2026123456⟧", "ACCOUNT"),
    ("工号⟦A012345⟧", "ACCOUNT"),
    ("会员号：⟦88001234⟧", "ACCOUNT"),
    ("保单号⟦PA1234567890⟧", "ACCOUNT"),
    ("准考证号⟦110226123456⟧", "ACCOUNT"),
]
TABLE = [
    *((marked, "PLATE") for marked in PLATES),
    *((marked, "PASSPORT") for marked in PASSPORTS),
    *((marked, "PERMIT") for marked in PERMITS),
    *((marked, "USCC") for marked in CREDITS),
    *((marked, "EMAIL") for marked in MAILS),
    *((marked, "WECHAT") for marked in WECHATS),
    *((marked, "QQ") for marked in QQS),
    *((marked, "IP") for marked in NETS),
    *OWNED,
]


@pytest.mark.parametrize(("marked", "kind"), TABLE)
def test_a_code_is_found_from_its_first_sign_to_its_last(marked: str, kind: str) -> None:
    text, wanted = expected(marked, *[kind] * marked.count("⟦"))
    assert seen(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "京A",
        "京A1234",
        "京A123456",
        "京AI2345",  # plates have no letter I
        "京AO2345",
        "沪B股指数12345",
        "京广线12345次",
        "苏A级景区",
        "川A座12345",
        "新A1纸",
        "京ICP证030173号",
        "粤语B12345版".replace("粤语B", "粤语版B"),
        "型号E12345678",
        "合同号G12345678",
        "编号C12345678",
        "护照丢了怎么补办",
        "护照有效期10年",
        "护照E1234",
        "通行证办理需要7个工作日",
        "91320106MA1XYX1234",
        FIRM[:-1] + ("0" if FIRM[-1] != "0" else "1"),
        FIRM[:-1],
        "信用代码共18位",
        "@所有人",
        "user@",
        "@example.com",
        "价格@3.5元",
        "a@b",
        "logo@2x.png",
        "git@gitee.com:a/b.git",
        "张三@李四",
        "微博@某某某",
        "C#编程163页",
        "微信支付12345元",
        "微信群500人",
        "微信",
        "微信公众号",
        "微信（WeChat）",
        "微信（weixin2.0）",
        "a@b。Then",
        "name@host . Then",
        "abc@def。community",
        "3 @ 4 点 com",
        "微信8.0.30版",
        "wxWidgets",
        "vx射线",
        "QQ音乐",
        "QQ飞车2026",
        "QQ1234",
        "QQ炫舞",
        "1.2.3.4",
        "版本号10.2.3.4",
        "IP地址127.0.0.1",
        "IP256.1.1.1",
        "IP地址192.168.1.1",
        "08:30:15",
        "比分1:2::3",
        "病历12份",
        "住院号12",
        "学号是多少",
        "工号牌",
        "账号密码",
        "会员号召力",
        "户号已销",
    ],
)
def test_what_resembles_a_code_is_left_alone(text: str) -> None:
    assert seen(text) == []


SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@settings(max_examples=40, deadline=None)
@given(st.text(SIGNS, min_size=9, max_size=9), st.sampled_from(["110105", "320106", "440305"]))
def test_a_credit_code_is_told_by_its_check_sign_alone(body: str, region: str) -> None:
    code = credit_code("91" + region + body)
    other = code[:-1] + SIGNS[(SIGNS.index(code[-1]) + 1) % 31]
    assert ("USCC", 1, 19) in seen(f"码{code}完")
    assert "USCC" not in {kind for kind, _, _ in seen(f"码{other}完")}


@settings(max_examples=40, deadline=None)
@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=10),
    st.sampled_from(["com", "cn", "org", "com.cn", "edu.cn", "net"]),
    st.sampled_from("，。；、（）“”\n 的我"),
)
def test_every_plain_mail_address_is_found_whole(
    local: str, domain: str, top: str, mark: str
) -> None:
    address = f"{local}@{domain}.{top}"
    if local in {"git", "noreply"}:
        return
    found = [(s, e) for kind, s, e in seen(f"邮箱：{address}{mark}完") if kind == "EMAIL"]
    assert found == [(3, 3 + len(address))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=4, max_size=4))
def test_a_network_address_is_personal_where_it_is_global_or_somebody_logged_in(
    parts: list[int],
) -> None:
    import ipaddress  # noqa: PLC0415 - the reference

    shown = ".".join(map(str, parts))
    address = ipaddress.IPv4Address(shown)
    assert (("IP", 2, 2 + len(shown)) in seen(f"IP{shown}，")) is address.is_global
    logged = address.is_global or not address.is_loopback
    assert (("IP", 2, 2 + len(shown)) in seen(f"登录{shown}，")) is logged


def test_words_that_say_so_make_a_rule_surer() -> None:
    [bare], [named] = rows(["⟦京A12345⟧"[1:-1], "车牌京A12345"])
    assert (bare[3], bare[4]) == (84, "layout")
    assert (named[3], named[4]) == (92, "context")
    [loose], [told] = rows(["微信abc_1234", "微信号abc_1234"])
    assert loose[3] < told[3]


def test_an_owner_word_in_the_document_before_says_nothing() -> None:
    texts = ["病历号", "1234567", "护照", "E12345678", "QQ", "23456789"]
    assert rows(texts) == [[], [], [], [], [], []]
