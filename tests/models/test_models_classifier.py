"""A classifier predicts like its definition, has one file form, and refuses every other."""

from __future__ import annotations

import json
import math
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.errors import Invalid
from yunhe.models.classifier import Classifier, from_bytes
from yunhe.models.features import Ngrams, common_ngrams, encode

TRAIN = ["路灯不亮", "路灯坏了", "噪音扰民", "夜间噪音", "公交晚点", "公交不停"]
TEXTS = st.lists(
    st.text(st.sampled_from("路灯不亮坏了噪音扰民公交晚点xyz "), max_size=15), max_size=9
)


def made(classes: tuple[str, ...] = ("交通", "环境", "道路"), seed: int = 1) -> Classifier:
    vocabulary = common_ngrams(TRAIN, Ngrams(1, 2), at_least=1, most=1_000)
    random = np.random.default_rng(seed)
    return Classifier(
        classes,
        Ngrams(1, 2),
        vocabulary,
        random.normal(size=(len(vocabulary), len(classes))).astype(np.float32),
        random.normal(size=len(classes)).astype(np.float32),
    )


CLASSIFIER = made()


@given(TEXTS)
def test_probabilities_equal_their_definition(texts):
    said = CLASSIFIER.predict(texts)
    rows = encode(texts, CLASSIFIER.vocabulary, CLASSIFIER.ngrams)
    assert said.probabilities.shape == (len(texts), 3)
    for index in range(len(texts)):
        part = slice(rows.offsets[index], rows.offsets[index + 1])
        scores = [float(bias) for bias in CLASSIFIER.bias]
        for column, value in zip(rows.columns[part], rows.values[part], strict=True):
            scores = [
                s + value * float(w)
                for s, w in zip(scores, CLASSIFIER.weights[column], strict=True)
            ]
        powers = [math.exp(score) for score in scores]
        expected = [power / sum(powers) for power in powers]
        np.testing.assert_allclose(said.probabilities[index], expected, rtol=1e-9)
        assert said.labels[index] == CLASSIFIER.classes[int(np.argmax(expected))]


@given(TEXTS)
def test_a_text_gets_the_same_probabilities_alone_and_among_others(texts):
    together = CLASSIFIER.predict(texts).probabilities
    for index, text in enumerate(texts):
        np.testing.assert_array_equal(CLASSIFIER.predict([text]).probabilities[0], together[index])


def test_a_text_without_known_ngrams_gets_the_prior_and_no_texts_get_none():
    prior = np.exp(CLASSIFIER.bias.astype(float))
    unknown = Classifier(
        CLASSIFIER.classes,
        Ngrams(2, 2),
        common_ngrams(["路灯"], Ngrams(2, 2), at_least=1, most=9),
        np.ones((3, 3), np.float32),
        CLASSIFIER.bias,
    )
    said = unknown.predict(["zzz"])
    np.testing.assert_allclose(said.probabilities[0], prior / prior.sum(), rtol=1e-9)
    assert CLASSIFIER.predict([]).labels == ()


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_a_classifier_survives_its_file_and_equal_ones_have_equal_bytes(seed, count):
    classes = tuple(f"类{index}" for index in range(count))
    one = made(classes, seed)
    data = one.to_bytes()
    read = from_bytes(data)
    assert (read.classes, read.ngrams) == (one.classes, one.ngrams)
    np.testing.assert_array_equal(
        read.predict(TRAIN).probabilities, one.predict(TRAIN).probabilities
    )
    assert read.to_bytes() == data == made(classes, seed).to_bytes()


def file_with(metadata: dict[str, object] | None = None, **tensors: np.ndarray) -> bytes:
    """A well-formed file, except for what is given."""
    settings = {
        "format": "yunhe.ngram-classifier/1",
        "classes": list(CLASSIFIER.classes),
        "ngram_min": 1,
        "ngram_max": 2,
        **(metadata or {}),
    }
    parts = {
        "vocabulary": CLASSIFIER.vocabulary,
        "weights": CLASSIFIER.weights,
        "bias": CLASSIFIER.bias,
        **tensors,
    }
    return safetensors.numpy.save(parts, {"yunhe": json.dumps(settings)})


def raw(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


NAN_BIAS = np.array([0, np.nan, 0], np.float32)
WRONG = {
    "no file at all": (b"", "models.not_safetensors"),
    "a pickle": (pickle.dumps({"weights": [1.0]}), "models.not_safetensors"),
    "a header that is no JSON": (raw(b"{]"), "models.not_safetensors"),
    "a header longer than the file": (struct.pack("<Q", 2**60) + b"{}", "models.not_safetensors"),
    "a file cut short": (CLASSIFIER.to_bytes()[:-1], "models.not_safetensors"),
    "a byte too many": (CLASSIFIER.to_bytes() + b"\0", "models.not_safetensors"),
    "no tensors": (raw(b"{}"), "models.tensors_unexpected"),
    "a fourth tensor": (file_with(code=np.zeros(3, np.uint8)), "models.tensors_unexpected"),
    "weights of another type": (
        file_with(weights=CLASSIFIER.weights.astype(np.float64)),
        "models.tensor_invalid",
    ),
    "a bias with two dimensions": (
        file_with(bias=np.zeros((3, 1), np.float32)),
        "models.tensor_invalid",
    ),
    "a number that is not finite": (file_with(bias=NAN_BIAS), "models.not_finite"),
    "weights for other classes": (
        file_with(weights=CLASSIFIER.weights[:, :2].copy()),
        "models.shape_mismatch",
    ),
    "an empty vocabulary": (
        file_with(vocabulary=np.zeros(0, np.uint64), weights=np.zeros((0, 3), np.float32)),
        "models.shape_mismatch",
    ),
    "an unsorted vocabulary": (
        file_with(vocabulary=CLASSIFIER.vocabulary[::-1].copy()),
        "models.vocabulary_unsorted",
    ),
    "classes out of order": (
        file_with({"classes": ["道路", "交通", "环境"]}),
        "models.classes_unsorted",
    ),
    "one class": (file_with({"classes": ["道路"]}), "models.metadata_invalid"),
    "classes that are no texts": (file_with({"classes": ["a", "b", 3]}), "models.metadata_invalid"),
    "another format": (file_with({"format": "other/1"}), "models.metadata_invalid"),
    "n-grams beyond the bound": (file_with({"ngram_max": 9}), "models.metadata_invalid"),
    "n-grams the wrong way round": (file_with({"ngram_min": 3}), "models.metadata_invalid"),
    "no metadata": (
        safetensors.numpy.save({"bias": CLASSIFIER.bias}),
        "models.metadata_invalid",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_of_another_form_is_refused_by_what_is_wrong_with_it(what):
    data, code = WRONG[what]
    with pytest.raises(Invalid) as refused:
        from_bytes(data)
    assert refused.value.code == "models.weights_invalid"
    assert code in [finding.code for finding in refused.value.findings]
    assert refused.value.message("zh") != refused.value.message("en")


def test_every_fault_of_a_file_is_told_at_once():
    with pytest.raises(Invalid) as refused:
        from_bytes(file_with({"format": "x"}, bias=NAN_BIAS, weights=np.zeros(2, np.float32)))
    found = {finding.code for finding in refused.value.findings}
    assert found == {"models.metadata_invalid", "models.not_finite", "models.tensor_invalid"}


def test_serving_needs_no_training_library():
    program = (
        "import sys, yunhe.models.gateway, yunhe.models.service\n"
        "heavy = {'sklearn', 'scipy', 'pyarrow', 'pandas', 'joblib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program], check=False, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("classes", [("好", "差"), ("交通", "环境", "道路")])
def test_a_classifier_read_back_predicts_the_same_however_its_weights_lay_in_memory(classes, order):
    kept = made(classes)
    lying = Classifier(
        kept.classes,
        kept.ngrams,
        kept.vocabulary,
        np.asarray(kept.weights, order=order),
        kept.bias,
    )
    read = from_bytes(lying.to_bytes())
    assert lying.to_bytes() == kept.to_bytes()
    np.testing.assert_array_equal(read.weights, kept.weights)
    np.testing.assert_array_equal(
        read.predict(TRAIN).probabilities, kept.predict(TRAIN).probabilities
    )
