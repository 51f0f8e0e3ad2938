"""What a reviewer met at the command line of `yunhe clean`, each held here by a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from yunhe.cli.cleansed import Rate
from yunhe.cli.session import Session

TALE = "村里的老人说，河边的石桥是去年秋天修好的，孩子们现在每天都从那里走去上学。"
OTHER = "图书馆新到了一批旧书，管理员说周末会办一次展览，欢迎附近的居民前来参观。"
PHONE = "13800138000"


def yunhe(*arguments: object, language: str = "en") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "yunhe", "--lang", language, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert "Traceback" not in done.stderr
    return done


def rows(path: Path, texts: list[str]) -> Path:
    lines = [{"id": f"n{n}", "text": text} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("found")
    texts = [f"{TALE}电话{PHONE}。", f"{OTHER}详见https://a.cn/b。", "", "短", "Only English. " * 9]
    done = yunhe("clean", rows(folder / "a.jsonl", texts), "-o", folder / "out", "--id", "id")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "out"


def test_a_run_leaves_a_datasheet_and_a_description_for_programs(out: Path) -> None:
    page = (out / "datasheet.html").read_text("utf-8")
    assert "去标识化" in page
    assert json.loads((out / "croissant.json").read_text("utf-8"))["@type"] == "sc:Dataset"


def test_the_same_run_again_writes_a_datasheet_that_somebody_deleted(out: Path) -> None:
    page = (out / "datasheet.html").read_bytes()
    (out / "datasheet.html").unlink()
    done = yunhe("clean", out.parent / "a.jsonl", "-o", out, "--id", "id")
    assert done.returncode == 0
    assert (out / "datasheet.html").read_bytes() == page


def test_a_document_leads_to_its_source_and_to_all_that_was_decided(out: Path) -> None:
    told = yunhe("trace", out, "n0")
    assert told.returncode == 0
    assert "a.jsonl, document 1 of the file" in told.stdout
    assert "personal: mobile phone, characters" in told.stdout
    assert PHONE not in told.stdout
    assert "links: link, characters" in yunhe("trace", out, "n1").stdout


def test_a_dropped_document_is_traced_too_in_chinese(out: Path) -> None:
    told = yunhe("trace", out, "n3", language="zh").stdout
    assert "未保留" in told
    assert "过短" in told


def test_an_unknown_document_is_not_found(out: Path) -> None:
    assert yunhe("trace", out, "n99").returncode == 66
    assert yunhe("trace", out.parent, "n0").returncode == 66


@pytest.mark.parametrize("taken", [False, True])
def test_a_refusal_leaves_no_folder_behind(tmp_path: Path, *, taken: bool) -> None:
    source = tmp_path / "a.jsonl"
    rows(source, [TALE] if taken else [])
    if taken:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("mine", "utf-8")
    done = yunhe("clean", source, "-o", tmp_path / "out")
    assert done.returncode == (73 if taken else 65)
    assert not (tmp_path / "out.work").exists()


def test_a_profile_is_corrected_in_words_for_people(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "name: p\nversion: 1\nsample_documents: 5\nsteps:\n"
        "  - name: language\n    options: {keep: yes}\n"
        "    thresholds: {share_per_thousand_min: {value: 1, source: a, verified: perhaps}}\n",
        "utf-8",
    )
    source = rows(tmp_path / "a.jsonl", [TALE])
    done = yunhe("clean", source, "-o", tmp_path / "out", "--profile", tmp_path / "p.yaml")
    assert done.returncode == 65
    for said in ("block of keys", "put it in quotes", "true or false"):
        assert said in done.stderr
    assert "_type" not in done.stderr


def test_progress_that_has_reached_the_end_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    rate = Rate(Session("en", None, as_json=False))
    for documents in range(5):
        rate.step("corpus.bytes", done=10, total=10)
        rate.step("corpus.documents", done=documents)
    assert capsys.readouterr().err.count("\n") == 1
