"""The training program: same job, same bytes; it learns; it refuses bad input whole."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from test_models_features import plain_number, plain_row, plain_runs
from training_rows import write_train

from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.language import text as sentence
from yunhe.kernel.progress import Silent
from yunhe.models.classifier import from_bytes
from yunhe.models.features import Ngrams
from yunhe.models.training import classifier as program
from yunhe.models.training import fitting
from yunhe.models.training.fitting import Rows, Settings, fit

SHARED = Path("../shared/data/corpora")


def job_file(folder: Path, train: Path, **arguments: object) -> Path:
    outputs = folder / "outputs"
    outputs.mkdir()
    job = {"arguments": arguments, "inputs": {"train": str(train)}, "outputs": str(outputs)}
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def outputs_of(job: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (job.parent / "outputs").iterdir()}


def test_the_same_job_leaves_the_same_bytes_in_any_process(tmp_path):
    left = []
    for hash_seed, threads in (("1", "1"), ("2", "2")):
        folder = tmp_path / hash_seed
        folder.mkdir()
        job = job_file(folder, write_train(folder / "train.parquet", 600), seed=7)
        command = [sys.executable, "-I", "-m", "yunhe.models.training.classifier", str(job)]
        environment = {
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
        }
        ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        steps = [json.loads(line) for line in ran.stdout.splitlines()]
        assert [(s["done"], s["total"]) for s in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]
        assert ran.stderr == ""
        left.append(outputs_of(job))
    assert left[0] == left[1]
    assert set(left[0]) == {"model.safetensors", "manifest.json", "card.json"}


def test_another_seed_sets_other_groups_aside_but_learns_the_same_kind_of_thing(tmp_path):
    rows = read_rows(write_train(tmp_path / "train.parquet", 900))
    one, other = (fit(rows, Settings(seed=seed), Silent()) for seed in (1, 2))
    assert one.calibration_rows != other.calibration_rows
    assert one.classifier.predict(rows.texts).labels == other.classifier.predict(rows.texts).labels


def read_rows(path: Path) -> Rows:
    table = pq.read_table(path)
    return Rows(*(table[name].to_pylist() for name in ("text", "label", "group")))


def test_manifest_and_card_say_what_was_done(tmp_path):
    train = write_train(tmp_path / "train.parquet", 120)
    job = job_file(
        tmp_path, train, seed=3, ngram_max=2, regularisation="0.5", synthetic=True, name="分流"
    )
    assert program.main([str(job)]) == 0
    left = outputs_of(job)
    manifest, card = (json.loads(left[name]) for name in ("manifest.json", "card.json"))
    assert manifest["model_digest"] == sha256(left["model.safetensors"])
    assert manifest["train_digest"] == card["train_digest"] == sha256(train.read_bytes())
    assert (manifest["rows"], manifest["seed"]) == (120, 3)
    assert sum(item["rows"] for item in card["rows_per_class"]) == 120
    assert manifest["settings"] == {
        "ngram_min": 1,
        "ngram_max": 2,
        "features": 65_536,
        "regularisation": "0.500000",
    }
    assert {"numpy", "scikit-learn", "scipy", "python"} <= manifest["software"].keys()
    assert manifest["outcome"]["converged"] is True
    assert (card["synthetic"], card["name"]) == (True, "分流")
    assert card["origin"] == {
        "en": sentence("models.card.synthetic", "en"),
        "zh": sentence("models.card.synthetic", "zh"),
    }
    assert all(set(item) == {"en", "zh"} for item in card["limits"])
    assert canonical_bytes(card) == left["card.json"]
    assert from_bytes(left["model.safetensors"]).ngrams == Ngrams(1, 2)


def test_what_is_served_is_what_scikit_learn_was_taught(tmp_path):
    """The served probabilities, from the plain features and the solver's own predict_proba."""
    chosen = random.Random(5)
    labels = [chosen.choice("甲乙丙") for _ in range(80)]
    texts = [f"{label}{chosen.choice('一二三四')}{chosen.choice('五六七')}" for label in labels]
    ngrams = Ngrams(1, 2)
    # Every row its own group and fewer than 50 set aside: no temperature.
    fitted = fit(
        Rows(texts, labels, [str(i) for i in range(80)]), Settings(ngrams=ngrams), Silent()
    )
    assert (fitted.calibration_rows, fitted.temperature) == (0, 1.0)
    spread = {}
    for text in texts:
        for number in {plain_number(run) for run in plain_runs(text, ngrams)}:
            spread[number] = spread.get(number, 0) + 1
    vocabulary = np.array(sorted(n for n, count in spread.items() if count >= 2), np.uint64)
    dense = np.zeros((80, len(vocabulary)))
    for index, text in enumerate(texts):
        for column, value in plain_row(text, vocabulary, ngrams).items():
            dense[index, column] = value
    classes = sorted(set(labels))
    ratios = []
    for label in classes:
        inside = (dense[[a == label for a in labels]] > 0).sum(axis=0) + 1.0
        outside = (dense[[a != label for a in labels]] > 0).sum(axis=0) + 1.0
        ratios.append(np.log(inside / inside.sum() / (outside / outside.sum())))
    scale = np.sqrt(np.mean(np.square(ratios), axis=0))
    solver = LogisticRegression(C=1 / 0.3, tol=fitting.TOLERANCE, max_iter=fitting.STEPS_MAX)
    solver.fit(scipy.sparse.csr_array(dense * scale), labels)
    expected = solver.predict_proba(dense * scale)
    served = from_bytes(fitted.classifier.to_bytes()).predict(texts)
    assert list(served.classes) == classes == list(solver.classes_)
    np.testing.assert_allclose(served.probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_starting_from_a_part_of_the_rows_ends_where_starting_from_nothing_does(classes):
    chosen = np.random.default_rng(3)
    matrix = scipy.sparse.csr_array(chosen.random((200, 30)) * (chosen.random((200, 30)) < 0.2))
    targets = chosen.integers(0, classes, 200)
    precise = Settings(regularisation=3.0)
    part = fitting._solve(matrix[:150], targets[:150], precise)
    cold = fitting._solve(matrix, targets, precise)
    warm = fitting._solve(matrix, targets, precise, start=part)
    np.testing.assert_allclose(
        matrix @ warm.weights + warm.bias - (matrix @ warm.weights + warm.bias).mean(1)[:, None],
        matrix @ cold.weights + cold.bias - (matrix @ cold.weights + cold.bias).mean(1)[:, None],
        atol=0.05,
    )


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(0, 5))
def test_rows_of_one_group_are_never_divided(groups, seed):
    aside = fitting._set_aside(groups, seed)
    assert len(aside) == len(groups)
    for group in set(groups):
        assert len({bool(a) for a, g in zip(aside, groups, strict=True) if g == group}) == 1


def test_about_a_tenth_of_the_groups_is_set_aside():
    share = fitting._set_aside([f"g{index}" for index in range(5_000)], 0).mean()
    assert 0.08 < share < 0.12


def test_a_temperature_makes_unseen_rows_more_likely():
    """Noisy labels and a weak penalty make a model too sure; the temperature must say so."""
    chosen = random.Random(2)
    labels = [chosen.choice("甲乙") for _ in range(1_500)]
    texts = [
        (label if chosen.random() < 0.75 else chosen.choice("甲乙"))
        + "".join(chosen.choice("一二三四五六七八九十") for _ in range(6))
        for label in labels
    ]
    groups = [str(index) for index in range(1_500)]
    fitted = fit(Rows(texts, labels, groups), Settings(regularisation=0.001), Silent())
    assert fitted.calibration_rows > 100
    assert fitted.temperature > 1.2


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 5))
def test_it_learns_what_can_be_learnt(seed, count):
    chosen = random.Random(seed)
    classes = [chr(0x4E00 + 50 * index) for index in range(count)]
    labels = [*classes, *classes, *(chosen.choice(classes) for _ in range(100))]
    texts = [f"反映{label}问题{chosen.randrange(9)}" for label in labels]
    fitted = fit(Rows(texts, labels, [str(i) for i in range(len(texts))]), Settings(), Silent())
    assert list(fitted.classifier.predict(texts).labels) == labels


def table(**columns: list[object]) -> pa.Table:
    whole = {
        "id": ["1", "2", "3", "4"],
        "text": ["路灯不亮", "路灯坏了", "噪音扰民", "噪音很大"],
        "label": ["道路", "道路", "环境", "环境"],
        "group": ["1", "2", "3", "4"],
        **columns,
    }
    return pa.table({name: values for name, values in whole.items() if values is not None})


BAD_ROWS = {
    "one class": (table(label=["道路"] * 4), {"label": "models.classes_count"}),
    "no rows": (table().slice(0, 0), {"text": "models.no_rows"}),
    "missing columns": (
        table(label=None, group=None),
        {"label": "models.column_missing", "group": "models.column_missing"},
    ),
    "a column of numbers": (table(label=[1, 2, 3, 4]), {"label": "models.column_not_text"}),
    "missing labels": (
        table(label=["道路", None, "环境", "  "]),
        {"label[1]": "models.value_missing", "label[3]": "models.value_missing"},
    ),
    "a missing text and one class": (
        table(text=["路灯", "路灯", None, "噪音"], label=["道路"] * 4),
        {"text[2]": "models.value_missing", "label": "models.classes_count"},
    ),
    "nothing in common": (
        table(text=["a", "b", "c", "d"]),
        {"text": "models.nothing_shared"},
    ),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_rows_that_cannot_be_learnt_from_are_refused_whole(what, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    rows, expected = BAD_ROWS[what]
    pq.write_table(rows, tmp_path / "train.parquet")
    job = job_file(tmp_path, tmp_path / "train.parquet")
    assert program.main([str(job)]) == program.INPUT_FAULT == 2
    said = capsys.readouterr().err.strip().splitlines()
    error = json.loads(said[-1])
    assert error["code"] == "models.train_invalid"
    assert {f["where"]: f["code"] for f in error["findings"]} == expected
    assert said[0] == "The training data cannot be learnt from."
    assert outputs_of(job) == {}


def test_only_the_first_of_many_missing_labels_are_listed(tmp_path, capsys):
    pq.write_table(
        pa.table({name: ["甲"] * 40 for name in ("id", "text", "group")}).append_column(
            "label", pa.array([None] * 38 + ["甲", "乙"])
        ),
        tmp_path / "train.parquet",
    )
    job = job_file(tmp_path, tmp_path / "train.parquet")
    assert program.main([str(job)]) == 2
    findings = json.loads(capsys.readouterr().err.splitlines()[-1])["findings"]
    assert [finding["where"] for finding in findings] == [
        *(f"label[{row}]" for row in range(10)),
        "label",
    ]
    assert "28" in findings[-1]["message"]


BAD_ARGUMENTS = {
    "seed": -1,
    "ngram_min": 0,
    "ngram_max": 9,
    "features": "many",
    "regularisation": "0",
    "synthetic": "yes",
    "name": "line\nbreak",
    "epochs": 3,
}


def test_every_wrong_argument_is_named_at_once_in_the_language_of_the_locale(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    train = write_train(tmp_path / "train.parquet", 30)
    job = job_file(tmp_path, train, **BAD_ARGUMENTS)
    assert program.main([str(job)]) == 2
    said = capsys.readouterr().err.splitlines()
    error = json.loads(said[-1])
    assert said[0] == "无法按描述执行该训练作业。"
    assert {f["where"] for f in error["findings"]} == {f"arguments.{n}" for n in BAD_ARGUMENTS}
    assert outputs_of(job) == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"outputs": "x"}', b'{"inputs": {}, "outputs": "x"}', b"\xff"],
)
def test_a_job_file_of_another_shape_is_refused(content, tmp_path, capsys):
    (tmp_path / "job.json").write_bytes(content)
    assert program.main([str(tmp_path / "job.json")]) == 2
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["code"] == "models.job_invalid"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text,label\n1,2\n"])
def test_training_data_that_is_no_parquet_is_refused(content, tmp_path, capsys):
    (tmp_path / "train.parquet").write_bytes(content)
    job = job_file(tmp_path, tmp_path / "train.parquet")
    assert program.main([str(job)]) == 2
    error = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert [f["code"] for f in error["findings"]] == ["models.not_parquet"]


def test_outputs_that_cannot_be_written_are_an_error_of_the_disk(tmp_path, capsys):
    train = write_train(tmp_path / "train.parquet", 60)
    job = job_file(tmp_path, train)
    (tmp_path / "outputs").rmdir()
    (tmp_path / "outputs").write_bytes(b"a file, not a folder")
    assert program.main([str(job)]) == 74
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["code"] == "storage.disk_failed"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "at_least"), [("waimai_10k.csv", 0.86), ("hotel.csv", 0.86), ("cold_train.csv", 0.88)]
)
def test_it_reads_real_chinese_text(name, at_least):
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row.get("review") or row.get("TEXT") or "" for row in rows]
    labels = [row["label"] for row in rows]
    order = np.random.default_rng(7).permutation(len(rows))
    train, test = order[: len(rows) * 4 // 5], order[len(rows) * 4 // 5 :]
    rows_in = Rows([texts[i] for i in train], [labels[i] for i in train], [str(i) for i in train])
    fitted = fit(rows_in, Settings(), Silent())
    said = fitted.classifier.predict([texts[i] for i in test])
    assert f1_score([labels[i] for i in test], said.labels, average="macro") >= at_least
