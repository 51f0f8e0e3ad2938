"""`yunhe clean` and `yunhe kernels`: alone, with reasons, and with an exit code that tells."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from yunhe.cli.cleansed import Rate, duration
from yunhe.cli.help import width
from yunhe.cli.session import Session
from yunhe.kernel.language import Language

PHONE = "13800138000"
TEXTS = [
    f"路灯坏了，请派人来修，电话{PHONE}。",
    "这家店的味道不错，下次还会再来，推荐大家都来尝一尝。",
    "",
    "这家店的味道不错，下次还会再来，推荐大家都来尝一尝。",
]


def yunhe(
    *arguments: object, stdin: bytes | None = None, language: str = "en", **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "yunhe", "--lang", language, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
    )
    assert b"Traceback" not in done.stderr
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def jsonl(path: Path, texts: list[str] = TEXTS) -> Path:
    lines = [{"id": str(n), "text": text, "label": "甲"} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def cleansed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, str]:
    """One run in an empty folder: (the folder, what it answered, what it said meanwhile)."""
    folder = tmp_path_factory.mktemp("clean")
    jsonl(folder / "in.jsonl")
    code = (
        "import atexit, os, sys; from yunhe.cli.main import main; os.chdir(sys.argv.pop());"
        "atexit.register(lambda: print('LOADED', *sorted(sys.modules), file=sys.stderr));"
        "main(['--json', 'clean', 'in.jsonl', '-o', 'out', '--profile', 'zh-short',"
        "'--id', 'id', '--label', 'label', '--source', '街道', '--licence', 'CC0-1.0',"
        "'--threads', '1'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, json.loads(done.stdout), done.stderr


def test_files_go_in_and_a_folder_with_reasons_comes_out(cleansed: tuple) -> None:
    folder, said, _ = cleansed
    assert (said["documents_in"], said["documents_out"], said["faults"]) == (4, 2, 0)
    assert said["dropped"] == {"duplicates": {"duplicate": 1}, "length": {"empty": 1}}
    assert said["details"]["PHONE"]["spans"] == 1
    [part] = (folder / "out" / "documents").iterdir()
    table = parquet.read_table(part)
    assert table.column("id").to_pylist() == ["0", "1"]
    assert PHONE not in "".join(table.column("text").to_pylist())
    manifest = json.loads((folder / "out" / "manifest.json").read_text("utf-8"))
    asked = {"name": "街道", "licence": "CC0-1.0", "registered": "not_asked"}
    assert manifest["source"] == asked
    assert said["pipeline"] == manifest["pipeline"]["digest"]


def test_nothing_but_the_folder_is_left_behind_and_no_database_is_loaded(cleansed: tuple) -> None:
    folder, _, meanwhile = cleansed
    assert sorted(path.name for path in folder.iterdir()) == ["in.jsonl", "out"]
    loaded = set(meanwhile.partition("LOADED")[2].split())
    assert "yunhe.corpus.engine" in loaded
    tops = {name.partition(".")[0] for name in loaded}
    assert (
        tops & {"sqlalchemy", "alembic", "fastapi", "httpx", "obstore", "ray", "sklearn"} == set()
    )
    assert "yunhe.app" not in loaded


def test_progress_of_a_program_is_one_object_a_line(cleansed: tuple) -> None:
    events = [json.loads(line) for line in cleansed[2].splitlines() if line.startswith("{")]
    assert {event["event"] for event in events} == {"progress"}
    assert "corpus.bytes" in {event["stage"] for event in events}


def test_the_same_command_again_finds_its_result_and_another_is_refused(cleansed: tuple) -> None:
    folder, _, _ = cleansed
    given = ["clean", folder / "in.jsonl", "-o", folder / "out", "--profile", "zh-short"]
    named = ["--id", "id", "--label", "label", "--source", "街道", "--licence", "CC0-1.0"]
    again = yunhe(*given, *named)
    assert again.returncode == 0
    assert "nothing was done" in again.stdout
    other = yunhe(*given)
    assert other.returncode == 73
    assert "corpus." not in other.stderr


def test_the_table_says_why_documents_left_in_the_language_asked_for(cleansed: tuple) -> None:
    folder, _, _ = cleansed
    named = ["--id", "id", "--label", "label", "--source", "街道", "--licence", "CC0-1.0"]
    given = ["clean", folder / "in.jsonl", "-o", folder / "out", "--profile", "zh-short", *named]
    shown = yunhe(*given, language="zh").stdout
    assert re.search(r"读入文档 +4", shown)
    assert re.search(r"保留文档 +2", shown)
    assert re.search(r"手机号 +1", shown)
    assert "corpus." not in shown
    assert "cli." not in shown


def test_rows_and_files_that_cannot_be_read_are_listed_and_have_their_own_exit_code(
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    with jsonl(tmp_path / "in" / "a.jsonl").open("a") as file:
        file.write("{broken\n")
    (tmp_path / "in" / "b.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "in" / "README").write_text("x")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    done = yunhe("clean", tmp_path / "in", "-o", tmp_path / "out", "--profile", "zh-short")
    assert done.returncode == 3
    assert "a.jsonl:5 (byte" in done.stderr
    assert "b.jsonl.gz: " in done.stderr
    assert "loop: " in done.stderr
    assert "1 file(s) of other kinds" in done.stderr
    assert re.search(r"Documents read +4", done.stdout)
    assert "corpus." not in done.stderr + done.stdout


def test_standard_input_and_packed_lines_out(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "in.jsonl").read_bytes()
    (tmp_path / "in.jsonl").unlink()
    done = yunhe(
        "clean", "-", "--input-format", "jsonl", "-o", tmp_path / "out",
        "--profile", "zh-short", "--format", "jsonl.zst", "--json", stdin=data,
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["documents_out"] == 2
    assert [path.name for path in (tmp_path / "out" / "documents").iterdir()] == [
        "part-00000.jsonl.zst"
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["IN"], 2),
        (["IN", "-o", "OUT", "--threads", "0"], 2),
        (["IN", "-o", "OUT", "--dry-run", "0"], 2),
        (["IN", "-o", "OUT", "--format", "csv"], 2),
        (["nowhere.jsonl", "-o", "OUT"], 65),
        (["IN", "-o", "OUT", "--memory", "much"], 65),
        (["IN", "-o", "OUT", "--profile", "nosuch"], 65),
        (["IN", "-o", "OUT", "--profile", "nosuch.yaml"], 66),
        (["-", "-o", "OUT"], 65),
        (["IN", "-o", "OUT", "--text", "body", "--profile", "zh-short"], 65),
    ],
)
def test_wrong_use_is_one_object_with_its_own_code_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    places = {"IN": str(jsonl(tmp_path / "in.jsonl")), "OUT": str(tmp_path / "out")}
    done = yunhe("clean", *[places.get(each, each) for each in arguments], "--json")
    assert done.returncode == code, done.stdout
    said = json.loads(done.stdout)
    assert said["message"]
    assert "corpus." not in said["message"]
    assert not (tmp_path / "out").exists()


def test_explain_names_every_step_with_numbers_and_sources_in_both_languages() -> None:
    given = ["clean", "--explain", "--profile", "zh-short"]
    said = json.loads(yunhe(*given, "--json").stdout)
    english, chinese = yunhe(*given).stdout, yunhe(*given, language="zh").stdout
    assert "not checked against the source" in english
    assert "未与出处核对" in chinese
    for shown in (english, chinese):
        assert said["pipeline"] in shown
        for step in said["steps"]:
            assert f". {step['name']}  " in shown
            for name, threshold in step["thresholds"].items():
                assert f"{name} = {threshold['value']:,}" in shown


def test_a_dry_run_shows_no_raw_text_where_it_would_be_kept(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "in.jsonl")
    given = ["clean", path, "--profile", "zh-short", "--dry-run", "3"]
    hidden = yunhe(*given)
    assert hidden.returncode == 0
    assert "3 document(s) tried" in hidden.stdout
    assert PHONE not in hidden.stdout + hidden.stderr
    assert "路灯" not in hidden.stdout + hidden.stderr
    shown = yunhe(*given, "--show-text").stdout
    assert f"[-{PHONE}-]" in shown
    assert "{+[电话]+}" in shown
    said = json.loads(yunhe(*given, "--json").stdout)["documents"]
    assert [each["row"] for each in said] == [1, 2, 3]
    assert said[2]["dropped"] == ["length", "empty"]
    assert "before" not in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_help_says_what_is_read_and_what_the_codes_mean() -> None:
    english = yunhe("clean", "--help", COLUMNS="80").stdout
    chinese = yunhe("clean", "--help", language="zh", COLUMNS="80").stdout
    assert "3 the output is whole" in " ".join(english.split())
    assert max(width(line) for line in chinese.splitlines()) <= 80
    for word in ("GB18030", "WARC", "s3://", "--dry-run", "--explain"):
        assert word in english
        assert word in chinese


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("yunhe.cli.cleansed.time", made)
    return made


def rate(language: Language = "en") -> Rate:
    return Rate(Session(language, None, as_json=False))


def test_progress_gives_rate_and_time_left(clock: Clock, capsys: pytest.CaptureFixture) -> None:
    shown = rate()
    for second in range(11):
        clock.now = float(second)
        shown.step("corpus.documents", done=second * 100)
        shown.step("corpus.bytes", done=second * 10_000_000, total=400_000_000)
        shown.step("corpus.documents", done=second * 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].endswith("100.0 MB / 400.0 MB · documents 1,000 · 10.0 MB/s · 0:30 left")
    assert len(lines) <= 4
    shown.close()


def test_time_is_told_in_hours_only_where_there_are_any() -> None:
    assert [duration(s) for s in (7, 750, 10_930.4)] == ["0:07", "12:30", "3:02:10"]
