"""Personal details in Chinese text: what is found, and that nothing else changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from corpus_planting import Planter, with_luhn
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.domain import MASKS, PERSONAL_TYPES
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal import names
from yunhe.corpus.personal.found import Found, as_spans, merged
from yunhe.corpus.personal.redact import Redaction, redacted
from yunhe.corpus.personal.scan import scan

PLANTER = Planter(20261122)
ID = PLANTER.resident_id()
WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
SPELT = str.maketrans("0123456789", "零幺二三四五六七八九")


def found(text: str) -> list[tuple[str, str]]:
    """``(type, value)`` of everything found in one document."""
    seen = utf8(pa.array([text], pa.large_string()))
    spans = as_spans(scan(seen, names=names.find, score_percent_min=70), seen)
    columns = (spans.types.tolist(), spans.starts.tolist(), spans.ends.tolist())
    return [(PERSONAL_TYPES[k], text[start:end]) for k, start, end in zip(*columns, strict=True)]


def output(*texts: str) -> list[str]:
    array = pa.array(texts, pa.large_string())
    seen = utf8(array)
    found = scan(seen, names=names.find, score_percent_min=70)
    said: list[str] = redacted(array, seen, found, Redaction()).to_pylist()
    return said


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (f"我的身份证{ID}请查收", "ID", ID),
        (f"号码:{ID}。", "ID", ID),
        (f"号码{ID.translate(WIDE)}完", "ID", ID.translate(WIDE)),
        (f"号码{ID[:6]} {ID[6:14]} {ID[14:]}完", "ID", f"{ID[:6]} {ID[6:14]} {ID[14:]}"),
        (f"号码{ID[:6]}-{ID[6:14]}-{ID[14:]}完", "ID", f"{ID[:6]}-{ID[6:14]}-{ID[14:]}"),
        ("身份证号110105491231002，旧的", "ID", "110105491231002"),
        ("电话13812345678。", "PHONE", "13812345678"),
        ("找13812345678他", "PHONE", "13812345678"),
        ("拨打+8613812345678", "PHONE", "+8613812345678"),
        ("拨打+86 138 1234 5678", "PHONE", "+86 138 1234 5678"),
        ("拨打0086-13812345678", "PHONE", "0086-13812345678"),
        ("(+86)13812345678", "PHONE", "(+86)13812345678"),
        ("手机138-1234-5678吧", "PHONE", "138-1234-5678"),
        ("手机１３８１２３４５６７８吧", "PHONE", "１３８１２３４５６７８"),
        ("手机幺三八一二三四五六七八吧", "PHONE", "幺三八一二三四五六七八"),
        ("手机138　1234　5678吧", "PHONE", "138　1234　5678"),
        ("座机021-61234567转801", "LANDLINE", "021-61234567转801"),
        ("（0571）8123456 找我", "LANDLINE", "（0571）8123456"),
        ("办公电话：61234567，", "LANDLINE", "61234567"),
        (f"卡号{with_luhn('622202123456789012')}", "BANK", with_luhn("622202123456789012")),
        ("邮箱a.b-c@mail.example.cn，", "EMAIL", "a.b-c@mail.example.cn"),
        ("写信给user1＠qq.com好吗", "EMAIL", "user1＠qq.com"),
        ("发到abc123#163.com(把#换成@)", "EMAIL", "abc123#163.com"),
        ("车牌沪A12345违停", "PLATE", "沪A12345"),
        ("一辆京A·12345停着", "PLATE", "京A·12345"),
        ("新能源苏AD12345占位", "PLATE", "苏AD12345"),
        ("新能源苏A12345D占位", "PLATE", "苏A12345D"),
        ("他的车是吉L 598e5", "PLATE", "吉L 598e5"),
        ("护照号E12345678", "PASSPORT", "E12345678"),
        ("信用代码91350100M000100Y43。", "USCC", "91350100M000100Y43"),
        ("微信号zhang_san88", "WECHAT", "zhang_san88"),
        ("加V信abc-2026x", "WECHAT", "abc-2026x"),
        ("QQ：123456789，", "QQ", "123456789"),
        ("登录IP8.8.4.4的用户", "IP", "8.8.4.4"),
        ("我叫张伟，住附近", "NAME", "张伟"),
        ("姓名：欧阳静怡 女", "NAME", "欧阳静怡"),
        ("联系人李秀英电话在后", "NAME", "李秀英"),
        ("王丽女士来电", "NAME", "王丽"),
        ("刘先生说", "NAME", "刘"),
        ("请处理。陈建国，13812345678", "NAME", "陈建国"),
        (
            "住在江苏省南京市鼓楼区朝晖路12号3栋501室，",
            "ADDRESS",
            "江苏省南京市鼓楼区朝晖路12号3栋501室",
        ),
        ("家住锦绣花园3栋2单元1102。", "ADDRESS", "锦绣花园3栋2单元1102"),
        (
            "地址：澜江市东平区望湖街道文苑小区15-3-502",
            "ADDRESS",
            "澜江市东平区望湖街道文苑小区15-3-502",
        ),
        ("住址：石桥镇东升村4组25号，", "ADDRESS", "石桥镇东升村4组25号"),
    ],
)
def test_a_detail_is_found_whole(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "请打12345热线或110、12315",
        "咨询400-820-8820或95588",
        "订单号13952766537571346112已发货",
        "流水号281303756256048请核实",
        "单号13812345678已签收",
        "时间戳1661599581696毫秒",
        "ISBN 9787302511625",
        "2026-11-22 08:30:15 已受理，编号20261122000123",
        "金额13812345678.90元",
        "概率0.13812345678",
        f"流水{PLANTER.wrong_id()}",
        "见https://img.example.com/13812345678.jpg",
        "见 www.example.com/a?id=13812345678 即可",
        "文件 IMG_13812345678.jpg",
        "`x = 13812345678 + y`",
        "图片icon@2x.png和git@github.com",
        "版本1.2.3.4发布，网关192.168.0.1",
        "8月12号我去过人民路",
        "地铁12号线在人民路站停运",
        "这里还有另外一座桥",
        "马上处理，高度重视，方便的话请经理于明天答复",
        "客户高峰期排队",
        "微信小程序打不开，微信iPhone版也一样",
        "QQ空间和QQ2013版",
        "沪A股上涨，京ICP备12345678号",
        "谢谢师傅，感谢老师",
        "总经理说住在这里很方便",
    ],
)
def test_what_only_looks_like_a_detail_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_wrong_check_digit_counts_only_where_the_words_say_identity_card() -> None:
    wrong = PLANTER.wrong_id()
    assert found(f"身份证号{wrong}，") == [("ID_BAD", wrong)]
    assert ("ID_BAD", wrong) not in found(f"流水号{wrong}，")


def test_the_chinese_after_a_link_is_still_scanned() -> None:
    text = "网址https://a.cn/b，13812345678中文还在"
    assert found(text) == [("PHONE", "13812345678")]
    assert output(text) == ["网址https://a.cn/b，[电话]中文还在"]


def test_details_of_neighbouring_documents_do_not_run_together() -> None:
    assert output("电话138", "12345678", "张", "先生") == ["电话138", "12345678", "张", "先生"]


def test_numbers_that_touch_are_masked_one_by_one() -> None:
    text = f"{ID} 13812345678 {with_luhn('622202123456789012')}"
    assert output(text) == ["[身份证号] [电话] [银行卡号]"]
    assert output("13812345678 13912345678") == ["[电话] [电话]"]


def test_a_card_ends_before_the_date_that_follows_it() -> None:
    card = with_luhn("622202123456789")
    assert output(f"退回卡上{card} 6月8日") == ["退回卡上[银行卡号] 6月8日"]


def test_every_type_has_a_placeholder_that_is_not_found_itself() -> None:
    for mask in MASKS.values():
        assert found(f"我的{mask}在这里") == []


TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.text(
        "王张李我叫电话手机身份证号住在路号栋室区先生女士微信QQ@.cn 0123456789，。-", max_size=60
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200)
@given(TEXTS)
def test_masking_changes_nothing_outside_the_spans(texts: list[str]) -> None:
    array = pa.array(texts, pa.large_string())
    seen = utf8(array)
    finds = scan(seen, names=names.find, score_percent_min=70)
    spans = as_spans(finds, seen)
    pieces: list[list[str]] = [[] for _ in texts]
    at = [0] * len(texts)
    for kind, document, start, end in zip(
        spans.types.tolist(), spans.documents.tolist(), spans.starts.tolist(), spans.ends.tolist(),
        strict=True,
    ):  # fmt: skip
        assert at[document] <= start < end <= len(texts[document])
        pieces[document] += [texts[document][at[document] : start], MASKS[PERSONAL_TYPES[kind]]]
        at[document] = end
    expected = ["".join([*pieces[n], text[at[n] :]]) for n, text in enumerate(texts)]
    assert redacted(array, seen, finds, Redaction()).to_pylist() == expected


@settings(max_examples=100)
@given(TEXTS)
def test_a_document_is_masked_the_same_alone_as_among_others(texts: list[str]) -> None:
    assert output(*texts) == [output(text)[0] for text in texts]


@given(st.integers(0, 2**32))
def test_no_planted_value_is_left_in_the_output(seed: int) -> None:
    row = Planter(seed).document(1)
    [text] = output(str(row["text"]))
    spans: list[list[object]] = row["spans"]  # type: ignore[assignment]
    left = [kind for _, _, kind, value in spans if str(value) in text]
    assert left == []


def made(*rows: tuple[int, int, int, int]) -> Found:
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    starts, ends = (np.ascontiguousarray(column) for column in columns[:2])
    types, scores = (column.astype(np.uint8) for column in columns[2:])
    return Found(starts, ends, types, scores, np.zeros(len(rows), np.uint8))


@given(st.lists(st.builds(
    lambda start, length, kind, score: (start, start + length, kind, score),
    st.integers(0, 60), st.integers(1, 12), st.integers(0, 5), st.integers(70, 99),
)))  # fmt: skip
def test_merged_finds_cover_what_all_covered_and_never_overlap(
    rows: list[tuple[int, int, int, int]],
) -> None:
    one = merged([made(*rows[: len(rows) // 2]), made(*rows[len(rows) // 2 :])])
    bounds = list(zip(one.starts.tolist(), one.ends.tolist(), strict=True))
    covered = {at for start, end, _, _ in rows for at in range(start, end)}
    assert {at for start, end in bounds for at in range(start, end)} == covered
    assert all(a[1] <= b[0] for a, b in pairwise(bounds))
    for start, end, kind, score in (
        zip(*zip(*bounds, strict=True), one.types.tolist(), one.scores.tolist(), strict=True)
        if bounds
        else ()
    ):
        within = [row for row in rows if start <= row[0] < end]
        assert score == max(row[3] for row in within)
        assert kind in {row[2] for row in within if row[3] == score}


def test_of_overlapping_finds_the_surest_names_the_whole() -> None:
    phone, mail = (PERSONAL_TYPES.index(kind) for kind in ("PHONE", "EMAIL"))
    one = merged([made((0, 11, phone, 82)), made((3, 18, mail, 95))])
    assert (one.starts.tolist(), one.ends.tolist(), one.types.tolist()) == ([0], [18], [mail])


@pytest.mark.parametrize(
    "piece", ["1", "1 ", "138-", "微信a", "住在", "@a.", "张", "0571-", "8.", "`"]
)
def test_a_hostile_run_of_one_thing_is_scanned_to_its_end(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    seen = utf8(pa.array([text], pa.large_string()))
    assert len(scan(seen, names=names.find, score_percent_min=70)) <= len(text)
