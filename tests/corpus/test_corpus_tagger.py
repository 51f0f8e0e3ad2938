"""The tagger that an operator trains: reading rows, training, finding, and its weights file."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import corpus_interpreted
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.cli.main import LazyGroup
from yunhe.corpus import weights
from yunhe.corpus.kernels import linear, tagging, teaching
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.personal.finders import names_by
from yunhe.corpus.personal.tagger import finding, rows, training
from yunhe.corpus.personal.tagger.rows import Row
from yunhe.corpus.personal.tagger.varying import varied
from yunhe.kernel.errors import Invalid, NotFound

SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平"
FRAMES = (
    ("昨天", "来到公司开会。"),
    ("记者", "报道，今天有雨。"),
    ("", "表示同意这个方案。"),
    ("会上", "、大家都发了言。"),
    ("他和", "一起去了北京。"),
)


@cache
def invented(count: int = 300, seed: int = 5) -> tuple[Row, ...]:
    drawn = random.Random(seed)
    made = []
    for number in range(count):
        before, after = FRAMES[number % len(FRAMES)]
        name = drawn.choice(SURNAMES) + "".join(drawn.choices(GIVEN, k=drawn.choice((1, 2, 2))))
        made.append(Row(before + name + after, ((len(before), len(before) + len(name), 0),)))
    made += [Row("今天北京有雨，公司不开会。", ((2, 4, 2),))] * 20
    return tuple(made)


@cache
def trained(seed: int = 1) -> bytes:
    return training.train(invented(), seed=seed)


def tagger() -> finding.Tagger:
    return finding.Tagger(weights.opened(trained(), "names", where="w"))


def texts_of(*texts: str) -> Utf8:
    return utf8(pa.array(texts, pa.large_string()))


def named(*texts: str) -> list[str]:
    seen = texts_of(*texts)
    found = tagger()(seen)
    pairs = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    return [seen.data[a:b].tobytes().decode() for a, b in pairs]


def test_the_same_rows_and_seed_give_the_same_bytes_and_another_seed_others():
    assert training.train(invented(), seed=1) == trained()
    assert training.train(invented(), seed=2) != trained()


def test_names_it_never_saw_are_found_in_sentences_it_never_saw():
    assert named("昨天周建华来到公司开会。", "记者孙晓梅报道，今天有雨。") == ["周建华", "孙晓梅"]


def test_a_name_found_once_is_found_again_in_its_document_and_not_in_another():
    text = "记者周建华报道，今天有雨。\n“北周建华山”"
    found = [name for name in named(text) if "周建华" in name]
    assert len(found) == 2
    starts, _ = finding.again(texts_of("甲乙丙丁甲乙丙", "甲乙丙"), np.array([0]), np.array([9]))
    assert starts.tolist() == [0, 12]


def test_finds_are_scored_between_just_a_name_and_beyond_doubt():
    assert finding.sure(np.array([-5, 0, 4000, 10**6])).tolist() == [70, 70, 83, 97]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
@settings(deadline=None, max_examples=40)
def test_entities_lie_on_character_borders_within_one_document(texts):
    seen = texts_of(*texts)
    found = tagger().entities(seen)
    documents = np.searchsorted(seen.offsets, found[:, 0], side="right") - 1
    assert (found[:, 1] <= seen.offsets[documents + 1]).all()
    assert (found[1:, 0] >= found[:-1, 1]).all()
    for start, end in found[:, :2].tolist():
        assert seen.data[start:end].tobytes().decode()


def test_compiled_kernels_and_plain_python_say_the_same():
    seeds = ["1", "2"]
    done = subprocess.run(
        [sys.executable, corpus_interpreted.__file__, *seeds],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    compiled = [corpus_interpreted.looked(int(seed)) for seed in seeds]
    assert json.loads(done.stdout) == compiled
    assert all(one["entities"] for one in compiled)


def test_every_kernel_is_compiled_for_what_callers_pass_and_for_nothing_else():
    corpus_interpreted.looked(4)
    tagger().entities(texts_of("甲"))
    made = (tagging.tag, teaching.pieces, teaching.learn)
    made += (linear.totals, linear.count_rows, linear.descend)
    assert [len(one.signatures) for one in made] == [1] * len(made)


def test_varied_rows_keep_their_sentences_and_change_their_names():
    given_rows = invented()
    more = varied(given_rows, seed=3)
    assert more == varied(given_rows, seed=3)
    assert len(more) == len(given_rows)
    changed = 0
    for old, new in zip(given_rows, more, strict=True):
        (start, end, kind), (a, b, same) = old.spans[0], new.spans[0]
        assert kind == same
        assert new.text[:a] == old.text[:start]
        assert new.text.endswith(old.text[end:])
        changed += old.text[start:end] != new.text[a:b]
    assert changed > 200


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines), "utf-8")
    return path


def test_rows_are_read_with_the_labels_of_common_sets(tmp_path):
    line = {
        "text": "张伟在北京某公司",
        "spans": [[0, 2, "person_name"], [3, 5, "LOC"], [5, 8, "game"]],
    }
    found = rows.read_rows([write(tmp_path / "a.jsonl", line)])
    assert found == [Row("张伟在北京某公司", ((0, 2, 0), (3, 5, 2)))]


def test_of_nested_spans_the_one_around_the_others_is_kept(tmp_path):
    line = {"text": "北京张伟公司", "spans": [[0, 2, "LOC"], [0, 6, "ORG"], [2, 4, "PER"]]}
    found = rows.read_rows([write(tmp_path / "a.jsonl", line)])
    assert found[0].spans == ((0, 6, 1),)


@pytest.mark.parametrize(
    "line",
    [
        [1, 2],
        {"text": 5, "spans": []},
        {"text": "甲"},
        {"text": "甲", "spans": [[0, 2, "PER"]]},
        {"text": "甲", "spans": [[1, 0, "PER"]]},
        {"text": "甲", "spans": [["0", 1, "PER"]]},
        {"text": "甲", "spans": [[0, 1]]},
        {"text": "甲", "spans": [[0, 1, 3]]},
        {"text": "\ud800", "spans": []},
    ],
)
def test_every_wrong_line_is_named_and_none_is_repeated(tmp_path, line):
    good = {"text": "张伟", "spans": [[0, 2, "PER"]]}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, [line, good, line])), "utf-8")
    with pytest.raises(Invalid) as caught:
        rows.read_rows([path])
    assert [f.where for f in caught.value.findings] == ["rows.jsonl:1", "rows.jsonl:3"]
    assert caught.value.params["count"] == 2


def test_garbage_empty_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(bytes(range(256)) * 200)
    with pytest.raises(Invalid):
        rows.read_rows([path])
    path.write_bytes(b"")
    with pytest.raises(Invalid) as caught:
        rows.read_rows([path])
    assert [f.code for f in caught.value.findings] == ["corpus.input_empty"]
    with pytest.raises(NotFound):
        rows.read_rows([tmp_path / "none.jsonl"])


def test_many_faults_are_counted_and_twenty_are_written_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("x\n" * 50)
    with pytest.raises(Invalid) as caught:
        rows.read_rows([path])
    assert len(caught.value.findings) == 21
    assert caught.value.params["count"] == 50


def test_too_few_names_and_nothing_but_names_are_refused():
    with pytest.raises(Invalid) as caught:
        training.train([Row("今天有雨", ())] * 30)
    assert [f.code for f in caught.value.findings] == ["corpus.training_names_few"]
    with pytest.raises(Invalid) as caught:
        training.train([Row("张伟", ((0, 2, 0),))] * 30)
    assert [f.code for f in caught.value.findings] == ["corpus.training_names_only"]


@pytest.mark.parametrize("place", [3, 9, 200, -200, -1])
def test_weights_changed_in_one_byte_are_refused(place):
    data = bytearray(trained())
    data[place] ^= 0x55
    with pytest.raises(Invalid) as caught:
        finding.Tagger(weights.opened(bytes(data), "names", where="w"))
    assert caught.value.code == "corpus.weights_damaged"


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 5000, -1])
def test_weights_cut_short_are_refused(kept):
    with pytest.raises(Invalid) as caught:
        weights.opened(trained()[:kept], "names", where="w")
    assert caught.value.code == "corpus.weights_damaged"


def test_weights_of_another_kind_or_version_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(trained())
    with pytest.raises(Invalid) as caught:
        weights.read(path, "toxicity")
    assert caught.value.code == "corpus.weights_kind"
    read = weights.read(path, "names")
    old = weights.packed("names", read.tensors, {**read.card, "version": 0})
    with pytest.raises(Invalid) as caught:
        finding.Tagger(weights.opened(old, "names", where="w"))
    assert caught.value.code == "corpus.weights_version"


def test_tensors_of_a_wrong_shape_are_refused_though_sealed():
    read = weights.opened(trained(), "names", where="w")
    for tensors in (
        {**read.tensors, "weights": np.zeros(48, np.int16)},
        {**read.tensors, "weights": np.zeros(0, np.int16)},
        {**read.tensors, "weights": np.zeros(16, np.float32)},
        {**read.tensors, "moves": np.zeros(3, np.int32)},
        {"weights": np.zeros(16, np.int16)},
    ):
        sealed = weights.opened(weights.packed("names", tensors, read.card), "names", where="w")
        with pytest.raises(Invalid) as caught:
            finding.Tagger(sealed)
        assert caught.value.code == "corpus.weights_damaged"


def test_no_file_of_ours_is_or_reads_a_pickle(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os.")
    with pytest.raises(Invalid):
        weights.read(path, "names")
    source = Path(weights.__file__).parent
    ours = [source / "weights.py", *source.glob("toxicity/*.py")]
    ours += source.glob("personal/tagger/*.py")
    code = "".join(path.read_text("utf-8") for path in ours)
    assert "import pickle" not in code
    assert "allow_pickle=True" not in code


def test_the_command_trains_and_the_step_finds_with_what_it_wrote(tmp_path):
    lines = [
        {"text": row.text, "spans": [[a, b, rows.KINDS[kind]] for a, b, kind in row.spans]}
        for row in invented()
    ]
    data, out = write(tmp_path / "rows.jsonl", *lines), tmp_path / "w.safetensors"
    asked = ["--json", "corpus-train", "names", str(data), "-o", str(out)]
    done = CliRunner().invoke(LazyGroup("en"), asked)
    answer = json.loads(done.output)
    assert out.read_bytes() == trained()
    assert answer["names"] == 300
    finder, digest = names_by(str(out))
    assert digest["weights"] == {"names": answer["digest"]}
    assert finder is not None
    assert len(finder(texts_of("昨天周建华来到公司开会。"))) == 1
    assert len(finder(texts_of("刘先生的，"))) == 1  # the rules' plain finds are added
    with pytest.raises(NotFound):
        names_by(str(tmp_path / "none"))
