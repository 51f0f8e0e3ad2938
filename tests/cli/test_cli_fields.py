"""Every field of a workload's file is told, in both languages, as the server takes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from remote_desk import Person

from yunhe.cli.fields import COLUMNS, fields_of, markdown, schema_of
from yunhe.client.wire.asking import NewWorkload

ROOT = Path(__file__).parents[2]
SHORT = {"chips", "elastic"}


@pytest.fixture
def person(tmp_path, capsys, monkeypatch):
    return Person(tmp_path / "person", capsys, monkeypatch)


@pytest.mark.parametrize(("language", "page"), [("en", "workloads.md"), ("zh", "workloads.zh.md")])
def test_the_table_in_the_documents_is_that_of_the_fields(language, page):
    said = (ROOT / "docs" / page).read_text("utf-8")
    assert markdown(language) in said
    names = re.findall(r"^\| `([a-z_]+)` \|", said, re.MULTILINE)
    assert names == [*NewWorkload.model_fields, "chips", "elastic"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_field_has_a_kind_a_default_and_says_what_it_does(language):
    found = {each.field: each for each in fields_of(language)}
    assert set(found) == set(NewWorkload.model_fields) | SHORT
    assert all(each.kind and each.default and len(each.meaning) > 3 for each in found.values())
    needed = {name for name, each in NewWorkload.model_fields.items() if each.is_required()}
    assert {name for name, each in found.items() if each.default == "–"} == needed
    assert found["devices"].bounds == "1 – 1,000,000"
    assert found["memory_bytes_max"].default == "4,294,967,296"
    assert found["deadline"].bounds == ""
    assert found["fabric"].bounds == "any, site, domain, node"
    assert found["wall_seconds_max"].unit == {"en": "s", "zh": "秒"}[language]


def test_the_table_is_shown_without_a_file_or_a_server(person):
    shown = person("submit", "--fields")
    assert shown.code == 0
    assert "wall_seconds_max" in shown.out
    told = person.json("submit", "--fields", lang="zh")["fields"]
    assert [each["field"] for each in told] == [*NewWorkload.model_fields, "chips", "elastic"]
    assert len(told[0]) == len(COLUMNS)


def test_the_schema_takes_every_example_and_finds_what_is_wrong(person):
    schema = json.loads(person("submit", "--schema").out)
    assert schema == schema_of("en")
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    examples = sorted((ROOT / "examples" / "workloads").glob("*.yaml"))
    assert examples
    for path in examples:
        said = json.loads(json.dumps(yaml.safe_load(path.read_text("utf-8")), default=str))
        assert not [error.message for error in check.iter_errors(said)], path.name
    wrong = {"wall_seconds_max": 0, "devices": "two", "colour": "blue", "chips": {"a": 0}}
    assert len(list(check.iter_errors(wrong))) >= 5
