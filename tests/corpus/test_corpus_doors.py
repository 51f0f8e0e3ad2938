"""What people hand in by hand: profiles, thresholds, amounts of memory, inputs of every kind."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.corpus import cleaning, explaining, profiles
from yunhe.corpus.domain import Columns, Profile, StepPlan, Threshold
from yunhe.corpus.inputs import ENDINGS, FORMATS, PACKINGS, format_of, look, of_path, resolve
from yunhe.corpus.pipeline import build
from yunhe.corpus.thresholds import impossible
from yunhe.kernel.errors import Invalid, NotFound, YunheError

QUIET = [HealthCheck.function_scoped_fixture]
GOOD = """
name: mine
version: 3
sample_documents: {value: 20, source: here, verified: false}
steps:
  - name: length
    thresholds:
      letters_min: {value: 2, source: "a long\n        story", verified: false}
      letters_max: {value: 9, source: there, verified: true}
  - name: duplicates
"""


def faults(text: str) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        profiles.parse(text, where="p.yaml")
    assert caught.value.code == "corpus.profile_invalid"
    assert caught.value.message("zh") != caught.value.message("en")
    return [
        (each.where.removeprefix("p.yaml").lstrip(": "), each.code.removeprefix("corpus.profile_"))
        for each in caught.value.findings
    ]


def test_a_profile_is_read_with_its_sources_on_one_line() -> None:
    made = profiles.parse(GOOD, where="p.yaml")
    assert (made.name, made.version, made.sample_documents.value) == ("mine", 3, 20)
    assert [step.name for step in made.steps] == ["length", "duplicates"]
    first = made.steps[0].thresholds
    assert first["letters_min"] == Threshold(2, "a long story", verified=False)
    assert first["letters_max"].verified


CHANGES = {
    "name: mine": {
        "name: 5": [("name", "no_text")],
        "nome: mine": [("name", "key_missing"), ("nome", "key_unknown")],
        "name: [mine]": [("name", "no_text")],
        "name:": [("name", "no_text")],
    },
    "version: 3": {
        "version: '3'": [("version", "no_number")],
        "version: 3.0": [("version", "no_number")],
        "version: true": [("version", "no_number")],
        "version: null": [("version", "no_number")],
    },
    "value: 20": {
        "value: 2e1": [("sample_documents.value", "no_number")],
        "value: many": [("sample_documents.value", "no_number")],
        "valu: 20": [("sample_documents.value", "key_missing"),
                     ("sample_documents.valu", "key_unknown")],
    },
    "value: 9": {"value: [9]": [("steps.0.thresholds.letters_max.value", "no_number")]},
    "source: there": {
        "source: 1": [("steps.0.thresholds.letters_max.source", "no_text")],
        "why: there": [("steps.0.thresholds.letters_max.source", "key_missing"),
                       ("steps.0.thresholds.letters_max.why", "key_unknown")],
    },
    "verified: true": {
        "verified: 1": [("steps.0.thresholds.letters_max.verified", "no_choice")],
        "verified: 'yes'": [("steps.0.thresholds.letters_max.verified", "no_choice")],
    },
    "  - name: duplicates": {
        "  - duplicates": [("steps.1", "no_keys")],
        "  - {}": [("steps.1.name", "key_missing")],
        "  - {name: x, options: {a: 1}}": [("steps.1.options.a", "no_text")],
        "  - {name: x, options: []}": [("steps.1.options", "no_keys")],
        "  - {name: x, thresholds: {a: 1}}": [("steps.1.thresholds.a", "no_keys")],
        "  - {name: x, speed: fast}": [("steps.1.speed", "key_unknown")],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [(old, new, told) for old, news in CHANGES.items() for new, told in news.items()],
)
def test_each_wrong_key_of_a_profile_is_told_by_its_path(old: str, new: str, told) -> None:
    assert GOOD.count(old) == 1
    assert sorted(faults(GOOD.replace(old, new))) == sorted(told)


def test_all_wrong_keys_of_a_profile_are_told_together() -> None:
    text, told = GOOD, []
    for old, news in CHANGES.items():
        new, expected = next(iter(news.items()))
        text, told = text.replace(old, new), told + expected
    assert sorted(faults(text)) == sorted(told)


@pytest.mark.parametrize(
    "text",
    [
        "name: 2026-13-45", "name: 0b_", "name: !!float x", "name: !!bool x", "name: !!int x",
        "name: !!timestamp x", "name: !!binary x", "name: !!python/object:os.system x",
        "version: " + "9" * 5000, "[" * 20_000, "{a: " * 5000, "\0", "a: b: c", "a: [", "&a *b",
        "? [a]\n: b\n? {c: d}\n: e", "a: 1\n---\nb: 2", "%YAML 9.9\n---\na", "\ud800",
    ],
    ids=map(str, range(19)),
)  # fmt: skip
def test_what_is_no_yaml_or_trips_its_reader_is_refused_as_none(text: str) -> None:
    told = faults(text)
    assert [code for _, code in told] == ["no_yaml"]


@settings(max_examples=120, deadline=None)
@given(st.text("naempvrsiou: -[]{},'\"\n&*!0123.tf", max_size=50))
def test_whatever_is_written_it_is_a_profile_or_refused_with_places(text: str) -> None:
    assert faults(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 12))
def test_a_profile_with_a_piece_missing_is_read_or_refused_and_never_trips(at, length) -> None:
    cut = GOOD[:at] + GOOD[at + length :]
    try:
        made = profiles.parse(cut, where="p.yaml")
    except Invalid as error:
        assert error.findings  # noqa: PT017 (either outcome is right)
    else:
        assert isinstance(made, Profile)


NAMES = ("letters_min", "letters_max", "share_percent_min", "share_percent_max",
         "rest_per_thousand_max", "one_per_million_min", "points_min")  # fmt: skip
WHOLES = {"percent": 100, "thousand": 1000, "million": 10**6}


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.sampled_from([-1, 0, 1, 50, 100, 101, 1000, 1001, 10**6, 10**6 + 1, 2**31 - 1, 2**31])
        | st.integers(-(10**30), 10**30),
    )
)
def test_every_number_that_cannot_be_meant_is_told_and_no_other(values) -> None:
    plan = StepPlan("x", {n: Threshold(v, "", verified=False) for n, v in values.items()}, {})
    found = list(impossible("x", plan))
    told = {(f.where.removeprefix("x.thresholds."), f.code.rpartition("_")[2]) for f in found}
    expected = set()
    for name, value in values.items():
        whole = next((most for unit, most in WHOLES.items() if unit in name), 2**31 - 1)
        if value < 0:
            expected.add((name, "negative"))
        elif value > whole:
            expected.add((name, "over"))
        other = name.replace("_min", "_max")
        if name.endswith("_min") and other in values and value > values[other]:
            expected.add((name, "crossed"))
    assert told == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("name", ["zh-short", "zh-pretrain", "en-pretrain"])
def test_any_number_of_a_built_in_profile_may_be_wrong_and_is_told_by_its_place(name) -> None:
    made = profiles.built_in(name)
    for number, step in enumerate(made.steps):
        for threshold, there in step.thresholds.items():
            for value in (-1, 10**30):
                wrong = {**step.thresholds, threshold: replace(there, value=value)}
                steps = list(made.steps)
                steps[number] = replace(step, thresholds=wrong)
                with pytest.raises(Invalid) as caught:
                    build(replace(made, steps=tuple(steps)))
                places = {each.where.partition(": ")[2] for each in caught.value.findings}
                assert f"steps.{number}.thresholds.{threshold}" in places


@pytest.mark.parametrize("name", ["zh-short", "zh-pretrain", "en-pretrain"])
def test_a_built_in_profile_says_all_of_itself_and_is_read_back_alike(name) -> None:
    made = profiles.built_in(name)
    text = yaml.safe_dump(made.as_json(), allow_unicode=True)
    again = profiles.parse(text, where="p.yaml")
    assert again == made
    assert build(again).digest() == build(made).digest()
    told, digest = explaining.told(made)
    assert digest == build(made).digest()
    assert [each.name for each in told] == [each.name for each in made.steps]
    for each, plan in zip(told, made.steps, strict=True):
        assert {name for name, _ in each.thresholds} == set(plan.thresholds)


def test_each_change_of_a_profile_is_another_pipeline() -> None:
    made = profiles.built_in("zh-short")
    digests = {build(made).digest()}
    for number, step in enumerate(made.steps):
        for name, there in step.thresholds.items():
            changed = {**step.thresholds, name: replace(there, value=there.value + 1)}
            steps = list(made.steps)
            steps[number] = replace(step, thresholds=changed)
            try:
                digests.add(build(replace(made, steps=tuple(steps))).digest())
            except Invalid:
                digests.add(f"{number} {name}")  # the number was at its bound
    assert len(digests) == 1 + sum(len(step.thresholds) for step in made.steps)


@settings(max_examples=150)
@given(
    st.integers(0, 10**13), st.sampled_from(["", "KB", "MB", "GB", "kb", " mB"]),
    st.none() | st.text("0123456789", max_size=6),
)  # fmt: skip
def test_an_amount_of_memory_is_that_many_bytes(whole, unit, part) -> None:
    written = f"{whole}{'' if part is None else '.' + part}{unit}"
    factor = 1024 ** ("", "KB", "MB", "GB").index(unit.strip().upper())
    fraction = int(part or 0) * factor // 10 ** len(part or "")
    size = whole * factor + fraction
    if size < cleaning.MEMORY_BYTES_LEAST:
        with pytest.raises(Invalid):
            cleaning.bytes_of(written)
    else:
        assert cleaning.bytes_of(written) == size


@settings(max_examples=150)
@given(st.text(max_size=8) | st.text("0123456789.KMGB ²٣_-+e", max_size=30))
def test_whatever_is_written_for_memory_is_an_amount_or_refused(written: str) -> None:
    plain = re.fullmatch(r"\s*[\d ]+(\. *[\d ]*)?([KMG] *B)?\s*", written.upper(), re.ASCII)
    try:
        size = cleaning.bytes_of(written)
    except Invalid as error:
        assert error.code == "corpus.memory_wrong"  # noqa: PT017 (either outcome is right)
    else:
        assert plain
        assert size >= cleaning.MEMORY_BYTES_LEAST


@pytest.mark.parametrize("written", ["9" * 5000, "9" * 5000 + "GB", "1." + "9" * 5000, "1.²GB"])
def test_numbers_without_end_are_refused_and_not_counted(written: str) -> None:
    with pytest.raises(Invalid):
        cleaning.bytes_of(written)


FILES = st.lists(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join).map("{}/x.txt".format),
    min_size=1,
    max_size=8,
    unique=True,
)


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(FILES, st.data())
def test_no_two_files_of_a_run_are_called_the_same(tmp_path_factory, files, data) -> None:
    top = tmp_path_factory.mktemp("named")
    for name in files:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x")
    folders = sorted({str((top / name).parents[n]) for name in files for n in range(2)})
    inputs = data.draw(st.lists(st.sampled_from(folders), min_size=1, max_size=5))
    found = look(inputs).files
    names = [each.name for each in found]
    assert len(set(names)) == len(names)
    places = {os.path.realpath(each.where) for each in found}
    assert len(places) == len(found)
    wanted = {
        str(top / name)
        for name in files
        if any(f"{top / name}".startswith(f"{i}/") for i in inputs)
    }
    assert places == {os.path.realpath(each) for each in wanted}
    assert all(each.where.endswith(each.name.rpartition("/")[2]) for each in found)
    again = look(inputs).files
    assert again == found


def test_a_grown_name_does_not_meet_one_that_is_there(tmp_path: Path) -> None:
    for name in ("a/x.txt", "b/x.txt", "c/a/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    names = [each.name for each in look([str(tmp_path / top) for top in "abc"]).files]
    assert names == [f"{tmp_path.name}/a/x.txt", "b/x.txt", "c/a/x.txt"]


def test_the_same_path_with_and_without_its_root_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = str(tmp_path).lstrip("/")
    (tmp_path / bare).mkdir(parents=True)
    for folder in (tmp_path, tmp_path / bare):
        (folder / "x.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    names = {each.name for each in look([f"{tmp_path}/x.txt", f"{bare}/x.txt"]).files}
    assert names == {f"{tmp_path}/x.txt", f"{bare}/x.txt"}


@pytest.mark.parametrize(("ending", "packing"), list(product(ENDINGS, ["", *PACKINGS])))
def test_the_ending_is_read_in_any_case_and_packed_or_not(ending: str, packing: str) -> None:
    expected = None if (ENDINGS[ending], bool(packing)) == ("parquet", True) else ENDINGS[ending]
    for name in (f"a{ending}{packing}", f"A.B{ending.upper()}{packing.upper()}"):
        assert format_of(name) == expected


@pytest.mark.parametrize("asked", [None, *FORMATS])
def test_a_format_asked_for_never_reads_one_kind_of_file_as_another(
    tmp_path: Path, asked: str | None
) -> None:
    names = ["a.txt", "a.jsonl", "a.csv", "a.parquet", "a.html", "a.warc.gz", "a.dat", ".b.txt"]
    for name in names:
        (tmp_path / name).write_text("x")
    found = look([str(tmp_path)], format=asked)
    variants = {
        "a.txt": ("lines", "paragraphs"),
        "a.html": ("html-all",),
        "a.warc.gz": ("warc-all",),
    }
    assert {each.name: each.format for each in found.files} == {
        name: asked if asked in variants.get(name, ()) else format_of(name) for name in names[:6]
    }
    assert found.passed_over == 1
    for name in names[:6]:  # named by itself, a file is read as it is asked to be
        [alone] = look([str(tmp_path / name)], format=asked).files
        assert alone.format == (asked if asked and name != "a.parquet" else format_of(name))


def test_every_input_that_is_wrong_is_told_with_its_own_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.dat").write_text("x")
    (tmp_path / "broken.txt").symlink_to(tmp_path / "nowhere")
    inputs = ["none.txt", "empty", "a.dat", "broken.txt", "*.nothing", "-"]
    given_ = ["-" if each == "-" else str(tmp_path / each) for each in inputs]
    with pytest.raises(Invalid) as caught:
        look(given_)
    assert [(each.where, each.code.removeprefix("corpus.")) for each in caught.value.findings] == [
        (given_[0], "input_not_there"),
        (given_[1], "input_holds_nothing"),
        (given_[2], "ending_unknown"),
        (given_[3], "link_broken"),
        (given_[4], "input_holds_nothing"),
        ("-", "stdin_format"),
    ]
    assert caught.value.message("zh") != caught.value.message("en")
    for none in ([], [str(tmp_path / "empty")]):
        with pytest.raises(Invalid):
            resolve(none)


@pytest.mark.parametrize("given_", ["no-such", "p.yaml", "folder.yaml", "a/b"])
def test_a_profile_that_is_not_there_is_told_by_the_name_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises((NotFound, Invalid)) as caught:
        cleaning.profile_of(given_)
    error: YunheError = caught.value
    assert given_ in error.message("en")
    assert given_ in error.message("zh")


def test_a_profile_file_of_another_encoding_or_endless_is_no_yaml(tmp_path: Path) -> None:
    for data in ("name: 名".encode("gb18030"), b"# " + b"x" * (1 << 20), b"\xff\xfe"):
        (tmp_path / "p.yaml").write_bytes(data)
        with pytest.raises(Invalid) as caught:
            cleaning.profile_of(str(tmp_path / "p.yaml"))
        assert [each.code for each in caught.value.findings] == ["corpus.profile_no_yaml"]


@settings(max_examples=30, deadline=None, suppress_health_check=QUIET)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(1, 20))
def test_trying_a_few_documents_takes_the_first_in_order_across_files(
    tmp_path_factory, counts, documents
) -> None:
    folder = tmp_path_factory.mktemp("tried")
    files = []
    for number, count in enumerate(counts):
        path = folder / f"{number}.txt"
        path.write_text("".join(f"{number}号路口第{n}盏灯不亮。\n" for n in range(count)) or "\n")
        files.append(of_path(path, format="lines"))
    there = [(f"{n}.txt", row) for n, count in enumerate(counts) for row in range(1, count + 1)]
    usable = [each for each, count in zip(files, counts, strict=True) if count]
    profile = profiles.built_in("zh-short")
    if not usable:
        return
    tried = list(explaining.tried(usable, Columns("text"), profile, documents=documents))
    assert [(each.file, each.row) for each in tried] == there[:documents]
    for each in tried:
        pieces = each.changes()
        assert "".join(text for kind, text in pieces if kind != "in") == each.before
        if each.dropped is None:
            assert "".join(text for kind, text in pieces if kind != "out") == each.after
