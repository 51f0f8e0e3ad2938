"""Evaluation items are found in a corpus by hashes alone, and ordinary text is let through."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_near_desk import array, folded, invented
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.contamination import HashesMade, Known, make_hashes, read_hashes
from yunhe.corpus.documents import Documents, Outcome, Values
from yunhe.corpus.kernels.overlap import RUN, shares
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.steps.contamination import STEP
from yunhe.kernel.errors import Invalid, YunheError

ITEMS = [(f"q{n}", text) for n, text in enumerate(invented(21, 60, 45))]
WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


def known(folder: Path, items: list[tuple[str, str]]) -> Known:
    make_hashes(items, folder / "items.parquet")
    return read_hashes(folder / "items.parquet")


def asked(folder: Path, texts: list[str], *, percent: int = 80) -> Outcome:
    """What the step says of some texts."""
    assert STEP.prepare is not None
    assert STEP.work is not None
    ready = STEP.prepare({"hashes": str(folder / "items.parquet")})
    nothing = np.zeros(len(texts), np.uint8)
    documents = Documents(array(texts), nothing != 0, nothing)
    values = Values({"share_percent_min": percent}, {"hashes": ""}, ready.value)
    return STEP.work(documents, values)


def disguised(text: str, way: str) -> str:
    match way:
        case "spaces":
            return " ".join(text)
        case "punctuation":
            return "，".join(text[at : at + 6] for at in range(0, len(text), 6)) + "？"
        case "lines":
            return "\r\n\t".join(text[at : at + 10] for at in range(0, len(text), 10))
        case "marks":
            return "“" + "\u200b".join(text) + "”"
        case _:
            return text


@pytest.mark.parametrize("way", ["plain", "spaces", "punctuation", "lines", "marks"])
def test_planted_items_are_found_however_they_are_set(tmp_path: Path, way: str) -> None:
    make_hashes(ITEMS, tmp_path / "items.parquet")
    around = invented(22, 60, 300)
    planted = [
        before[:150] + disguised(text, way) + before[150:]
        for before, (_, text) in zip(around, ITEMS, strict=True)
    ]
    outcome = asked(tmp_path, [*planted, *around])
    assert outcome.reasons is not None
    assert outcome.scores is not None
    assert outcome.reasons.tolist() == [1] * 60 + [0] * 60
    assert outcome.scores.tolist() == [100] * 60 + [0] * 60


def test_width_and_case_of_latin_items_do_not_hide_them(tmp_path: Path) -> None:
    text = "Which planet is 4th from the sun: Mars or Venus"
    make_hashes([("q", text)], tmp_path / "items.parquet")
    changed = [text.upper(), text.translate(WIDE), text.replace(" ", ""), "The sun is a star."]
    outcome = asked(tmp_path, changed)
    assert outcome.scores is not None
    assert outcome.scores.tolist() == [100, 100, 100, 0]


def test_part_of_an_item_counts_by_its_share(tmp_path: Path) -> None:
    text = invented(23, 1, 112)[0]  # 100 runs
    make_hashes([("q", text)], tmp_path / "items.parquet")
    outcome = asked(tmp_path, [text[: RUN - 1 + n] for n in (0, 1, 50, 79, 80, 100)])
    assert outcome.scores is not None
    assert outcome.reasons is not None
    assert outcome.scores.tolist() == [0, 1, 50, 79, 80, 100]
    assert outcome.reasons.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_run_said_again_and_again_counts_once(tmp_path: Path) -> None:
    text = invented(24, 1, 32)[0]
    make_hashes([("q", text)], tmp_path / "items.parquet")
    outcome = asked(tmp_path, [text[:RUN] * 50])
    assert outcome.scores is not None
    assert outcome.scores.tolist() == [5]


def test_runs_of_two_items_are_not_added_up(tmp_path: Path) -> None:
    one, two = invented(25, 2, 52)
    make_hashes([("a", one), ("b", two)], tmp_path / "items.parquet")
    outcome = asked(tmp_path, [one[:32] + "隔开" + two[:32]])
    assert outcome.scores is not None
    assert outcome.scores.tolist() == [50]


def test_a_phrase_that_many_items_share_tells_none_of_them(tmp_path: Path) -> None:
    phrase = "下列各项中不符合题意的一项是哪一个请选择"
    own = invented(26, 20, 30)
    ready = known(tmp_path, [(f"q{n}", phrase + text) for n, text in enumerate(own)])
    assert ready.searched == 20
    found = shares(utf8(array([phrase, phrase + own[3], own[4]])), ready.items)
    assert found[0] == 0
    assert found[1] == 100
    assert found[2] >= 60


def test_items_without_a_run_of_their_own_are_counted_and_not_searched(tmp_path: Path) -> None:
    phrase = "下列各项中不符合题意的一项是哪一个请选择"
    ready = known(tmp_path, [(f"q{n}", phrase) for n in range(17)])
    assert (ready.searched, ready.shared) == (0, 17)
    assert asked(tmp_path, [phrase]).scores is not None


def shares_by_hand(texts: list[str], items: list[tuple[str, str]]) -> list[int]:
    def runs(text: str) -> set[str]:
        kept = "".join(folded(text))
        return {kept[at : at + RUN] for at in range(len(kept) - RUN + 1)}

    best = []
    for text in texts:
        own = runs(text)
        found = [len(own & of) * 100 // len(of) for _, item in items if (of := runs(item))]
        best.append(max(found, default=0))
    return best


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("一二三，aA１ ", max_size=60), max_size=6),
    st.lists(st.text("一二三，aA１ ", max_size=40), max_size=5),
)
def test_shares_equal_plain_python(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], questions: list[str]
) -> None:
    items = [(f"q{n}", text) for n, text in enumerate(questions)]
    ready = known(tmp_path_factory.mktemp("items"), items)
    assert shares(utf8(array(texts)), ready.items).tolist() == shares_by_hand(texts, items)


def test_the_file_holds_hashes_and_no_text(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    made = make_hashes([*ITEMS, ("short", "太短的题")], path)
    assert made == HashesMade(items=60, runs=60 * 33, too_short=1)
    table = pq.read_table(path)
    assert table.column_names == ["hash", "item"]
    assert table.num_rows == made.runs
    assert ITEMS[0][1][:5].encode() not in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_the_order_of_items_does_not_change_the_digest_and_an_item_does(tmp_path: Path) -> None:
    shuffled = random.Random(1).sample(ITEMS, len(ITEMS))
    digest = known(tmp_path, ITEMS).digest
    assert known(tmp_path, shuffled).digest == digest
    assert known(tmp_path, ITEMS[1:]).digest != digest
    assert digest.startswith("sha256:")
    assert STEP.prepare is not None
    data = STEP.prepare({"hashes": str(tmp_path / "items.parquet")}).data
    assert str(tmp_path) not in str(data)
    assert data["items"] == 59


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> object:
        yield ITEMS[0]
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        make_hashes(broken(), tmp_path / "items.parquet")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def refusal(path: Path) -> YunheError:
    with pytest.raises(Invalid) as caught:
        read_hashes(path)
    assert caught.value.message("zh") != caught.value.message("en")
    return caught.value


def test_what_is_no_file_of_hashes_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.parquet").code == "corpus.hashes_unreadable"
    (tmp_path / "text.parquet").write_text("no Parquet")
    assert "text.parquet" in refusal(tmp_path / "text.parquet").message("en")
    pq.write_table(pa.table({"hash": pa.array([1], pa.uint64())}), tmp_path / "other.parquet")
    refusal(tmp_path / "other.parquet")
    whole = tmp_path / "whole.parquet"
    make_hashes(ITEMS, whole)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-200])
    refusal(tmp_path / "cut.parquet")


def test_a_step_without_a_file_is_refused() -> None:
    assert STEP.prepare is not None
    with pytest.raises(Invalid) as caught:
        STEP.prepare({"hashes": ""})
    assert caught.value.code == "corpus.hashes_missing"


def test_a_file_without_items_finds_nothing(tmp_path: Path) -> None:
    assert make_hashes([], tmp_path / "items.parquet") == HashesMade(0, 0, 0)
    outcome = asked(tmp_path, [ITEMS[0][1], ""])
    assert outcome.scores is not None
    assert outcome.reasons is not None
    assert outcome.scores.tolist() == [0, 0]
    assert outcome.reasons.tolist() == [0, 0]
