"""What `yunhe clean` and `yunhe trace` say beside the result: what was left out, what is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from office import run

from yunhe.corpus.pipeline import build
from yunhe.corpus.profiles import built_in
from yunhe.kernel.language import LANGUAGES, text, texts

COPY = "这家店的味道不错，下次还会再来，推荐大家都来尝一尝。"
PROFILES = ("zh-pretrain", "zh-short", "zh-finetune", "en-pretrain")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: Any) -> Path:
    rows = [{"id": name, "text": COPY, "score": 1, "lang": "zh"} for name in "ab"]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_left_out_not_asked_and_a_copy_of_what_is_said(
    here: Path, capsys: Any, monkeypatch: Any
) -> None:
    asked = ("clean", "in.jsonl", "-o", "out", "--profile", "zh-short", "--id", "id")
    done = run(capsys, monkeypatch, *asked, "--source", "店评")
    assert done.code == 0
    assert text("cli.clean.columns_left_out", "en", names="score, lang") in done.out
    assert " ".join(text("cli.clean.source_unasked", "en").split()) in " ".join(done.err.split())
    traced = run(capsys, monkeypatch, "trace", "out", "b")
    assert text("cli.trace.of", "en", document="a") in traced.out
    kept = run(capsys, monkeypatch, "trace", "out", "a")
    assert text("cli.trace.of", "en", document="a") not in kept.out
    [decision] = json.loads(run(capsys, monkeypatch, "--json", "trace", "out", "b").out)[
        "decisions"
    ]
    assert decision["of"] == "a"
    plain = run(capsys, monkeypatch, "--json", *asked[:3], "two", *asked[4:])
    assert json.loads(plain.out)["columns_left_out"] == ["score", "lang"]
    manifest = json.loads((here / "two" / "manifest.json").read_text())
    assert manifest["source"] == {}
    assert run(capsys, monkeypatch, *asked, "--licence", "MIT").code == 73
    for taken in (".", "..", "/", "out/.."):
        assert run(capsys, monkeypatch, "clean", "in.jsonl", "-o", taken).code == 73
        assert run(capsys, monkeypatch, "rejects", "delete", taken).code == 66


@pytest.mark.parametrize("name", PROFILES)
def test_every_option_is_told_with_what_is_really_taken(
    capsys: Any, monkeypatch: Any, name: str
) -> None:
    said = json.loads(
        run(capsys, monkeypatch, "--json", "clean", "--profile", name, "--explain").out
    )
    options = {step["name"]: step["options"] for step in said["steps"]}
    assert options["personal"]["names"]
    assert "PHONE" in options["personal"]["types"].split(",")
    shown = run(capsys, monkeypatch, "clean", "--profile", name, "--explain").out
    assert not [line for line in shown.splitlines() if line.rstrip().endswith((" = –", " ="))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_option_without_a_word_has_a_sentence(language: Any) -> None:
    for name in PROFILES:
        for placed in build(built_in(name)).steps:
            for option, choices in placed.step.options.items():
                if not choices and option not in placed.step.unset:
                    assert f"corpus.option.{placed.name}.{option}" in texts("corpus", language)
