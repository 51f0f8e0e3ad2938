"""What a profile says it will do, what it does to a few documents, and profiles that are wrong."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus import cleaning, explaining
from yunhe.corpus.cleaning import Asked
from yunhe.corpus.domain import Columns, Profile, StepPlan, Threshold
from yunhe.corpus.explaining import Tried
from yunhe.corpus.pipeline import build
from yunhe.corpus.profiles import built_in
from yunhe.corpus.thresholds import impossible
from yunhe.kernel.errors import Invalid, NotFound

PHONE = "13800138000"


def asked(*inputs: Path, profile: str = "zh-short") -> Asked:
    return Asked(tuple(map(str, inputs)), None, Columns("text"), profile, Path("unused"))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    texts = [f"请回电{PHONE}，谢谢。", "这家店的味道不错，下次还会再来。", ""]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_every_step_of_a_profile_is_told_with_its_numbers_and_their_sources() -> None:
    profile = built_in("zh-short")
    steps, digest = explaining.told(profile)
    assert digest == build(profile).digest()
    assert [step.name for step in steps] == [plan.name for plan in profile.steps]
    for step, plan in zip(steps, profile.steps, strict=True):
        assert dict(step.thresholds) == dict(plan.thresholds)
        assert all(threshold.source for _, threshold in step.thresholds)
    assert {step.name for step in steps if step.whole} == {"duplicates", "similar"}


def test_a_few_documents_are_tried_and_nothing_is_written(three: Path) -> None:
    first, second, third = cleaning.tried(asked(three), cleaning.found(asked(three)), documents=9)
    assert dict(first.details) == {"PHONE": 1}
    assert PHONE in first.before
    assert PHONE not in first.after
    assert second.after == second.before
    assert third.dropped == ("length", "empty")
    assert [tried.row for tried in (first, second, third)] == [1, 2, 3]
    assert list(three.parent.iterdir()) == [three]


def test_no_more_documents_are_tried_than_asked_for_across_files(three: Path) -> None:
    (three.parent / "b.jsonl").write_bytes(three.read_bytes())
    there = cleaning.found(asked(three.parent))
    found = list(cleaning.tried(asked(three.parent), there, documents=4))
    assert [(tried.file, tried.row) for tried in found] == [
        ("b.jsonl", 1), ("b.jsonl", 2), ("b.jsonl", 3), ("in.jsonl", 1),
    ]  # fmt: skip


def test_a_tried_document_shows_none_of_its_text_when_it_is_printed(three: Path) -> None:
    [first] = cleaning.tried(asked(three), cleaning.found(asked(three)), documents=1)
    assert PHONE not in repr(first)
    assert "请" not in repr(first)


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_changes_hold_both_texts_whole(before: str, after: str) -> None:
    changes = Tried("f", 1, None, (), (), before, after).changes()
    assert "".join(piece for kind, piece in changes if kind != "in") == before
    assert "".join(piece for kind, piece in changes if kind != "out") == after


def test_long_texts_are_shown_one_after_the_other_and_dropped_ones_as_they_were() -> None:
    long = "长" * 30_000
    assert Tried("f", 1, None, (), (), long, "短").changes() == [("out", long), ("in", "短")]
    assert Tried("f", 1, ("length", "empty"), (), (), "a", "b").changes() == [("same", "a")]


def test_inputs_without_a_document_are_told(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{\n")
    with pytest.raises(Invalid) as caught:
        there = cleaning.found(asked(tmp_path / "in.jsonl"))
        list(cleaning.tried(asked(tmp_path), there, documents=3))
    assert caught.value.code == "corpus.input_faulty"


def plan(**values: int) -> StepPlan:
    return StepPlan("x", {name: Threshold(value, "s", False) for name, value in values.items()})


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"letters_min": 2, "letters_max": 3}, []),
        ({"letters_min": 3, "letters_max": 3}, []),
        ({"letters_min": 4, "letters_max": 3}, ["corpus.threshold_crossed"]),
        ({"short_min_letters": 9, "short_max_letters": 3}, ["corpus.threshold_crossed"]),
        ({"score_percent_min": 100}, []),
        ({"score_percent_min": 101}, ["corpus.threshold_over"]),
        ({"lost_per_thousand_max": 1001}, ["corpus.threshold_over"]),
        ({"lost_per_thousand_max": 1000}, []),
        ({"points_min": -1}, ["corpus.threshold_negative"]),
        ({"a_percent": 900, "points": -2}, ["corpus.threshold_over", "corpus.threshold_negative"]),
    ],
)
def test_numbers_that_cannot_be_meant_are_found(values: dict[str, int], codes: list[str]) -> None:
    assert [finding.code for finding in impossible("p: steps.0", plan(**values))] == codes


def test_built_in_profiles_have_no_impossible_numbers() -> None:
    folder = Path(cleaning.__file__).parent / "profiles"
    names = [path.stem for path in folder.glob("*.yaml")]
    assert "zh-short" in names
    for name in names:
        for step in built_in(name).steps:
            assert list(impossible(name, step)) == []


PROFILE = """
name: mine
version: 1
sample_documents: {value: 10, source: s, verified: false}
steps:
  - name: length
    thresholds:
      letters_min: {value: 9, source: s, verified: false}
      letters_max: {value: 3, source: s, verified: false}
  - name: encoding
    thresholds:
      lost_per_thousand_max: {value: 1200, source: s, verified: false}
  - name: nosuch
"""


def test_a_profile_in_a_file_is_told_whole_with_the_place_of_each_fault(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PROFILE)
    with pytest.raises(Invalid) as caught:
        cleaning.told(asked(profile=str(path)))
    assert [(f.where, f.code) for f in caught.value.findings] == [
        ("mine: steps.0.thresholds.letters_min", "corpus.threshold_crossed"),
        ("mine: steps.1.thresholds.lost_per_thousand_max", "corpus.threshold_over"),
        ("mine: steps.2", "corpus.step_unknown"),
    ]
    path.write_text(PROFILE.replace("version: 1", "versio: 1").replace("value: 9", "value: nine"))
    with pytest.raises(Invalid) as caught:
        cleaning.profile_of(str(path))
    assert {(f.where, f.code) for f in caught.value.findings} == {
        ("mine.yaml: version", "corpus.profile_key_missing"),
        ("mine.yaml: versio", "corpus.profile_key_unknown"),
        ("mine.yaml: steps.0.thresholds.letters_min.value", "corpus.profile_no_number"),
    }
    assert "corpus." not in caught.value.message("zh") + caught.value.message("en")


def test_a_profile_that_is_no_file_no_yaml_or_unknown_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as missing:
        cleaning.profile_of(str(tmp_path / "none.yaml"))
    assert missing.value.code == "corpus.profile_file_missing"
    with pytest.raises(Invalid) as unknown:
        cleaning.profile_of("nosuch")
    assert unknown.value.code == "corpus.profile_unknown"
    for data in (b"\xff\xfe\xfd", b"a: [", b"#" * (2 << 20)):
        (tmp_path / "bad.yaml").write_bytes(data)
        with pytest.raises(Invalid) as caught:
            cleaning.profile_of(str(tmp_path / "bad.yaml"))
        assert caught.value.code == "corpus.profile_invalid"


@pytest.mark.parametrize(
    ("given", "size"),
    [("2GB", 2 << 30), ("512mb", 512 << 20), ("1.5 GB", 3 << 29), (str(1 << 30), 1 << 30)],
)
def test_an_amount_of_memory_is_read(given: str, size: int) -> None:
    assert cleaning.bytes_of(given) == size


@pytest.mark.parametrize("given", ["", "GB", "-1GB", "2TB", "1e3MB", "1.GB ", "100MB", "²GB"])
def test_what_is_no_amount_of_memory_is_refused(given: str) -> None:
    if given == "1.GB ":
        assert cleaning.bytes_of(given) == 1 << 30
        return
    with pytest.raises(Invalid) as caught:
        cleaning.bytes_of(given)
    assert caught.value.code == "corpus.memory_wrong"


def test_a_run_counts_what_it_released(three: Path, tmp_path: Path) -> None:
    class Quiet:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            assert what.startswith("corpus.")
            assert done >= 0
            assert total is None or total >= done

    job = Asked((str(three),), None, Columns("text"), "zh-short", tmp_path / "out")
    done = cleaning.cleanse(job, cleaning.found(job), progress=Quiet())
    counted = cleaning.counted(job.out)
    assert (counted.documents_in, counted.documents_out, done.faults) == (3, 2, 0)
    assert counted.bytes_in == sum(
        len(json.loads(line)["text"].encode()) for line in three.read_text().splitlines()
    )
    assert cleaning.pipeline_digest(done) == build(built_in("zh-short")).digest()
    assert cleaning.cleanse(job, cleaning.found(job), progress=Quiet()).repeated
    wrong = Asked(
        job.inputs, None, Columns("text"), "zh-short", tmp_path / "other",
        rejects=(tmp_path / "none.key", date(2030, 1, 1)),
    )  # fmt: skip
    with pytest.raises(NotFound):
        cleaning.cleanse(wrong, cleaning.found(wrong), progress=Quiet())
    assert not (tmp_path / "other").exists()


def test_a_profile_can_be_made_of_plain_values() -> None:
    threshold = Threshold(4000, "s", verified=False)
    assert Profile("p", 1, threshold, (plan(a_min=1),)).as_json()["name"] == "p"
