"""Files of weights, labelled rows, and what a classifier makes of them; checked in plain Python."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpus_steps import bytes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus import training, weights
from yunhe.corpus.kernels.linear import totals
from yunhe.corpus.kernels.tagging import WIDTH
from yunhe.corpus.personal import lexicon
from yunhe.corpus.personal.tagger import rows as tagger_rows
from yunhe.corpus.personal.tagger.rows import KINDS, LABELS, Row, read_rows
from yunhe.corpus.personal.tagger.varying import varied
from yunhe.corpus.personal.tagger.words import BUCKETS, FIRST, LAST, SLOTS, SURNAME, mark, words
from yunhe.corpus.toxicity import model
from yunhe.corpus.toxicity.rows import CLASS_MIN, Labelled, checked, read_labelled
from yunhe.corpus.toxicity.training import split
from yunhe.kernel.errors import Invalid, NotFound

TENSORS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.lists(st.integers(-100, 100), max_size=20).map(lambda each: np.array(each, np.int16)),
    min_size=1,
    max_size=3,
)


# --- files of weights ----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(TENSORS, st.dictionaries(st.text("xyz", min_size=1, max_size=3), st.integers(0, 99)))
def test_weights_come_back_as_they_were_packed(
    tensors: dict[str, np.ndarray], card: dict[str, int]
) -> None:
    data = weights.packed("test", tensors, card)
    assert data == weights.packed("test", dict(reversed(list(tensors.items()))), card)
    found = weights.opened(data, "test", where="w")
    assert {name: each.tolist() for name, each in found.tensors.items()} == {
        name: each.tolist() for name, each in tensors.items()
    }
    assert found.card == {**card, "kind": "test"}
    for name, array in tensors.items():
        assert found.tensor(name, np.int16, array.size).tolist() == array.tolist()
        for kind, size in ((np.int32, None), (np.int16, array.size + 1)):
            with pytest.raises(Invalid):
                found.tensor(name, kind, size)
    with pytest.raises(Invalid):
        found.tensor("none", np.int16)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_of_weights_is_noticed(data: st.DataObject) -> None:
    file = weights.packed("test", {"a": np.arange(20, dtype=np.int16)}, {"seen": 7, "name": "字"})
    at = data.draw(st.integers(0, len(file) - 1))
    other = bytearray(file)
    other[at] ^= data.draw(st.integers(1, 255))
    said = None
    with suppress(Invalid):
        said = weights.opened(bytes(other), "test", where="w")
    if said is not None:  # a blank of the header may be another blank: then it says the same
        assert said.tensors["a"].tolist() == list(range(20))
        assert said.card == {"seen": 7, "name": "字", "kind": "test"}


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 40, -1, -20])
def test_weights_that_end_early_are_refused(cut: int) -> None:
    file = weights.packed("test", {"a": np.arange(20, dtype=np.int16)}, {})
    with pytest.raises(Invalid) as refused:
        weights.opened(file[:cut], "test", where="short")
    assert refused.value.code == "corpus.weights_damaged"


def test_weights_for_another_purpose_are_named_and_a_missing_file_too(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights.packed("other", {"a": np.zeros(1, np.int8)}, {}))
    with pytest.raises(Invalid) as refused:
        weights.read(path, "test")
    assert refused.value.code == "corpus.weights_kind"
    assert weights.read(path, "other").card == {"kind": "other"}
    with pytest.raises(NotFound):
        weights.read(tmp_path / "none", "other")
    with pytest.raises(NotFound):
        weights.read(tmp_path, "other")


# --- labelled rows -------------------------------------------------------------------------------


SPANS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from(["PER", "ORG", "LOC", "x"])),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(st.text("王建军在南京公司。", min_size=12, max_size=12), SPANS)
def test_spans_of_a_row_are_ordered_apart_and_of_known_kinds(
    text: str, spans: list[tuple[int, int, str]]
) -> None:
    given_ = [[min(a, b), max(a, b), label] for a, b, label in spans]
    row, fault = tagger_rows._row(json.dumps({"text": text, "spans": given_}).encode())
    assert fault == ""
    assert row is not None
    assert all(left[1] <= right[0] for left, right in pairwise(row.spans))
    known = {(a, b, KINDS.index(LABELS[label])) for a, b, label in given_ if label in LABELS}
    assert set(row.spans) <= known
    left_out = {each for each in known if each[0] < each[1]} - set(row.spans)
    for start, end, _ in left_out:
        assert any(start < b and a < end for a, b, _ in row.spans)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{", "corpus.training_line"),
        (b"[]", "corpus.training_line"),
        (b'{"text": "a"}', "corpus.training_line"),
        (b'{"text": 1, "spans": []}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[0, 3, "PER"]]}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[-1, 1, "PER"]]}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[1, 0, "PER"]]}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[0, 1]]}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[0, true, "PER"]]}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[0.0, 1, "PER"]]}', "corpus.training_line"),
        (b'{"text": "ab", "spans": [[0, 1, 5]]}', "corpus.training_line"),
        (b'{"text": "\\ud800", "spans": []}', "corpus.training_line"),
        (b"[" * 100_000, "corpus.training_line"),
    ],
)
def test_a_line_that_is_no_row_is_a_fault(line: bytes, fault: str) -> None:
    assert tagger_rows._row(line) == (None, fault)


def test_rows_of_several_files_come_one_after_the_other(tmp_path: Path) -> None:
    for name, text in (("a", "王建军"), ("b", "南京")):
        row = {"text": text, "spans": [[0, 2, "PER"]]}
        (tmp_path / name).write_text(json.dumps(row) + "\n\n", "utf-8")
    found = read_rows([tmp_path / "b", tmp_path / "a"])
    assert [(row.text, row.spans) for row in found] == [
        ("南京", ((0, 2, 0),)),
        ("王建军", ((0, 2, 0),)),
    ]
    (tmp_path / "a").write_text("{}\n[]\n", "utf-8")
    with pytest.raises(Invalid) as refused:
        read_rows([tmp_path / "a", tmp_path / "b"])
    assert [each.where for each in refused.value.findings] == ["a:1", "a:2"]


PERSONS = [
    ("昨天王建军在南京说话", ((2, 5, 0), (6, 8, 2))),
    ("欧阳清风与比尔·克林顿见面", ((0, 4, 0), (5, 11, 0))),
    ("没有人的一句话", ()),
    ("刘来了，刘走了", ((0, 1, 0), (4, 5, 0))),
    ("Tom和李四", ((0, 3, 0), (4, 6, 0))),
]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30))
def test_varied_rows_differ_in_persons_alone_and_stay_aligned(seed: int) -> None:
    given_ = [Row(text, spans) for text, spans in PERSONS]
    made = varied(given_, seed=seed)
    assert made == varied(given_, seed=seed)
    for old, new in zip(given_, made, strict=True):
        assert [kind for *_, kind in old.spans] == [kind for *_, kind in new.spans]
        assert all(0 <= a < b <= len(new.text) for a, b, _ in new.spans)
        assert all(left[1] <= right[0] for left, right in pairwise(new.spans))
        for (a, b, kind), (c, d, _) in zip(old.spans, new.spans, strict=True):
            if kind != 0 or old.text[a:b].isascii():
                assert new.text[c:d] == old.text[a:b]
        ends = [0, *(end for _, end, _ in new.spans)]
        for (a, *_), (c, *_), before in zip(old.spans, new.spans, ends, strict=False):
            tail = old.text[:a].rpartition("。")[2][-1:]
            assert tail in ("", new.text[c - 1 : c]) or before == c
    again = made[3]  # who comes twice is the same both times
    assert len({again.text[a:b] for a, b, _ in again.spans}) == 1


def test_the_statistics_of_characters_fit_together() -> None:
    known = words()
    assert len(known.odds) == (LAST - FIRST + 1) * 6
    assert len(known.marks) == BUCKETS * SLOTS
    odds = known.odds.reshape(-1, 6)
    surnames = [int(odds[ord(one) - FIRST, SURNAME]) for one in "王李张刘陈杨赵黄周吴"]
    others = [int(odds[ord(one) - FIRST, SURNAME]) for one in "的了在是我有这个们着"]
    assert min(surnames) > max(others)
    assert WIDTH % 4 == 0
    assert words() is known


@settings(deadline=None)
@given(st.lists(st.integers(0x4E00, 0x9FFF), min_size=1, max_size=4))
def test_a_word_has_one_bucket_and_a_mark_that_is_never_free(codes: list[int]) -> None:
    bucket, bits = mark(codes)
    assert 0 <= bucket < BUCKETS
    assert 1 <= bits <= 4095
    assert mark(codes) == (bucket, bits)


def test_every_single_surname_of_the_rules_is_a_hanzi_with_statistics() -> None:
    assert all(FIRST <= ord(name) <= LAST for name in lexicon.SURNAMES)


# --- a classifier --------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("好坏人 ，a1", max_size=12), max_size=6), st.integers(0, 99))
def test_a_chance_is_the_number_of_bounds_that_a_score_reaches(texts: list[str], seed: int) -> None:
    drawn = np.random.Generator(np.random.PCG64(seed))
    own = drawn.integers(-999, 999, 64).astype(np.int16)
    bounds = np.sort(drawn.integers(-20_000, 20_000, model.CHANCES)).astype(np.int64)
    made = model.Classifier.of({"weights": own, "bounds": bounds})
    scores = np.zeros(len(texts), np.int64)
    totals(*bytes_of(texts), own, scores)
    wanted = [
        sum(int(bound) <= score for bound in bounds) if text else 0
        for text, score in zip(texts, scores.tolist(), strict=True)
    ]
    assert made.per_thousand(bytes_of(texts)).tolist() == wanted


@pytest.mark.parametrize("size", [0, 3, 63, 100])
def test_weights_whose_number_is_no_power_of_two_are_refused(size: int) -> None:
    tensors = {"weights": np.zeros(size, np.int16), "bounds": np.zeros(model.CHANCES, np.int64)}
    with pytest.raises(Invalid):
        model.Classifier.of(tensors)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([f"句子{n}" for n in range(40)]), max_size=120), st.integers(0, 9))
def test_a_split_parts_texts_and_never_one_text(texts: list[str], seed: int) -> None:
    rows = Labelled(tuple(texts), tuple(n % 2 == 0 for n in range(len(texts))))
    found = split(rows, seed)
    parts = [np.asarray(getattr(found, name)) for name in found.__dataclass_fields__]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(texts)))
    sets = [{texts[at] for at in part.tolist()} for part in parts]
    assert sum(map(len, sets)) == len(set(texts))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("好,\"'\n一 ", min_size=1, max_size=8), max_size=5), st.booleans())
def test_labelled_rows_say_the_same_from_csv_and_json_lines(
    extra: list[str], mark_first: bool,  # noqa: FBT001 - drawn
) -> None:  # fmt: skip
    said = [each for each in extra if each.strip()]
    rows = [(f"好话{n}", "0") for n in range(CLASS_MIN)] + [
        (f"坏话{n}", "1") for n in range(CLASS_MIN)
    ]
    rows += [(each, "1") for each in said]
    table = io.StringIO(newline="")
    csv.writer(table).writerows([("text", "label"), *rows])
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    with tempfile.TemporaryDirectory() as name:
        csv_, jsonl = Path(name) / "a.csv", Path(name) / "a.jsonl"
        csv_.write_bytes(("\ufeff" * mark_first + table.getvalue()).encode())
        jsonl.write_text(lines, "utf-8")
        found = [
            read_labelled(path, text="text", label="label", toxic="1") for path in (csv_, jsonl)
        ]
    assert found[0].toxic == found[1].toxic == tuple(label == "1" for _, label in rows)
    assert found[1].texts == tuple(text for text, _ in rows)
    assert [each.split() for each in found[0].texts] == [each.split() for each in found[1].texts]


@pytest.mark.parametrize(("yes", "no"), [(0, 0), (CLASS_MIN - 1, CLASS_MIN), (CLASS_MIN, 1)])
def test_too_few_of_a_kind_are_counted(yes: int, no: int) -> None:
    rows = Labelled(("x",) * (yes + no), (True,) * yes + (False,) * no)
    with pytest.raises(Invalid) as refused:
        checked(rows, where="a.csv")
    told = {
        dict(each.params)["kind"]: dict(each.params)["there"] for each in refused.value.findings
    }
    assert told == {
        kind: count for kind, count in (("toxic", yes), ("other", no)) if count < CLASS_MIN
    }
    enough = Labelled(("x",) * 2 * CLASS_MIN, (True, False) * CLASS_MIN)
    assert checked(enough, where="a.csv") is enough


def test_the_door_for_training_counts_rows_and_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    sentences = ("今天{}来到了公司", "请{}到前台", "{}说他不去", "我和{}见面了")
    persons = ("王建军", "李秀英", "张伟", "刘洋", "陈晓东", "赵磊")
    rows = []
    for before, _, behind in (line.partition("{}") for line in sentences):
        for name in persons:
            span = [len(before), len(before) + len(name), "PER"]
            rows += [{"text": before + name + behind, "spans": [span]}] * 3
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    data, count, names = training.train_names([path], seed=1)
    assert (count, names) == (len(rows), len(rows))
    assert data == training.train_names([path], seed=1)[0]
