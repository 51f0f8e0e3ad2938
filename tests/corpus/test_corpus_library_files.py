"""Keyword libraries as people send them: every kind of damage, told in full, in three formats."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels.keywords import LETTERS_MAX
from yunhe.corpus.risk import coverage, fold, library, register
from yunhe.corpus.risk.classes import classes, position
from yunhe.corpus.risk.library import Library, parse
from yunhe.corpus.risk.records import COLUMNS
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.storage.service import Storage

IDS = [each.id for each in classes()]
HEAD = "word,class,weight,exceptions,note\n"
WORDS = st.text("甲乙丙丁戊abcXYZ0189", min_size=2, max_size=8)
ENTRIES = st.lists(
    st.tuples(WORDS, st.sampled_from(IDS), st.integers(1, 100)),
    min_size=1,
    max_size=8,
    unique_by=lambda entry: (fold.keys([entry[0]], "punctuation")[0], entry[1]),
)


def faults(data: bytes | str, name: str) -> list[tuple[str, str]]:
    """Every place and code, without the name of the file and of the floor."""
    with pytest.raises(Invalid) as caught:
        parse(data.encode() if isinstance(data, str) else data, name=name)
    assert caught.value.message("zh") != caught.value.message("en")
    places = [each.where.removeprefix(name).removeprefix(":") for each in caught.value.findings]
    codes = [each.code.removeprefix("corpus.") for each in caught.value.findings]
    return list(zip(places, codes, strict=True))


def same(one: Library, other: Library) -> bool:
    return (
        one.words == other.words
        and one.risks.tolist() == other.risks.tolist()
        and one.weights.tolist() == other.weights.tolist()
        and one.exceptions == other.exceptions
    )


@settings(max_examples=60, deadline=None)
@given(ENTRIES, st.data())
def test_a_library_says_the_same_in_every_format_it_may_be_written_in(entries, data) -> None:
    with_exceptions = [
        (word, risk, weight, [f"前{word}后"] if data.draw(st.booleans()) else [])
        for word, risk, weight in entries
    ]
    rows = [[w, r, str(n), "|".join(e)] for w, r, n, e in with_exceptions]
    sink = io.StringIO()
    csv.writer(sink).writerows([["词", "类别", "权重", "例外"], *rows])
    tabbed = "\n".join("\t".join(row) for row in [["word", "class", "weight", "exceptions"], *rows])
    tree: dict[str, list[object]] = {}
    for word, risk, weight, exceptions in with_exceptions:
        entry = {"word": word, "weight": str(weight), "exceptions": exceptions}
        tree.setdefault(risk, []).append(entry)
    ordered = sorted(with_exceptions, key=lambda entry: list(tree).index(entry[1]))
    from_csv = parse(b"\xef\xbb\xbf" + sink.getvalue().encode(), name="a.CSV")
    assert same(from_csv, parse(tabbed.encode(), name="a.tsv"))
    text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    from_yaml = parse(text.encode(), name="a.yml")
    assert from_yaml.words == tuple(word for word, *_ in ordered)
    assert from_yaml.weights.tolist() == [weight for _, _, weight, _ in ordered]
    assert [IDS[each] for each in from_yaml.risks] == [risk for _, risk, *_ in ordered]
    assert [from_yaml.exceptions.get(n, ()) for n in range(len(ordered))] == [
        tuple(exceptions) for *_, exceptions in ordered
    ]
    assert from_csv.digest != from_yaml.digest


WRONG_ROWS = {
    "甲乙,A.9.9": [("2:class", "library_class")],
    "甲乙,": [("2:class", "library_class")],
    ",A.1.1": [("2:word", "field_empty")],
    "\u3000 ,A.1.1": [("2:word", "field_empty")],
    "甲,A.1.1": [("2:word", "library_word_short")],
    "甲-。,A.1.1": [("2:word", "library_word_short")],
    "甲" * (LETTERS_MAX + 1) + ",A.1.1": [("2:word", "library_word_long")],
    "甲乙,A.1.1,0": [("2:weight", "library_weight")],
    "甲乙,A.1.1,101": [("2:weight", "library_weight")],
    "甲乙,A.1.1,-1": [("2:weight", "library_weight")],
    "甲乙,A.1.1,1.5": [("2:weight", "library_weight")],
    "甲乙,A.1.1,５": [("2:weight", "library_weight")],
    "甲乙,A.1.1,0001999": [("2:weight", "library_weight")],
    "甲乙,A.1.1,0001" + "9" * 30: [("2:weight", "library_weight")],
    "甲乙,A.1.1,1,甲": [("2:exceptions", "library_exception")],
    "甲乙,A.1.1,1,甲乙": [("2:exceptions", "library_exception")],
    "甲乙,A.1.1,1,甲-乙": [("2:exceptions", "library_exception")],
    "甲乙,A.1.1,1," + "甲乙" * LETTERS_MAX: [("2:exceptions", "library_word_long")],
    "甲乙,A.1.1,1," + "|".join(f"甲乙{n}" for n in range(17)): [
        ("2:exceptions", "library_exceptions_many")
    ],
    "甲乙,A.1.1,1,,,6": [("2", "fields_wrong")],
    '"甲乙,A.1.1': [("3", "library_quotes")],
    '甲乙,A.1.1,1,"甲乙"丙': [("2", "library_quotes")],
    "甲乙,A.1.1\n甲 乙,A.1.1": [("3:word", "library_word_twice")],
    "ab,A.1.1\nＡＢ,A.1.1": [("3:word", "library_word_twice")],
    "甲,?,x": [
        ("2:class", "library_class"),
        ("2:word", "library_word_short"),
        ("2:weight", "library_weight"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("row", "told"), WRONG_ROWS.items(), ids=map(str, range(len(WRONG_ROWS))))
def test_each_wrong_row_is_told_with_line_and_column_and_nothing_else(row: str, told) -> None:
    assert faults(HEAD + row + "\n", "w.csv") == told
    if '"' not in row and "fields_wrong" not in str(told):  # marks are nothing special in TSV
        tabbed = (HEAD + row + "\n").replace(",", "\t")
        assert faults(tabbed, "w.tsv") == told


@pytest.mark.parametrize(
    "row", ["甲乙,A.1.1,100", "甲乙,A.1.1,001", "甲" * LETTERS_MAX + ",a1-1", "甲乙,1.1,, | ,x"]
)
def test_what_lies_just_within_the_bounds_is_taken(row: str) -> None:
    assert len(parse((HEAD + row).encode(), name="w.csv")) == 1


HEADERS = {
    "word,class,colour": [("1:3", "library_column")],
    "word,class,word": [("1:3", "library_column")],
    "词,word,class": [("1:2", "library_column")],
    "word": [("1", "library_column_missing")],
    "class,weight": [("1", "library_column_missing")],
    "x,y": [
        ("1:1", "library_column"),
        ("1:2", "library_column"),
        ("1", "library_column_missing"),
        ("1", "library_column_missing"),
    ],
    "word,class,": [("1:3", "library_column")],
}


@pytest.mark.parametrize(("header", "told"), HEADERS.items(), ids=HEADERS)
def test_a_header_that_says_too_much_or_too_little_is_told_by_column(header: str, told) -> None:
    assert faults(f"{header}\n甲乙,A.1.1,1\n", "w.csv") == told


@pytest.mark.parametrize("heading", COLUMNS)
def test_headings_may_be_of_either_language_and_any_case(heading: str) -> None:
    meaning = COLUMNS[heading]
    names = {"word": "word", "class": "class"} | {meaning: f" {heading.upper()} "}
    cells = {"word": "甲乙", "class": "A.2.1", "weight": "7", "exceptions": "甲乙丙", "note": "x"}
    data = ",".join(names.values()) + "\n" + ",".join(cells[name] for name in names)
    made = parse(data.encode(), name="w.csv")
    assert made.words == ("甲乙",)
    assert made.weights.tolist() == [7 if meaning == "weight" else 1]
    assert made.exceptions == ({0: ("甲乙丙",)} if meaning == "exceptions" else {})


WRONG_TREES = {
    "[甲乙]": [("1:1", "library_shape")],
    "甲乙": [("1:1", "library_shape")],
    "A.1.1: 甲乙": [("1:8", "library_shape")],
    "A.1.1: {甲乙: 1}": [("1:8", "library_shape")],
    "? [A.1.1]\n: [甲乙]": [("2:3", "library_shape")],
    "A.1.1: [[甲乙]]": [("1:9", "library_shape")],
    "A.1.1: [{word: 甲乙, colour: red}]": [("1:20", "library_shape")],
    "A.1.1: [{word: [甲乙]}]": [("1:10", "library_shape")],
    "A.1.1: [{word: 甲乙, exceptions: 甲乙丙}]": [("1:20", "library_shape")],
    "A.1.1: [{word: 甲乙, word: 丙丁}]": [("1:20", "library_shape")],
    "A.1.1: [{}]": [("1:9", "field_empty")],
    "A.1.1: [甲乙, 甲乙]": [("1:13", "library_word_twice")],
    "A.1.1: [甲乙]\nA.1.1: [甲乙]": [("2:9", "library_word_twice")],
    "A.6.1: [甲乙]": [("1:9", "library_class")],
    "A.1.1: &a [甲乙]\nA.1.2: *a": [("2:8", "profile_no_yaml")],
    "A.1.1: [甲乙": [("2:1", "profile_no_yaml")],
    "A.1.1: [[[[[甲乙]]]]]": [("1:11", "profile_no_yaml")],
    "A.1.1: [甲乙]\n---\nA.1.2: [丙丁]": [("3:1", "profile_no_yaml")],
    "A.1.1: []": [("", "library_empty")],
    "{}": [("", "library_empty")],
    "": [("", "library_empty")],
    "# only words about words": [("", "library_empty")],
}


@pytest.mark.parametrize(("text", "told"), WRONG_TREES.items(), ids=map(str, range(22)))
def test_each_wrong_place_of_a_tree_is_told_with_line_and_column(text: str, told) -> None:
    found = faults(text, "w.yaml")
    if told[0][1] == "profile_no_yaml" and not text.endswith("]"):  # the two loaders differ here
        assert [code for _, code in found] == ["profile_no_yaml"]
    else:
        assert found == told


@pytest.mark.parametrize("nested", ["[", "{a: ", "- ", "? "])
def test_nesting_without_end_is_refused_and_not_followed(nested: str) -> None:
    [(_, code)] = faults(nested * 50_000, "w.yaml")
    assert code == "profile_no_yaml"


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60) | st.text("word,clas\n\"'A.1 甲乙|:[]{}-&*#!%@`", max_size=60))
@pytest.mark.parametrize("name", ["w.csv", "w.tsv", "w.yaml"])
def test_whatever_the_bytes_are_they_are_a_library_or_refused_with_places(name, given_) -> None:
    data = given_ if isinstance(given_, bytes) else given_.encode()
    try:
        made = parse(data, name=name)
    except Invalid as error:
        assert error.code == "corpus.library_invalid"  # noqa: PT017 (either outcome is right)
        assert all(each.where.startswith(name) for each in error.findings)  # noqa: PT017
    else:
        assert len(made.words) == len(made.risks) == len(made.weights) > 0


@settings(max_examples=40, deadline=None)
@given(ENTRIES, st.integers(0, 7), st.sampled_from(["A.7.7", "", "x"]))
def test_one_wrong_row_among_good_ones_is_the_only_one_told(entries, at, risk) -> None:
    rows = [[word, each, str(weight)] for word, each, weight in entries]
    at %= len(rows)
    rows[at][1] = risk
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([["word", "class", "weight"], *rows])
    assert faults(sink.getvalue(), "w.csv") == [(f"{at + 2}:class", "library_class")]


def test_bytes_of_another_encoding_are_told_with_line_and_byte() -> None:
    data = HEAD.encode() + "甲乙,A.1.1\n".encode() + "丙丁,A.1.1\n".encode("gb18030")
    assert faults(data, "w.csv") == [
        (f"3 (byte {len(HEAD) + 13})", "library_encoding"),
    ]


def test_the_numbers_of_a_class_are_its_place_however_it_is_written() -> None:
    for place, each in enumerate(classes()):
        one, two = each.id[2], each.id[4]
        for written in (
            each.id,
            f"a{one}{two}",
            f"{one}.{two}",
            f" A-{one}_{two} ",
            f"a {one} {two}",
        ):
            assert position(written) == place
        assert each.reason == f"a{one}_{two}"


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, len(IDS) - 1), max_size=400),
    st.none() | st.integers(0, 30 * DAY_US),
)
def test_every_bound_is_met_exactly_when_there_is_as_much_as_it_asks(risks, age_us) -> None:
    made = Library(
        tuple("x" * len(risks)),
        np.array(risks, np.uint8),
        np.ones(len(risks), np.int32),
        {},
        "sha256:0",
    )
    now_us = 40 * DAY_US
    updated_us = None if age_us is None else now_us - age_us
    found = coverage.coverage(made, updated_us=updated_us, now_us=now_us)
    by_id = dict(zip(IDS, found.by_class, strict=True))
    assert found.entries == len(risks) == sum(found.by_class)
    for check in found.checks:
        if check.rule == "updated":
            assert check.there == (None if age_us is None else age_us // DAY_US)
            assert check.met == (age_us is not None and age_us < 8 * DAY_US)
        elif check.risk:
            least = 200 if check.risk.startswith("A.1") else 100
            assert (check.wanted, check.there) == (least, by_id[check.risk])
            assert check.met == (by_id[check.risk] >= least)
        else:
            assert check.met == (len(risks) >= 10_000)
    asked = {check.risk for check in found.checks} - {""}
    assert asked == {each for each in IDS if each[:3] in ("A.1", "A.2")}
    said = found.as_json()
    assert said["met"] is False  # never ten thousand here
    assert said["verified"] is False
    assert json.loads(json.dumps(said)) == said


def put(storage: Storage, data: bytes, *, key: str, organisation: str = "org_a", name="w.csv"):
    digest = storage.blobs.put(data).digest
    return register.put(
        storage, key=key, organisation=organisation, name=name, digest=digest, member="steward"
    )


def test_the_newest_version_of_each_organisation_is_in_use_and_pages_hold_each_once(
    storage: Storage, tmp_path
) -> None:
    made = {}
    for number in range(5):
        whose = "org_b" if number == 2 else "org_a"
        row = f"甲乙{number},A.1.1"
        made[number] = put(storage, (HEAD + row).encode(), key=f"k{number}", organisation=whose)
        storage.clock.advance(seconds=1)  # type: ignore[attr-defined]
    with storage.database.read() as tx:
        assert register.current(tx, "org_a") == made[4]
        assert register.current(tx, "org_b") == made[2]
        assert register.current(tx, "org_c") is None
        assert register.version(tx, made[0].id) == made[0]
        seen, after = [], (0, "")
        while page := register.newest(tx, organisation="org_a", after=after, limit=2):
            seen += page
            after = (page[-1].at_us, page[-1].id)
        assert [each.id for each in seen] == [made[n].id for n in (4, 3, 1, 0)]
        with pytest.raises(NotFound):
            register.version(tx, "library_none")
    written = register.write(storage, made[4], tmp_path)
    assert library.read(written).digest == made[4].digest
    assert library.read(written).words == ("甲乙4",)


def test_a_key_puts_one_library_once_and_a_wrong_one_leaves_the_last_in_use(
    storage: Storage,
) -> None:
    good = (HEAD + "甲乙,A.1.1").encode()
    made = put(storage, good, key="k")
    assert put(storage, good, key="k") == made
    for data, name in [(good + b"\n", "w.csv"), (good, "v.csv")]:
        with pytest.raises(Conflict) as caught:
            put(storage, data, key="k", name=name)
        assert caught.value.code == "corpus.request_differs"
    with pytest.raises(Invalid):
        put(storage, b"word,class\n", key="other")
    assert put(storage, good, key="k", organisation="org_b").id != made.id
    with storage.database.read() as tx:
        assert register.current(tx, "org_a") == made
