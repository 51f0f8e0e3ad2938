"""What a reviewer met in outputs of the corpus floor, each held here by a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus_engine_desk import job, profile, rows, write_rows
from corpus_steps import reasons

from yunhe.corpus import profiles
from yunhe.corpus.datasheet import writing
from yunhe.corpus.engine import run
from yunhe.corpus.personal.probes import KINDS
from yunhe.corpus.running.job import Job
from yunhe.kernel.errors import Invalid
from yunhe.kernel.progress import Silent

TALE = "村里的老人说，河边的石桥是去年秋天修好的，孩子们现在每天都从那里走去上学。"
TEXTS = {
    "a": TALE,
    "b": "這是一篇用繁體字寫成的文章，講的是村裡的老人與河邊的石橋，還有每天上學的孩子們。",
    "c": "An English text about a bridge and the children who walk over it to school. " * 3,
    "d": "",
    "e": "2026 10 12 13 14 15 16",
}


def full(folder: Path, **changes: Any) -> Job:
    made = [{"id": name, "text": text, "label": "x"} for name, text in TEXTS.items()]
    source = write_rows(folder / "in.jsonl", made)
    return job(folder, source, profile=profiles.built_in("zh-pretrain"), **changes)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = full(tmp_path_factory.mktemp("found"))
    run(made, progress=Silent())
    return made.out


def test_statistics_count_the_languages_that_a_step_told(out: Path) -> None:
    read = json.loads((out / "statistics.json").read_text("utf-8"))
    assert read["languages"] == {"en": 1, "und": 2, "zh": 1, "zh-Hant": 1}
    assert sum(read["languages"].values()) == read["documents_in"]


def test_a_document_without_a_letter_is_in_no_other_language(out: Path) -> None:
    dropped = {row["document"]: row["reason"] for row in rows(out, "decisions")}
    assert (dropped["c"], dropped["d"]) == ("other_language", "empty")
    assert "language" not in dropped["e"]
    found = reasons("language", ["", "123", "……"], {"share_per_thousand_min": 900}, keep="zh")
    assert found == ["", "", ""]


def test_the_datasheet_shows_the_languages_by_name(out: Path) -> None:
    page = writing.write(out, "zh").read_text("utf-8")
    assert "中文（繁体）" in page
    assert "该方案没有识别语种的步骤" not in page


def test_what_probes_found_in_the_released_text_stands_in_the_manifest(out: Path) -> None:
    residual = json.loads((out / "manifest.json").read_text("utf-8"))["residual_risk"]
    assert residual["documents"] == 2
    assert set(residual["by_type"]) == set(KINDS)
    assert residual["by_type"]["PHONE"]["low_per_thousand"] >= 990
    page = writing.write(out, "en").read_text("utf-8")
    assert "No probes were planted" not in page


def test_probes_are_the_same_however_a_run_is_done(out: Path, tmp_path: Path) -> None:
    run(full(tmp_path, threads=2), progress=Silent())
    found = [json.loads((each / "manifest.json").read_text("utf-8"))["residual_risk"]
             for each in (out, tmp_path / "OUT")]  # fmt: skip
    assert found[0] == found[1]


def test_nothing_is_probed_where_no_step_looks_for_details(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [{"id": "a", "text": TALE, "label": "x"}])
    done = run(job(tmp_path, source, profile=profile()), progress=Silent())
    assert done.manifest["residual_risk"] is None


@pytest.mark.parametrize("name", ["zh-pretrain", "zh-finetune"])
def test_risk_words_decide_in_profiles_for_training(name: str) -> None:
    [plan] = [each for each in profiles.built_in(name).steps if each.name == "risk"]
    bounds = {key: threshold.value for key, threshold in plan.thresholds.items()}
    assert bounds["a1_points_min"] == bounds["a2_points_min"] == 3
    assert not any(threshold.verified for threshold in plan.thresholds.values())


def test_a_run_without_a_document_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [])
    with pytest.raises(Invalid):
        run(job(tmp_path, source), progress=Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_progress_never_says_more_than_was_worked_on(tmp_path: Path) -> None:
    texts = [f"{number} {TALE * 40}" for number in range(3000)]
    made = [{"id": str(number), "text": text, "label": "x"} for number, text in enumerate(texts)]
    source = write_rows(tmp_path / "in.jsonl", made)
    said: list[int] = []

    class Heard(Silent):
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            super().step(what, done=done, total=total)
            if what == "corpus.bytes":
                said.append(done)

    run(job(tmp_path, source, profile=profile()), progress=Heard())
    size = source.stat().st_size
    assert len(said) > 2
    assert said == sorted(said)
    assert said[0] < size // 2
    assert said[-1] == size
