"""The toxicity classifier that an operator trains: rows, training, the card, and the step."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.cli.main import LazyGroup
from yunhe.corpus import weights
from yunhe.corpus.documents import Documents, Values
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.steps import toxicity
from yunhe.corpus.toxicity import model, rows, training
from yunhe.corpus.toxicity.rows import Labelled
from yunhe.kernel.errors import Invalid, NotFound

GOOD, BAD = "谢谢老师帮助花开天气晴朗美好学习", "笨蛋废物滚开讨厌丑陋糟糕骗子无耻"


@cache
def invented(count: int = 900, seed: int = 3) -> Labelled:
    drawn = random.Random(seed)
    texts, kinds = [], []
    for number in range(count):
        toxic = number % 3 == 0
        said = drawn.choices(GOOD, k=12) + drawn.choices(BAD if toxic else GOOD, k=3)
        drawn.shuffle(said)
        texts.append("".join(said))
        kinds.append(toxic if drawn.random() > 0.03 else not toxic)
    return Labelled(tuple(texts), tuple(kinds))


@cache
def trained(seed: int = 1) -> bytes:
    return training.train(invented(), seed=seed)


def classifier() -> model.Classifier:
    return model.Classifier.of(weights.opened(trained(), "toxicity", where="w").tensors)


def texts_of(*texts: str) -> Utf8:
    return utf8(pa.array(texts, pa.large_string()))


def test_the_same_rows_and_seed_give_the_same_bytes_and_another_seed_others():
    assert training.train(invented(), seed=1) == trained()
    assert training.train(invented(), seed=2) != trained()


def test_it_tells_the_toxic_from_the_others_on_rows_kept_out():
    held_out = weights.opened(trained(), "toxicity", where="w").card["held_out"]
    low, f1, high = (held_out[f"f1{part}_per_10000"] for part in ("_low", "", "_high"))  # type: ignore[index,call-overload]
    assert 8000 < low <= f1 <= high <= 10000
    cells = ("true_toxic", "false_toxic", "false_other", "true_other")
    assert sum(held_out[cell] for cell in cells) == held_out["rows"]  # type: ignore[index,call-overload]


def test_a_wish_for_precision_is_met_on_the_rows_it_was_measured_on():
    parts, held = (
        training.split(invented(), 1),
        weights.opened(trained(), "toxicity", where="w").card,
    )
    toxic = np.array(invented().toxic)[parts.measure]
    texts = texts_of(*[invented().texts[row] for row in parts.measure.tolist()])
    scores = classifier().per_thousand(texts)
    wishes = held["held_out"]["thresholds"]  # type: ignore[index,call-overload]
    assert [wish["precision_percent"] for wish in wishes][:2] == [80, 90]
    for wish in wishes:
        said = scores > wish["score_per_thousand_max"]
        assert (said & toxic).sum() * 100 >= wish["precision_percent"] * said.sum()
        assert 1000 * (said & toxic).sum() // toxic.sum() == wish["recall_per_thousand"]


def test_the_split_is_seeded_and_keeps_equal_texts_on_one_side():
    twice = Labelled(invented().texts * 2, invented().toxic * 2)
    parts, half = training.split(twice, 7), len(invented().texts)
    for side in (parts.learn, parts.calibrate, parts.measure):
        assert set(side[side < half].tolist()) == set((side[side >= half] - half).tolist())
    assert len(parts.learn) + len(parts.calibrate) + len(parts.measure) == 2 * half
    assert parts.measure.tolist() != training.split(twice, 8).measure.tolist()


def test_chances_rise_with_scores_and_an_empty_text_has_none():
    scores = classifier().per_thousand(texts_of("笨蛋废物滚开", "谢谢老师帮助", "", " \n"))
    assert scores[0] > 500 > scores[1]
    assert scores[2] == 0
    assert scores.dtype == np.int32


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5))
@settings(deadline=None, max_examples=40)
def test_a_text_has_the_same_chance_alone_and_among_others(texts):
    together = classifier().per_thousand(texts_of(*texts)).tolist()
    assert together == [int(classifier().per_thousand(texts_of(text))[0]) for text in texts]
    assert all(0 <= chance <= 999 for chance in together)


def test_white_space_width_and_case_change_nothing():
    plain, dressed = "ab你这笨蛋1", " Ａ B你 这\n笨蛋9"
    first, second = classifier().per_thousand(texts_of(plain, dressed)).tolist()
    assert first == second


def test_labels_that_mean_nothing_give_a_classifier_that_is_never_sure():
    drawn = random.Random(9)
    texts = tuple("".join(drawn.choices(GOOD, k=15)) for _ in range(600))
    noise = Labelled(texts, tuple(drawn.random() < 0.5 for _ in texts))
    read = weights.opened(training.train(noise), "toxicity", where="w")
    scores = model.Classifier.of(read.tensors).per_thousand(texts_of(*texts[:200]))
    assert scores.max() < 990


def test_one_class_or_too_few_rows_are_refused_with_both_counts():
    for labelled, kinds in (
        (Labelled(("甲",) * 200, (False,) * 200), ["toxic"]),
        (Labelled(("甲",) * 200, (True,) * 200), ["other"]),
        (Labelled((), ()), ["toxic", "other"]),
    ):
        with pytest.raises(Invalid) as caught:
            training.train(labelled)
        assert [dict(f.params)["kind"] for f in caught.value.findings] == kinds


def written(path: Path, labelled: Labelled) -> Path:
    lines = ["id,TEXT,label"]
    both = zip(labelled.texts, labelled.toxic, strict=True)
    lines += [f'{at},"{text}",{int(kind)}' for at, (text, kind) in enumerate(both)]
    path.write_text("\ufeff" + "\n".join(lines), "utf-8")
    return path


def test_rows_are_read_from_csv_and_from_json_lines_alike(tmp_path):
    table = written(tmp_path / "a.csv", invented())
    lines = tmp_path / "a.jsonl"
    both = zip(invented().texts, invented().toxic, strict=True)
    lines.write_text("\n".join(json.dumps({"t": t, "l": int(k)}) for t, k in both))
    assert rows.read_labelled(table, text="TEXT", label="label", toxic="1") == invented()
    assert rows.read_labelled(lines, text="t", label="l", toxic="1") == invented()


def test_every_row_without_text_or_label_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t,l\n甲,1\n,0\n乙,\n丙,0\n", "utf-8")
    with pytest.raises(Invalid) as caught:
        rows.read_labelled(path, text="t", label="l", toxic="1")
    found = [(f.where, f.code) for f in caught.value.findings]
    assert found[:2] == [("a.csv:3", "corpus.training_row"), ("a.csv:4", "corpus.training_row")]
    assert caught.value.params["count"] == 4


def test_a_missing_column_and_a_missing_file_are_refused(tmp_path):
    path = written(tmp_path / "a.csv", invented())
    with pytest.raises(Invalid) as caught:
        rows.read_labelled(path, text="text", label="label", toxic="1")
    assert [f.code for f in caught.value.findings] == ["corpus.column_missing"]
    with pytest.raises(NotFound):
        rows.read_labelled(tmp_path / "b.csv", text="t", label="l", toxic="1")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_garbage_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(random.Random(1).randbytes(5000))
    with pytest.raises(Invalid):
        rows.read_labelled(path, text="t", label="l", toxic="1")


@pytest.mark.parametrize("place", [3, 9, 3000, -1])
def test_weights_changed_in_one_byte_are_refused(tmp_path, place):
    data, path = bytearray(trained()), tmp_path / "w.safetensors"
    data[place] ^= 0x0F
    path.write_bytes(bytes(data))
    with pytest.raises(Invalid) as caught:
        model.load(path)
    assert caught.value.code == "corpus.weights_damaged"


def test_bounds_that_do_not_rise_and_old_versions_are_refused(tmp_path):
    read, path = weights.opened(trained(), "toxicity", where="w"), tmp_path / "w"
    turned = {**read.tensors, "bounds": read.tensors["bounds"][::-1]}
    path.write_bytes(weights.packed("toxicity", turned, read.card))
    with pytest.raises(Invalid) as caught:
        model.load(path)
    assert caught.value.code == "corpus.weights_damaged"
    path.write_bytes(weights.packed("toxicity", read.tensors, {**read.card, "version": 0}))
    with pytest.raises(Invalid) as caught:
        model.load(path)
    assert caught.value.code == "corpus.weights_version"


def documents(*texts: str) -> Documents:
    count = len(texts)
    array = pa.array(texts, pa.large_string())
    return Documents(array, np.zeros(count, np.bool_), np.zeros(count, np.uint8))


def test_the_step_drops_what_is_above_its_threshold_and_says_how_much(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(trained())
    prepare, work = toxicity.STEP.prepare, toxicity.STEP.work
    assert prepare is not None
    assert work is not None
    ready = prepare({"model": str(path)})
    assert ready.data == {"model": weights.read(path, "toxicity").digest}
    assert str(tmp_path) not in json.dumps(ready.data)
    values = Values({"score_per_thousand_max": 500}, {"model": str(path)}, ready.value)
    outcome = work(documents("笨蛋废物滚开", "谢谢老师帮助", ""), values)
    assert outcome.reasons is not None
    assert outcome.reasons.tolist() == [1, 0, 0]
    assert outcome.scores is not None
    assert outcome.scores[0] > 500
    assert outcome.texts is None


def test_without_a_model_the_step_refuses_before_any_work():
    prepare = toxicity.STEP.prepare
    assert prepare is not None
    with pytest.raises(Invalid) as caught:
        prepare({"model": ""})
    assert caught.value.code == "corpus.toxicity_no_model"
    assert "corpus-train" in caught.value.message("en")


def test_the_command_trains_and_prints_what_was_measured(tmp_path):
    data, out = written(tmp_path / "a.csv", invented()), tmp_path / "w.safetensors"
    asked = ["corpus-train", "toxicity", str(data), "--text", "TEXT", "-o", str(out)]
    done = CliRunner().invoke(LazyGroup("en"), asked)
    assert done.exit_code == 0
    assert "F1 0." in done.output
    assert out.read_bytes() == trained()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "w.safetensors"]
