"""Comparison with what was planted: what counts as masked, found, dropped and kept together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpus_planting import Planter, write_pair

from yunhe.corpus import engine, truth
from yunhe.corpus.domain import Columns
from yunhe.corpus.pipeline import build
from yunhe.corpus.service import load_profile
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.progress import Silent

SPAM = "专业代开各类发票，加微信abc12345，点数低可先验后付"
ABUSE = "你们这帮饭桶只会踢皮球，滚蛋吧"
PLAIN = "小区门口的路灯坏了三天没有人来修，晚上看不清路，编号"


def row(name: str, text: str, *spans: list[object], **flags: object) -> dict[str, object]:
    base = {"label": "x", "noisy": False, "duplicate_of": None, "mojibake": False}
    return (
        {"id": name, "text": text, "spans": list(spans), "spam": False, "abuse": False}
        | base
        | flags
    )


def compared(
    folder: Path, rows: list[dict[str, object]], seen: dict[str, str] | None = None
) -> JsonObject:
    tickets, known = write_pair(folder, rows, seen)
    made = build(load_profile())
    corpus = engine.cleanse(
        tickets, Columns("text", "label", "id"), made, threads=1, progress=Silent()
    )
    return truth.compare(truth.read(known), corpus, ids=corpus.names, pipeline=made)


def recall(result: JsonObject, kind: str) -> tuple[int, int]:
    entry = result["recall"][kind]  # type: ignore[call-overload,index]
    return entry["found"], entry["of"]


def flag(result: JsonObject, name: str) -> tuple[int, int]:
    entry = result["flags"][name]  # type: ignore[call-overload,index]
    return entry["found"], entry["of"]


def test_a_value_that_is_covered_and_gone_counts_as_masked(tmp_path: Path) -> None:
    text = f"{PLAIN}1，我叫张伟，电话13812345678"
    result = compared(
        tmp_path, [row("a", text, [30, 32, "NAME", "张伟"], [35, 46, "PHONE", "13812345678"])]
    )
    assert text[30:32] == "张伟"
    assert recall(result, "NAME") == (1, 1)
    assert recall(result, "PHONE") == (1, 1)
    assert result["found_but_not_planted"] == {}


def test_a_value_that_occurs_once_more_unmasked_counts_as_missed(tmp_path: Path) -> None:
    text = f"{PLAIN}1，我叫张伟，后来张伟丽又说了一遍"
    result = compared(tmp_path, [row("a", text, [30, 32, "NAME", "张伟"])])
    assert recall(result, "NAME") == (0, 1)


def test_a_value_that_is_covered_only_in_part_counts_as_missed(tmp_path: Path) -> None:
    text = f"{PLAIN}1，电话13812345678一二"
    result = compared(tmp_path, [row("a", text, [30, 43, "PHONE", "13812345678一二"])])
    assert text[30:43] == "13812345678一二"
    assert recall(result, "PHONE") == (0, 1)


def test_details_of_dropped_documents_do_not_count(tmp_path: Path) -> None:
    spam = row("s", SPAM, [13, 21, "WECHAT", "abc12345"], spam=True)
    result = compared(tmp_path, [spam, row("a", PLAIN)])
    assert result["recall"] == {}
    assert (result["documents"], result["released"]) == (2, 1)


def test_what_was_found_beyond_the_truth_is_counted_by_type(tmp_path: Path) -> None:
    result = compared(tmp_path, [row("a", f"{PLAIN}1，电话13812345678，王女士")])
    assert result["found_but_not_planted"] == {"PHONE": 1, "NAME": 1}


def test_flags_are_found_and_false_alarms_counted(tmp_path: Path) -> None:
    misread = f"{PLAIN}7"
    rows = [
        row("s", SPAM, spam=True),
        row("t", SPAM + "先到先得"),
        row("b", ABUSE, abuse=True),
        row("m", misread, mojibake=True),
        row("o", f"{PLAIN}8，等了一个星期也没有答复"),
        row("d", f"{PLAIN}8，等了一个星期也没有答复！", duplicate_of="o"),
        row("e", f"{PLAIN}8，等了一个星期也没有答复", duplicate_of="o"),
        row("f", "完全不同的一段话和别的都没有关系", duplicate_of="o"),
    ]
    result = compared(tmp_path, rows, {"m": misread.encode().decode("latin-1")})
    assert flag(result, "spam") == (1, 1)
    assert flag(result, "abuse") == (1, 1)
    assert flag(result, "mojibake") == (1, 1)
    assert flag(result, "duplicate") == (2, 3)
    assert result["flags"]["dropped_without_flag"] == {"spam": 1, "abuse": 0}  # type: ignore[call-overload,index]


def test_offsets_hold_in_text_that_was_misread_and_repaired(tmp_path: Path) -> None:
    text = f"{PLAIN}1，我叫张伟，电话13812345678"
    known = row(
        "a", text, [30, 32, "NAME", "张伟"], [35, 46, "PHONE", "13812345678"], mojibake=True
    )
    result = compared(tmp_path, [known, row("b", PLAIN)], {"a": text.encode().decode("latin-1")})
    assert recall(result, "NAME") == (1, 1)
    assert recall(result, "PHONE") == (1, 1)


def test_planted_details_of_a_seeded_generator_are_all_masked(tmp_path: Path) -> None:
    result = compared(tmp_path, Planter(7).documents(800))
    shares = {kind: entry["share"] for kind, entry in result["recall"].items()}  # type: ignore[union-attr]
    assert set(shares.values()) == {"1.000000"}
    assert len(shares) == 12 - 2  # every type the truth knows
    assert result["found_but_not_planted"] == {}


def test_a_wrong_sidecar_is_refused_with_every_line_and_no_value(tmp_path: Path) -> None:
    secret = "13812345678"
    lines = [
        json.dumps(row("a", "x", [0, 1, "PHONE", secret])),
        "{",
        json.dumps({"id": "b"}),
        json.dumps(row("c", "x", [0, 1, "COLOUR", secret])),
        json.dumps(row("d", "x", [3, 1, "PHONE", secret])),
        "[]",
    ]
    path = tmp_path / "truth.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        truth.read(path)
    assert [f.where for f in caught.value.findings] == [f"truth.jsonl:{n}" for n in (2, 3, 4, 5, 6)]
    assert secret not in caught.value.message("en") + caught.value.message("zh")
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(Invalid):
        truth.read(path)
    with pytest.raises(NotFound):
        truth.read(tmp_path / "absent.jsonl")
