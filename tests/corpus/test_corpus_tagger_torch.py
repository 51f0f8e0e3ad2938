"""The seam for an operator's own token classifier: what is refused, and how labels become names."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.personal.finders import names_by
from yunhe.corpus.personal.tagger import torch
from yunhe.kernel.errors import Invalid, Unavailable

CONFIG = {"id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}}


def folder(path: Path, config: object = CONFIG, *more: str) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    for name in ("model.safetensors", *more):
        (path / name).write_bytes(b"x")
    return path


def texts_of(*texts: str) -> Utf8:
    return utf8(pa.array(texts, pa.large_string()))


def by_characters(text: str) -> list[tuple[int, int, str, float]]:
    """A stand-in for a model: 王 and 张 begin a name, the two hanzi after them go on with it."""
    found, left = [(0, 0, "B-PER", 1.0)], 0
    for at, character in enumerate(text):
        begins = character in "王张"
        left = 2 if begins else max(0, left - 1) if "一" <= character <= "龥" else 0
        label = "B-PER" if begins else "I-PER" if left else "O"
        found.append((at, at + 1, label, 0.9))
    return found


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed here")
def test_without_the_packages_the_extra_is_named(tmp_path):
    with pytest.raises(Unavailable) as caught:
        names_by(str(folder(tmp_path / "m")))
    assert caught.value.code == "corpus.torch_missing"
    assert "yunhe[torch]" in caught.value.message("en")


@pytest.mark.parametrize(
    ("config", "more", "fault"),
    [
        (CONFIG, ("pytorch_model.bin",), "pytorch_model.bin"),
        (CONFIG, ("modeling.py",), "modeling.py"),
        ({**CONFIG, "auto_map": {}}, (), "auto_map"),
        ({"id2label": {"0": "O", "1": "B-LOC"}}, (), "id2label"),
        ({}, (), "config.json"),
        ([1], (), "config.json"),
    ],
)
def test_code_pickles_and_models_without_persons_are_refused(tmp_path, config, more, fault):
    with pytest.raises(Invalid) as caught:
        torch.check(folder(tmp_path / "m", config, *more))
    assert caught.value.code == "corpus.torch_folder"
    assert fault in str(caught.value.params["fault"])


def test_an_empty_folder_is_refused_with_all_that_it_lacks(tmp_path):
    with pytest.raises(Invalid) as caught:
        torch.check(tmp_path)
    assert caught.value.params["fault"] == "no config.json, no model.safetensors"


def test_labels_become_names_in_bytes_of_the_batch():
    seen = texts_of("昨天张伟伟说。", "", "é王丽和张三")
    found = torch.finder(by_characters)(seen)
    names = [
        seen.data[a:b].tobytes().decode()
        for a, b in zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    ]
    assert names == ["张伟", "王丽", "张三"]
    assert set(found.scores.tolist()) == {90}


@given(st.text("王张丽伟，a", max_size=1500))
@settings(deadline=None, max_examples=40)
def test_long_texts_read_in_windows_give_what_one_window_would(text):
    found = torch.finder(by_characters)(texts_of(text))
    whole = list(torch._merged(by_characters(text)))
    starts = [len(text[:start].encode()) for start, _, _ in whole]
    assert found.starts.tolist() == starts
    assert found.ends.tolist() == [len(text[:end].encode()) for _, end, _ in whole]
