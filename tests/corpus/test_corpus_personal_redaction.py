"""What stands where a personal detail stood: five ways, and what each keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.documents import Documents, Values
from yunhe.corpus.domain import MASKS, PERSONAL_TYPES, PersonalType
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal.found import as_spans
from yunhe.corpus.personal.general import general
from yunhe.corpus.personal.probes import KINDS, probes
from yunhe.corpus.personal.redact import MODES, Redaction, masked, pseudonym, read_key, redacted
from yunhe.corpus.personal.scan import scan
from yunhe.corpus.personal.values import plain
from yunhe.corpus.steps.personal import STEP
from yunhe.kernel.errors import Invalid, NotFound

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("PHONE", "13800138000", "138****8000"),
        ("PHONE", "+86 138-0013-8000", "+86 138-****-8000"),
        ("PHONE", "１３８００１３８０００", "１３８****８０００"),
        ("ID", "11010519491231002X", "110**************X"),
        ("BANK", "6222 0212 3456 7890", "**** **** **** 7890"),
        ("EMAIL", "zhang.san@qq.com", "z***@qq.com"),
        ("IP", "101.2.3.4", "101.2.*.*"),
        ("NAME", "张三丰", "张**"),
        ("PLATE", "苏A·12345", "苏A·****5"),
        ("QQ", "123456", "12***6"),
    ],
)
def test_a_mask_keeps_the_shape(kind: PersonalType, value: str, expected: str) -> None:
    assert masked(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("ID", "11010519491231002X", "[身份证号·110105·1949年]"),
        ("ID", "110105491231002", "[身份证号·110105·1949年]"),
        ("PHONE", "+86 138 0013 8000", "[电话·138]"),
        ("PHONE", "幺三八零零幺三八零零零", "[电话·138]"),
        ("LANDLINE", "+86-571-81234567", "[电话·0571]"),
        ("LANDLINE", "61234567", "[电话]"),
        ("ADDRESS", "江苏省南京市鼓楼区朝晖路12号", "[地址·江苏省南京市鼓楼区]"),
        ("ADDRESS", "锦绣花园3栋501", "[地址]"),
        ("IP", "101.2.3.4", "[IP地址·101.2.0.0/16]"),
        ("IP", "240e:1:2:3::4", "[IP地址·240e:1::/32]"),
        ("PLATE", "苏A·12345", "[车牌号·苏A]"),
        ("BANK", "6222 0212 3456 7890", "[银行卡号·622202]"),
        ("EMAIL", "a.b＠QQ.com", "[邮箱·qq.com]"),
        ("EMAIL", "a.b@small.example", "[邮箱]"),
        ("NAME", "张三丰", "[姓名]"),
    ],
)
def test_what_is_general_keeps_what_many_people_share(
    kind: PersonalType, value: str, expected: str
) -> None:
    assert general(kind, value) == expected


def test_every_spelling_of_a_value_gets_one_pseudonym_and_other_values_and_keys_another() -> None:
    spellings = (
        "13800138000",
        "+86 138-0013-8000",
        "１３８００１３８０００",
        "幺三八零零幺三八零零零",
    )
    tokens = {pseudonym("PHONE", value, KEY) for value in spellings}
    assert len(tokens) == 1
    [token] = tokens
    assert token.startswith("[电话#")
    assert len(token) == len("[电话#]") + 10
    others = (
        ("PHONE", "13800138001", KEY),
        ("PHONE", "13800138000", OTHER),
        ("QQ", "13800138000", KEY),
    )
    assert token not in {pseudonym(kind, value, key) for kind, value, key in others}  # type: ignore[arg-type]
    mails = ("ab@qq.com", "AB＠QQ.com", "ab#qq.com", "ab(at)qq.com", "ab at qq dot com")
    assert {plain("EMAIL", value) for value in mails} == {"ab@qq.com"}


def test_two_spellings_that_are_two_values_stay_two() -> None:
    assert plain("ID", "11010519491231002x") == plain("ID", "110105 19491231 002X")
    assert plain("IP", "1.23.4.5") != plain("IP", "12.3.4.5")
    assert plain("PLATE", "京A·12345") == plain("PLATE", "京a12345")


def test_a_key_is_named_by_its_digest_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "key.bin"
    path.write_bytes(KEY)
    how = Redaction("pseudonym", read_key(path))
    assert KEY.hex() not in how.key_digest
    assert how.key_digest == Redaction("pseudonym", KEY).key_digest
    assert how.key_digest != Redaction("pseudonym", OTHER).key_digest
    assert repr(KEY) not in repr(how)
    with pytest.raises(ValueError, match="need a key"):
        pseudonym("PHONE", "13800138000", b"")


@pytest.mark.parametrize("size", [0, 31, 4097])
def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "key.bin"
    path.write_bytes(b"k" * size)
    with pytest.raises(Invalid) as refused:
        read_key(path)
    assert refused.value.code == "corpus.key_length"
    with pytest.raises(NotFound):
        read_key(tmp_path / "none")


def planted(seed: int) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Texts with one probe each, and (before, value, after) of each."""
    made = [one for kind in KINDS if kind != "NAME" for one in probes(kind, 8, seed=seed)]
    texts = [f"前文。{one.before}{one.value}{one.after}后文" for one in made]
    return texts, [("前文。" + one.before, one.value, one.after + "后文") for one in made]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**30))
def test_no_way_changes_a_character_outside_the_spans_or_leaves_a_value(
    mode: str, seed: int
) -> None:
    texts, parts = planted(seed)
    array = pa.array(texts, pa.large_string())
    seen = utf8(array)
    found = scan(seen)
    outputs = redacted(array, seen, found, Redaction(mode, KEY)).to_pylist()  # type: ignore[arg-type]
    spans = as_spans(found, seen)
    kept: list[list[str]] = [[] for _ in texts]
    at = [0] * len(texts)
    columns = (spans.documents.tolist(), spans.starts.tolist(), spans.ends.tolist())
    for document, start, end in zip(*columns, strict=True):
        kept[document].append(texts[document][at[document] : start])
        at[document] = end
    for document, text in enumerate(texts):
        rest = outputs[document]
        for piece in [*kept[document], text[at[document] :]]:
            assert piece in rest
            rest = rest[rest.index(piece) + len(piece) :]
    left = sum(value in output for output, (_, value, _) in zip(outputs, parts, strict=True))
    assert left == 0


def step(texts: list[str], **options: str) -> list[str]:
    defaults = {"mode": "placeholder", "key": "", "names": "none", "types": ""}
    assert STEP.prepare is not None
    assert STEP.work is not None
    ready = STEP.prepare({**defaults, **options})
    array = pa.array(texts, pa.large_string())
    count = len(texts)
    documents = Documents(array, np.zeros(count, np.bool_), np.zeros(count, np.uint8))
    values = Values({"score_percent_min": 70}, {**defaults, **options}, ready.value)
    outcome = STEP.work(documents, values)
    changed = outcome.texts
    return texts if changed is None else changed.to_pylist()


def test_the_step_does_as_its_options_say(tmp_path: Path) -> None:
    key = tmp_path / "key.bin"
    key.write_bytes(KEY)
    texts = ["电话13800138000，邮箱ab@qq.com，张先生", "无事"]
    assert step(texts)[0] == "电话[电话]，邮箱[邮箱]，张先生"
    assert step(texts, names="rules")[0] == "电话[电话]，邮箱[邮箱]，[姓名]先生"
    assert step(texts, mode="delete")[0] == "电话，邮箱，张先生"
    assert step(texts, mode="mask")[0] == "电话138****8000，邮箱a***@qq.com，张先生"
    assert step(texts, types="email")[0] == "电话13800138000，邮箱[邮箱]，张先生"
    token = pseudonym("PHONE", "13800138000", KEY)
    assert step(texts, mode="pseudonym", key=str(key))[0].startswith(f"电话{token}，")
    assert {one[1] for one in (step(texts), step(texts, mode="delete"))} == {"无事"}


def test_a_step_that_changes_nothing_returns_no_texts() -> None:
    array = pa.array(["无事发生"], pa.large_string())
    ready = STEP.prepare({"mode": "delete", "key": "", "names": "none", "types": ""})  # type: ignore[misc]
    documents = Documents(array, np.zeros(1, np.bool_), np.zeros(1, np.uint8))
    outcome = STEP.work(documents, Values({"score_percent_min": 70}, {}, ready.value))  # type: ignore[misc]
    assert outcome.texts is None
    assert outcome.spans is not None
    assert len(outcome.spans) == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"mode": "pseudonym"}, "corpus.key_missing"),
        ({"mode": "mask", "key": "/tmp/key"}, "corpus.key_unused"),
        ({"types": "PHONE,PET"}, "corpus.types_unknown"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, str], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        step(["文"], **options)
    assert refused.value.code == code


def test_the_digest_names_the_key_and_the_words_but_no_path(tmp_path: Path) -> None:
    path = tmp_path / "key.bin"
    path.write_bytes(KEY)
    assert STEP.prepare is not None
    data = STEP.prepare({"mode": "pseudonym", "key": str(path), "names": "none", "types": ""}).data
    assert str(tmp_path) not in str(data)
    assert KEY.hex() not in str(data)
    assert data["key"] == Redaction("pseudonym", KEY).key_digest


def test_every_kind_has_a_placeholder_and_probes() -> None:
    assert set(MASKS) == set(PERSONAL_TYPES) == set(KINDS)
