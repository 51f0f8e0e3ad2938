"""Rule data is read whole or refused with every fault and its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from yunhe.governance import tables
from yunhe.kernel.errors import Invalid

RULES = Path(tables.__file__).with_name("rules")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RULES, tmp_path / "rules"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def faults(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        tables.load(folder)
    assert error.value.code == "governance.rules_invalid"
    assert error.value.message("zh")
    return [(finding.where, finding.code) for finding in error.value.findings]


def test_the_rule_book_of_this_release_is_sound() -> None:
    book = tables.book()
    assert len({rule.id for rule in book.rules}) == len(book.rules)
    assert book.uncovered == "R2"
    assert [rule.id for rule in book.rules if rule.lift] == ["M3-CN"]


def test_the_version_changes_with_any_byte_of_the_data(folder) -> None:
    assert tables.load(folder).version == tables.book().version
    for name in tables.FILES:
        path = folder / name
        before = tables.load(folder).version
        path.write_text(path.read_text(encoding="utf-8") + "\n# a remark\n", encoding="utf-8")
        assert tables.load(folder).version != before


def test_faults_of_all_files_are_found_at_once(folder) -> None:
    change(folder, "questions.yaml", "kind: flag}", "kind: flags}")
    change(folder, "decision.yaml", "tier: R4", "tier: R9")
    change(folder, "decision.yaml", "valid_from: 2025-02-02", "valid_from: soon")
    change(folder, "measures.yaml", "evidence: record", "evidence: record, colour: red")
    change(folder, "release.yaml", "approvals_min: 2", "approvals_min: 1")
    assert faults(folder) == [
        ("questions.yaml: questions.0.kind", "governance.row_invalid"),
        ("decision.yaml: rules.0.tier", "governance.row_invalid"),
        ("decision.yaml: rules.1.source.valid_from", "governance.row_invalid"),
        ("measures.yaml: measures.0.colour", "governance.row_invalid"),
        ("release.yaml: approvals_min", "governance.row_invalid"),
    ]


def test_faults_of_meaning_are_found_at_once(folder) -> None:
    change(folder, "decision.yaml", "id: P1-EU\n", "id: P1-platform\n")
    change(folder, "decision.yaml", "purpose_a1: true", "purpose_b2: true")
    change(folder, "decision.yaml", "training_flop: 1e25", "training_flop: many")
    change(folder, "decision.yaml", "lift: 1", "lift: 0")
    change(folder, "decision.yaml", "at_least: {users_registered", "exceeds: {users_registered")
    change(folder, "questions.yaml", "options: [none, verification", "options: [unknown, none")
    change(folder, "measures.yaml", "rows: [M1]", "rows: [M9]")
    change(folder, "measures.yaml", "{id: owner,", "{id: inventory_record,")
    found = faults(folder)
    for expected in [
        ("questions.yaml: biometric", "governance.options_wrong"),
        ("decision.yaml: P1-platform", "governance.id_twice"),
        ("decision.yaml: P3-CN.when.equals.purpose_b2", "governance.fact_unknown"),
        ("decision.yaml: H5-EU.when.at_least.training_flop", "governance.not_a_magnitude"),
        ("decision.yaml: M3-CN", "governance.tier_or_lift"),
        ("decision.yaml: H3-CN.when.all[1].any[0].exceeds", "governance.operator_unknown"),
        ("measures.yaml: provincial_registration", "governance.measure_unattached"),
        ("measures.yaml: inventory_record", "governance.id_twice"),
    ]:
        assert expected in found


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{}", "governance.condition_shape"),
        ("[]", "governance.condition_shape"),
        ("{all: []}", "governance.condition_shape"),
        ("{all: [], any: []}", "governance.condition_shape"),
        ("{equals: {purpose_a1: [true]}}", "governance.condition_shape"),
        ("{in: {domain: credit}}", "governance.condition_shape"),
        ("{in: {domain: []}}", "governance.condition_shape"),
        ("{in: {domain: [astrology]}}", "governance.option_unknown"),
        ("{equals: {purpose_a1: unknown}}", "governance.not_a_flag"),
        ("{at_least: {biometric: verification}}", "governance.not_ordered"),
        ("{at_least: {mau: lots}}", "governance.not_a_count"),
        ("{not: {not: {any: 3}}}", "governance.condition_shape"),
    ],
)
def test_a_condition_that_cannot_be_understood_is_refused(folder, written, code) -> None:
    change(folder, "decision.yaml", "{equals: {purpose_a1: true}}", written)
    found = faults(folder)
    assert all(where.startswith("decision.yaml: P3-CN.when") for where, _ in found)
    assert code in {fault for _, fault in found}


def test_a_condition_nested_too_deep_is_refused(folder) -> None:
    deep = "{not: " * 12 + "{equals: {purpose_a1: true}}" + "}" * 12
    change(folder, "decision.yaml", "{equals: {purpose_a1: true}}", deep)
    assert {code for _, code in faults(folder)} == {"governance.condition_shape"}


def test_a_file_that_is_no_yaml_is_refused(folder) -> None:
    (folder / "release.yaml").write_text("roles: [", encoding="utf-8")
    assert faults(folder) == [("release.yaml", "governance.row_invalid")]
