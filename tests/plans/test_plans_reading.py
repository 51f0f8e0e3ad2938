from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.kernel.errors import Invalid, NotFound
from yunhe.plans.reading import PLAN_BYTES_MAX, read_plan

EXAMPLES = Path(__file__).parents[2] / "examples"
HOTLINE = (EXAMPLES / "hotline" / "plan.yaml").read_text("utf-8")


def refused(tmp_path, source):
    path = tmp_path / "plan.yaml"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    with pytest.raises(Invalid) as caught:
        read_plan(path)
    assert caught.value.code == "plans.invalid"
    return {f.where.removeprefix(str(path)): f for f in caught.value.findings}


@pytest.mark.parametrize("plan", sorted(EXAMPLES.glob("*/plan.yaml")), ids=lambda p: p.parent.name)
def test_every_example_plan_is_valid(plan):
    assert read_plan(plan).name == plan.parent.name


def test_every_fault_is_reported_at_once_with_its_line_and_column(tmp_path):
    source = (
        HOTLINE.replace("seed: 12345", "sead: 12345")
        .replace("kind: provider", "kind: providor")
        .replace("devices: 1,", "devices: 0,")
        .replace("  route: hotline\n", "")
    )
    findings = refused(tmp_path, source)
    lines = source.splitlines()
    codes = {finding.code: where for where, finding in findings.items()}
    assert set(codes) == {
        "plans.unknown_key", "plans.not_one_of", "plans.too_small", "plans.missing_key",
    }  # fmt: skip

    def line_of(code):
        return lines[int(codes[code].split(":")[1]) - 1]

    assert line_of("plans.unknown_key").startswith("sead:")
    assert "providor" in line_of("plans.not_one_of")
    assert "devices: 0" in line_of("plans.too_small")
    column = int(codes["plans.too_small"].split(":")[2])
    assert line_of("plans.too_small")[column - 1 :].startswith("0,")
    assert "caller: desk" in line_of("plans.missing_key")


def test_findings_read_as_sentences_in_both_languages(tmp_path):
    (finding,) = refused(tmp_path, HOTLINE.replace("seed: 12345", "seed: many")).values()
    assert finding.message("en").endswith("seed must be a whole number")
    assert finding.message("zh").endswith("seed 必须是整数")


def test_names_that_stand_for_nobody_are_found_where_they_are_written(tmp_path):
    source = HOTLINE.replace("buyer: researcher", "buyer: reseacher").replace(
        "holder: hotline", "holder: hotlin"
    )
    findings = refused(tmp_path, source)
    assert {f.code for f in findings.values()} == {"plans.name_unknown"}
    assert {dict(f.params)["name"] for f in findings.values()} == {"reseacher", "hotlin"}


def test_a_key_given_twice_is_a_fault_and_not_silently_the_last(tmp_path):
    findings = refused(tmp_path, HOTLINE + "\nseed: 7\n")
    assert [f.code for f in findings.values()] == ["plans.key_twice"]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "plans.not_mapping"),
        ("- a\n- b\n", "plans.not_mapping"),
        ("a: [1, 2\nb: 3\n", "plans.yaml_broken"),
        ("a: !!python/object/apply:os.system [id]\n", "plans.yaml_broken"),
        ("a: &x [1]\nb: [*x, *x]\n", "plans.yaml_broken"),
        ("a: &x [*x]\n", "plans.yaml_broken"),
        ("[" * 20_000, "plans.too_deep"),
        (b"a: \xff\xfe\n", "plans.not_utf8"),
        ("# " + "x" * PLAN_BYTES_MAX, "plans.too_large"),
    ],
)
def test_what_is_no_plan_at_all_is_said_plainly(tmp_path, source, code):
    assert [f.code for f in refused(tmp_path, source).values()] == [code]


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(NotFound):
            read_plan(path)


def test_keywords_come_from_one_place_and_only_where_they_are_used(tmp_path):
    source = HOTLINE.replace("keywords_file: keywords.yaml", "keywords_file: k.yaml, keywords: {}")
    (finding,) = refused(tmp_path, source).values()
    assert "exactly one" in finding.message("en")
