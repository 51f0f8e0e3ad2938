"""What is wrong is told by what was typed: options and arguments, not fields of a message."""

from __future__ import annotations

import click
import pytest
from office import fault

from yunhe.cli.naming import as_typed, means
from yunhe.cli.session import Session
from yunhe.kernel.errors import Finding, Invalid

ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
POOL = "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q"


def refused(desk, *wheres: str) -> None:
    findings = [{"where": w, "code": "x.wrong", "message": f"{w}: is wrong"} for w in wheres]
    desk.office.refusal = 422, fault("invalid", "x.invalid", findings=findings)


def told(desk, *words: str) -> list[str]:
    """Where each finding is, as a person reads it."""
    said = desk(*words)
    assert said.code != 0
    lines = [line.strip() for line in said.err.splitlines()]
    return [line[2:].split(": ")[0] for line in lines if line.startswith("- ")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_server_refuses_is_told_by_the_options_that_were_typed(desk, language: str):
    refused(desk, "body.from_at", "until_at", "price_minor_per_device_hour", "reason")
    said = desk(
        "pool", "price", POOL, "9.50", "--until", "2099-01-01", "--reason", "r", lang=language
    )
    for typed in (
        "--from: is wrong",
        "--until: is wrong",
        "--reason: is wrong",
        "AMOUNT: is wrong",
    ):
        assert typed in said.err
    for field in ("from_at", "until_at", "_minor"):
        assert field not in said.err


def test_a_price_a_kind_and_what_a_command_calls_otherwise_are_told_by_its_options(desk):
    refused(desk, "price_minor_per_device_hour", "devices", "body.jurisdiction")
    words = ("--provider", ORG, "--site", "s", "--chip", "cpu", "--devices", "1", "--price", "1.00")
    assert told(desk, "pool", "add", *words) == ["--price", "--devices", "--jurisdiction"]
    refused(desk, "new_kind", "new_name", "roles.0", "project_roles.proj_1.0", "days")
    assert told(desk, "invite", "--role", "buyer") == [
        "--kind", "--new-organisation", "--role", "--role", "--days",
    ]  # fmt: skip
    refused(desk, "memo", "amount", "organisation", "unit")
    assert told(desk, "balance", "top-up", ORG, "5", "--reason", "r") == [
        "--reason", "AMOUNT", "ORGANISATION", "--currency",
    ]  # fmt: skip


def test_what_is_found_before_anything_is_sent_is_told_so_too(desk):
    assert told(desk, "balance", "top-up", ORG, "5", "--reason", "x" * 501) == ["--reason"]
    assert told(desk, "balance", "top-up", "ORG!", "5", "--reason", "r") == ["ORGANISATION"]
    assert desk.office.asked == []


def test_programs_get_the_fields_that_their_answers_have(desk):
    said = desk("--json", "balance", "top-up", ORG, "5", "--reason", "x" * 501)
    assert [each["where"] for each in said.json["findings"]] == ["memo"]


@click.command()
@click.argument("target")
@click.option("--state", "wanted")
@click.option("--from", "since")
@click.option("--hours")
@click.option("--device-hours")
@click.option("--minor-a")
@click.option("--minor-b")
def command(**_: object) -> None:
    """Never called."""


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("target", "TARGET"),
        ("state", "--state"),
        ("wanted", "--state"),
        ("new_state", "--state"),
        ("body.from_at", "--from"),
        ("since", "--from"),
        ("add_hours", "--hours"),
        ("add_device_hours", "--device-hours"),  # the longer name
        ("minor_b", "--minor-b"),
        ("state.0", "--state"),
        ("title", "--hours"),  # as the command says
        ("nodes.0.count", "nodes.0.count"),
        ("state.inside", "state.inside"),
        ("job.yaml:3:1", "job.yaml:3:1"),
        ("statement", "statement"),
        ("", ""),
        ("fromage", "fromage"),
    ],
)
def test_a_field_is_the_option_that_has_its_name_or_the_longest_part_of_it(
    monkeypatch: pytest.MonkeyPatch, where: str, shown: str
):
    monkeypatch.setattr(Session, "here", classmethod(lambda cls: cls("en", None, as_json=False)))
    with click.Context(command):
        means(title="hours")
        error = as_typed(Invalid("x.y", findings=[Finding(where, "x.z")]))
    assert [each.where for each in error.findings] == [shown]


def test_outside_a_command_and_without_findings_an_error_stays_as_it_is():
    bare = Invalid("x.y")
    assert as_typed(bare) is bare
    error = Invalid("x.y", findings=[Finding("from_at", "x.z")])
    assert as_typed(error).findings[0].where == "from_at"
