"""Every step that long work reports has a sentence in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import yunhe
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.language import step_text
from yunhe.operations.backup import _explained
from yunhe.plans.service import STAGES

SOURCE = Path(yunhe.__file__).parent


def reported(path: Path) -> Iterator[str]:
    """What is given to ``….step(…)``; of a computed text the part before what is computed."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if not called or node.func.attr != "step" or not node.args:
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant):
            yield first.value
        elif isinstance(first, ast.JoinedStr):
            yield f"{first.values[0].value}*"


FOUND = {step for path in SOURCE.rglob("*.py") for step in reported(path)}
STEPS = sorted(FOUND - {"plans.stage.*"} | {f"plans.stage.{name}" for name, _ in STAGES})


def test_the_walk_finds_steps_of_every_kind_of_long_work():
    floors = {step.split(".")[0] for step in STEPS}
    assert floors >= {"corpus", "evaluation", "models", "operations", "plans"}
    assert len(STEPS) > 20
    assert not any("*" in step for step in STEPS)  # a computed step needs a line above


@pytest.mark.parametrize("step", STEPS)
def test_a_step_has_a_sentence_in_both_languages(step):
    english, chinese = (step_text(step, language) for language in ("en", "zh"))
    assert step not in (english, chinese)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in english)
    assert not set("{}") & set(english + chinese)  # it is shown as it is


@given(st.text(max_size=40).filter(lambda step: "." not in step))
def test_a_step_that_a_job_names_itself_is_shown_as_it_is(step):
    assert step_text(step, "en") == step


def test_a_step_never_shows_a_sentence_with_gaps():
    assert step_text("ledger.kind_invalid", "en") == "ledger.kind_invalid"


@pytest.mark.parametrize(
    "step", ["../../en/plans.x", "/etc/passwd.x", "plans", "plans.", ".x", "plans.stage.{0}", ""]
)
def test_a_strange_step_leads_nowhere(step):
    assert {step_text(step, "en"), step_text(step, "zh")} == {step}


@pytest.mark.parametrize(
    ("code", "inside", "told"),
    [
        ("storage.disk_full", True, "operations.target_full"),
        ("storage.disk_full", False, "storage.disk_full"),  # the home is full: then move it
        ("storage.read_only", True, "storage.read_only"),
    ],
)
def test_only_a_full_target_is_advised_about_as_one(tmp_path, code, inside, told):
    target = tmp_path / "backups"
    where = (target if inside else tmp_path / "home") / "blobs"
    found = _explained(Unavailable(code, where=str(where), free_bytes=5), target)
    assert found.code == told
    if told == "operations.target_full":
        for language in ("en", "zh"):
            said = found.message(language)
            assert str(target) in said
            assert "--home" not in said
