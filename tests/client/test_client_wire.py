"""Every message on the wire: what is sent is bounded and checked, what is shown may grow."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from yunhe.api import document
from yunhe.client import wire
from yunhe.client.wire import corpus, reviews, sources
from yunhe.client.wire.shapes import INTEGER_MAX, Fault, Page, Sent, Shown

MODULES = [
    importlib.import_module(f"{wire.__name__}.{each.name}")
    for each in pkgutil.iter_modules(wire.__path__)
]
MODELS = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type)
    and issubclass(value, BaseModel)
    and value.__module__ == module.__name__
    and value not in (Sent, Shown, Page)
]
WHOLE = [each for each in MODELS if "example" in (each.model_config.get("json_schema_extra") or {})]
"""Without those that are a part of another message."""
SENT = [each for each in WHOLE if issubclass(each, Sent)]
SHOWN = [each for each in WHOLE if issubclass(each, Shown)]
DIGEST = "sha256:" + "0" * 64
STORED = [
    corpus.NewCleansing, sources.NewSource, sources.NewSample, sources.SourceDecision,
    sources.NewLibrary, reviews.NewReview, reviews.NewCheck, reviews.NewJudgements,
]  # fmt: skip
"""What is sent for data: whatever text they take goes into the database or the log."""


def named(model: type) -> str:
    return f"{model.__module__.rpartition('.')[2]}.{model.__name__}"


def example(model: type) -> dict[str, Any]:
    """The documented example."""
    copied = json.loads(json.dumps(document.example(model)))
    assert isinstance(copied, dict)
    return copied


def takes(model: type[BaseModel], value: object) -> bool:
    try:
        model.model_validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from leaves(inner, (*path, name))
    else:
        yield path, value


def put(value: Any, path: tuple[Any, ...], new: object) -> Any:
    copied = json.loads(json.dumps(value))
    place = copied
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return copied


def test_every_message_is_either_sent_or_shown():
    assert len(MODELS) > 100
    assert [each for each in MODELS if issubclass(each, Sent) == issubclass(each, Shown)] == []
    assert len(SENT) + len(SHOWN) > 80


@pytest.mark.parametrize("model", SENT, ids=named)
def test_a_mistyped_field_is_noticed_at_every_depth_of_what_is_sent(model):
    given = example(model)
    assert takes(model, given)
    assert not takes(model, {**given, "colour": 1})
    assert not takes(model, [given])
    assert not takes(model, None)


@pytest.mark.parametrize("model", SHOWN, ids=named)
def test_what_a_newer_server_adds_is_ignored_and_what_it_owes_is_missed(model):
    given = example(model)
    read = model.model_validate({**given, "colour": 1})
    assert not hasattr(read, "colour")
    owed = [name for name, field in model.model_fields.items() if field.is_required()]
    assert owed, "a message that owes nothing says nothing"
    for name in owed:
        assert not takes(model, {other: v for other, v in given.items() if other != name})


@pytest.mark.parametrize("model", SHOWN, ids=named)
def test_what_is_shown_comes_back_from_its_own_words(model):
    read = model.model_validate(example(model))
    assert model.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("model", WHOLE, ids=named)
def test_no_message_changes_once_it_is_made(model):
    read = model.model_validate(example(model))
    for name in model.model_fields:
        with pytest.raises(ValidationError):
            setattr(read, name, getattr(read, name))


@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.__name__.rpartition(".")[2])
def test_every_field_of_a_message_is_followed_by_a_line_that_says_what_it_is(module):
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    bodies = {each.name: each.body for each in tree.body if isinstance(each, ast.ClassDef)}
    silent = [
        f"{name}.{field.target.id}"
        for name, body in bodies.items()
        for field, after in zip(body, [*body[1:], ast.Pass()], strict=True)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]
    assert silent == []


@pytest.mark.parametrize("model", STORED, ids=named)
def test_no_text_that_is_stored_holds_what_no_database_keeps(model):
    given = example(model)
    texts = [path for path, value in leaves(given) if isinstance(value, str)]
    assert texts
    for path in texts:
        assert not takes(model, put(given, path, "a\0b")), path
    for name, field in model.model_fields.items():
        if name not in given and field.annotation is str:
            assert not takes(model, {**given, name: "a\0b"}), name


@pytest.mark.parametrize("model", STORED, ids=named)
def test_no_number_is_a_text_a_truth_or_a_fraction(model):
    given = example(model)
    for path, value in leaves(given):
        if type(value) is int:
            for wrong in (str(value), True, value + 0.5, -1, INTEGER_MAX + 1):
                assert not takes(model, put(given, path, wrong)), (path, wrong)
        if type(value) is bool:
            for wrong in (1, "true", "yes", None):
                assert not takes(model, put(given, path, wrong)), (path, wrong)


CLEANSING = {"input": DIGEST, "file": "a.csv", "name": "n", "licence": "l"}
FILES = [
    ("a.jsonl", True), ("a.JSONL", True), ("a.csv.gz", True), ("路灯 1.parquet", True),
    (".csv", True), ("a.parquet.GZ", True), ("a..csv", True),
    ("a.exe", False), ("csv", False), ("a.csv\n", False), ("a.csv.zst", False), ("../a.csv", False),
    ("a/b.csv", False), ("a\0.csv", False), ("a.csv ", False), ("", False),
    ("x" * 196 + ".csv", True), ("x" * 197 + ".csv", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fits"), FILES)
def test_a_file_to_cleanse_is_named_with_an_ending_that_is_read_and_leads_nowhere(name, fits):
    assert takes(corpus.NewCleansing, {**CLEANSING, "file": name}) is fits


LIBRARIES = [
    ("w.csv", True), ("w.TSV", True), ("w.yaml", True), ("w.yml", True), ("词库.csv", True),
    ("w.csv.gz", False), ("w.json", False), ("a/w.csv", False), ("w.csv\n", False), ("", False),
    ("x" * 196 + ".csv", True), ("x" * 197 + ".csv", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fits"), LIBRARIES)
def test_a_library_is_named_likewise(name, fits):
    assert takes(sources.NewLibrary, {"input": DIGEST, "file": name}) is fits


BOUNDS = [
    (corpus.NewCleansing, CLEANSING, "name", 1, 200),
    (corpus.NewCleansing, CLEANSING, "licence", 1, 200),
    (corpus.NewCleansing, CLEANSING, "text", 1, 200),
    (corpus.NewCleansing, CLEANSING, "label", 1, 200),
    (corpus.NewCleansing, CLEANSING, "id", 1, 200),
    (corpus.NewCleansing, CLEANSING, "profile", 1, 64),
    (sources.NewSource, {"name": "n", "method": "own", "licence": "l"}, "name", 1, 200),
    (sources.NewSource, {"name": "n", "method": "own", "licence": "l"}, "licence", 1, 200),
    (sources.NewSource, {"name": "n", "method": "own", "licence": "l"}, "agreement", 0, 500),
    (sources.NewSource, {"name": "n", "method": "own", "licence": "l"}, "site_terms", 0, 2000),
    (sources.NewSource, {"name": "n", "method": "own", "licence": "l"}, "contact", 0, 254),
    (sources.NewSample, {"looked": 1, "illegal": 0, "method": "m"}, "method", 1, 2000),
    (sources.SourceDecision, {"decision": "accept"}, "reason", 0, 500),
    (reviews.NewCheck, {"certificate": "c"}, "profile", 1, 64),
    (reviews.NewCheck, {"certificate": "c"}, "certificate", 1, 64),
    (reviews.NewReview, {"certificate": "c"}, "adjudicator", 1, 64),
]


@pytest.mark.parametrize(
    ("model", "given", "name", "least", "most"), BOUNDS, ids=lambda each: str(each)[-30:]
)
def test_a_text_is_taken_up_to_its_bound_and_no_further(model, given, name, least, most):
    for length, fits in ((most, True), (most + 1, False), (least, True), (least - 1, False)):
        if length >= 0:
            assert takes(model, {**given, name: "a" * length}) is fits, length


LISTS = [
    (sources.NewSource, {"name": "n", "method": "own", "licence": "l"}, "languages", 0, 50),
    (reviews.NewReview, {"certificate": "c"}, "made_by", 0, 200),
    (reviews.NewReview, {"certificate": "c"}, "organisations", 0, 50),
]


@pytest.mark.parametrize(("model", "given", "name", "least", "most"), LISTS)
def test_a_list_is_taken_up_to_its_bound_and_no_further(model, given, name, least, most):
    for count, fits in ((most, True), (most + 1, False), (least, True)):
        assert takes(model, {**given, name: ["a"] * count}) is fits, count


@pytest.mark.parametrize("count", [0, 1, 5000, 5001])
def test_as_many_judgements_go_into_one_request_as_can_be_given_back(count):
    fits = 1 <= count <= 5000
    said = [{"item": n + 1, "verdict": "pass"} for n in range(count)]
    assert takes(reviews.NewJudgements, {"judgements": said}) is fits
    assert takes(reviews.GivenBack, {"items": [n + 1 for n in range(count)]}) is fits


NUMBERS = [
    (reviews.NewReview, {"certificate": "c"}, "items", 0, 100_000),
    (reviews.NewClaim, {}, "items", 1, 100),
    (reviews.NewClaim, {}, "after", 0, 1_000_000),
    (sources.NewSample, {"looked": 1, "illegal": 0, "method": "m"}, "looked", 1, INTEGER_MAX),
    (sources.NewSample, {"looked": 1, "illegal": 0, "method": "m"}, "illegal", 0, INTEGER_MAX),
    (reviews.Judgement, {"item": 1, "verdict": "pass"}, "item", 1, 1_000_000),
]


@pytest.mark.parametrize(("model", "given", "name", "least", "most"), NUMBERS)
def test_a_number_is_taken_within_its_bounds(model, given, name, least, most):
    for number, fits in ((least, True), (most, True), (least - 1, False), (most + 1, False)):
        assert takes(model, {**given, name: number}) is fits, number


DAYS = [
    ("", True), ("2026-10-01", True), ("2026-1-1", False), ("soon", False), ("20261001", False),
    ("2026-10-01T00:00:00Z", False), ("2026-10-01\n", False), ("２０２６-10-01", False),
]  # fmt: skip


@pytest.mark.parametrize(("day", "fits"), DAYS)
@pytest.mark.parametrize("name", ["collected_from", "collected_to"])
def test_a_day_of_collection_is_a_day_or_nothing(day, fits, name):
    given = {"name": "n", "method": "own", "licence": "l", name: day}
    assert takes(sources.NewSource, given) is fits


@pytest.mark.parametrize("answer", ["yes", "no", "unknown", "", "Yes", None, True])
def test_terms_are_answered_in_three_words_and_are_unknown_unless_answered(answer):
    fits = answer in ("yes", "no", "unknown")
    for name in sources.Terms.model_fields:
        assert takes(sources.Terms, {name: answer}) is fits
    assert set(sources.Terms().model_dump().values()) == {"unknown"}


REASONS = ["A.1.1", "quality.garbled", "a" * 64, "a" * 65, "", "a b", "a\n", "<b>", "理由", "a\0"]


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_a_code_and_no_prose(reason):
    fits = reason in REASONS[:3]
    given = {"item": 1, "verdict": "fail", "reasons": [reason]}
    assert takes(reviews.Judgement, given) is fits
    assert takes(reviews.Judgement, {**given, "reasons": ["A.1.1"] * 51}) is False


@pytest.mark.parametrize("wrong", ["", "Pass", "maybe", None, True, ["pass"]])
def test_a_verdict_is_one_of_two_words(wrong):
    assert not takes(reviews.Judgement, {"item": 1, "verdict": wrong})


@pytest.mark.parametrize(
    "wrong",
    ["sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "G" * 64, "md5:" + "0" * 64,
     "SHA256:" + "0" * 64, "0" * 64, DIGEST + "\n", "sha256:" + "A" * 64, ""],
)  # fmt: skip
def test_a_digest_is_written_in_one_way(wrong):
    assert not takes(corpus.NewCleansing, {**CLEANSING, "input": wrong})
    assert not takes(corpus.NewCleansing, {**CLEANSING, "truth": wrong})
    assert not takes(sources.NewLibrary, {"input": wrong, "file": "w.csv"})


@pytest.mark.parametrize(
    ("word", "fits"),
    [("source_1", True), ("a", True), ("a" * 64, True), ("a" * 65, False), ("A", False),
     ("1a", False), ("_a", False), ("a-b", False), ("a/b", False), ("a\n", False), ("", False)],
)  # fmt: skip
def test_an_id_has_the_form_that_the_platform_gives(word, fits):
    assert takes(corpus.NewCleansing, {**CLEANSING, "source": word}) is fits
    assert takes(reviews.NewCheck, {"certificate": word}) is fits


def test_a_fault_says_everything_a_program_decides_by():
    fault = Fault.model_validate(example(Fault))
    assert {"kind", "code", "message", "do", "findings", "retryable"} <= set(fault.model_dump())
    assert not takes(Fault, {"message": "an answer of something between"})


def test_no_secret_is_in_the_picture_of_a_message_that_carries_it():
    for model in SENT:
        for name, field in model.model_fields.items():
            if name in ("secret", "password", "passphrase", "value"):
                assert "Secret" in str(field.annotation), (model, name)
