"""`yunhe tables`, `yunhe keywords` and `yunhe corpus-train`: files of this machine, no server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from office import Said, run

from yunhe.corpus import training
from yunhe.corpus.risk.classes import classes
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from yunhe.kernel.language import LANGUAGES

Yunhe = Callable[..., Said]


@pytest.fixture
def yunhe(capsys: Any, monkeypatch: Any, tmp_path: Path) -> Yunhe:
    """Commands run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object, lang: str = "en") -> Said:
        return run(capsys, monkeypatch, "--lang", lang, *arguments)

    return command


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Ages and regions, each of twelve pairs ten times, with a name and an illness."""
    path = tmp_path / "people.csv"
    rows = [
        f"p{n},{20 + n % 4},31010{n % 3},ill{n % 5},note"
        for n in range(120)
    ]  # fmt: skip
    path.write_text("\n".join(["name,age,region,illness,note", *rows]) + "\n", "utf-8")
    return path


# --- tables -----------------------------------------------------------------------------------


def test_a_table_is_measured_without_a_copy_and_told_in_both_languages(yunhe, table):
    asked = ("tables", table, "--quasi", " age , region ", "--sensitive", "illness")
    english, chinese = yunhe(*asked), yunhe(*asked, lang="zh")
    assert (english.code, chinese.code) == (0, 0)
    assert english.out.splitlines()[0] == "k = 10, l = 5"
    assert "120 of 120 rows, 0 left out" in english.out
    assert "12 class(es) of up to 16 row(s)" in english.out
    for said in (english, chinese):
        assert "corpus." not in said.out
        assert "cli." not in said.out
        assert "去标识化" in said.out
    assert os.listdir() == ["people.csv"]  # noqa: PTH208


def test_without_a_sensitive_column_nothing_is_said_of_its_diversity(yunhe, table):
    out = yunhe("tables", table, "--quasi", "age").out
    assert out.splitlines()[0] == "k = 30"
    assert "l =" not in out


def test_a_copy_holds_what_was_named_and_says_what_it_left_out(yunhe, table):
    asked = ("--quasi", "age:number,region:region", "--sensitive", "illness", "--keep", "note")
    said = yunhe("--json", "tables", table, *asked, "--k", 25, "-o", "copy.csv")
    assert said.code == 0
    report = said.json
    assert report["k"] >= 25
    assert report["columns_left_out"] == ["name"]
    assert report["rows_released"] + report["rows_suppressed"] == report["rows"] == 120
    assert set(report["levels"]) == {"age", "region"}
    assert sum(report["classes_by_size_max"].values()) == report["classes"]
    head, *rows = Path("copy.csv").read_text("utf-8").splitlines()
    assert head.replace('"', "") == "age,region,illness,note"
    assert len(rows) == report["rows_released"]
    again = yunhe("--json", "tables", "copy.csv", "--quasi", "age,region").json
    assert again["k"] == report["k"]


WRONG_TABLES = [
    ("--quasi age --k 0", "k"),
    ("--quasi age --k -1", "k"),
    ("--quasi age --k 100001", "k"),
    ("--quasi age --k 99999999999999999999", "k"),
    ("--quasi age --l 0", "l"),
    ("--quasi age --l 2", "l"),
    ("--quasi age --suppress 101", "suppress"),
    ("--quasi age --suppress -1", "suppress"),
    ("--quasi ,", "quasi"),
    ("--quasi nobody", "people.csv"),
    ("--quasi age --sensitive age", "people.csv"),
    ("--quasi age --keep age", "people.csv"),
    ("--quasi age --sensitive nobody", "people.csv"),
    ("--quasi age:colour -o copy.csv", "quasi.age"),
    ("--quasi illness:number -o copy.csv", "people.csv"),
    ("--quasi age,region -o people.csv", "output"),
]


@pytest.mark.parametrize(("typed", "where"), WRONG_TABLES, ids=[t for t, _ in WRONG_TABLES])
def test_what_cannot_be_asked_of_a_table_is_told_with_its_place_and_nothing_is_written(
    yunhe, table, typed, where
):
    before = table.read_bytes()
    said = yunhe("--json", "tables", table, *typed.split())
    assert (said.code, said.json["code"]) == (Invalid.exit_code, "corpus.table_invalid")
    assert where in [each["where"] for each in said.json["findings"]]
    for lang in LANGUAGES:
        assert "corpus." not in yunhe("tables", table, *typed.split(), lang=lang).err
    assert table.read_bytes() == before
    assert os.listdir() == ["people.csv"]  # noqa: PTH208


def test_a_table_is_not_overwritten_through_a_link_to_it_either(yunhe, table):
    Path("other.csv").symlink_to(table)
    before = table.read_bytes()
    assert yunhe("tables", table, "--quasi", "age", "-o", "other.csv").code == Invalid.exit_code
    assert table.read_bytes() == before
    assert Path("other.csv").is_symlink()


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("people.csv", 2),
        ("--quasi age", 2),
        ("people.csv --quasi age --k many", 2),
        (". --quasi age", 2),
        ("people.csv --quasi age -o .", 2),
        ("nowhere.csv --quasi age", NotFound.exit_code),
        ("people.csv --quasi age --k 121 -o copy.csv", Conflict.exit_code),
        ("people.csv --quasi age -o nowhere/copy.csv", Unavailable.exit_code),
    ],
)
def test_each_way_to_go_wrong_with_a_table_has_its_exit_code(yunhe, table, typed, code):
    said = yunhe("tables", *typed.split())
    assert (said.code, said.out) == (code, "")
    assert said.err
    assert table.exists()
    assert os.listdir() == ["people.csv"]  # noqa: PTH208


def test_names_of_columns_steer_no_terminal(yunhe, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("age,a\x1b[2Jb\n" + "1,x\n" * 9, "utf-8")
    said = yunhe("tables", path, "--quasi", "age", "-o", "copy.csv")
    assert (said.code, "\x1b" in said.out) == (0, False)


# --- libraries of risk words ------------------------------------------------------------------


def library(path: Path, count: int = 1) -> Path:
    """Harmless words, so many of each class."""
    rows = [f"无害词{each.id}{n},{each.id}" for each in classes() for n in range(count)]
    path.write_text("word,class\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def test_a_library_is_counted_by_class_in_the_readers_language(yunhe, tmp_path):
    path = library(tmp_path / "words.csv")
    english, chinese = yunhe("keywords", path), yunhe("keywords", path, lang="zh")
    assert english.code == chinese.code == 3
    for said, language in ((english, "en"), (chinese, "zh")):
        for each in classes():
            assert each.id in said.out
            assert each.names[language][:10] in said.out
        assert "无害词" not in said.out
        assert "corpus." not in said.out
        assert "None" not in said.out


def test_what_is_missing_is_listed_with_what_is_there_and_what_is_wanted(yunhe, tmp_path):
    path = library(tmp_path / "words.csv")
    answer = yunhe("--json", "keywords", path).json
    assert answer["digest"] == sha256(path.read_bytes())
    assert answer["entries"] == len(classes()) == 31
    assert answer["met"] is False
    assert "无害词" not in json.dumps(answer, ensure_ascii=False)
    lines = [line for line in yunhe("keywords", path).out.splitlines() if "not met" in line]
    unmet = [each for each in answer["checks"] if not each["met"]]
    assert len(lines) == len(unmet) > 0


def test_an_old_library_is_told_to_be_old_by_its_files_date(yunhe, tmp_path):
    path = library(tmp_path / "words.csv")
    fresh = {each["rule"]: each["met"] for each in yunhe("--json", "keywords", path).json["checks"]}
    os.utime(path, (1_000_000_000, 1_000_000_000))
    old = {each["rule"]: each["met"] for each in yunhe("--json", "keywords", path).json["checks"]}
    changed = {rule for rule in fresh if fresh[rule] != old[rule]}
    assert len(changed) == 1
    assert all(fresh[rule] and not old[rule] for rule in changed)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("w.csv", "word,class\nab,A.9.9\n", Invalid.exit_code),
        ("w.csv", "nothing\n", Invalid.exit_code),
        ("w.csv", "", Invalid.exit_code),
        ("w.yaml", "[", Invalid.exit_code),
        ("w.txt", "word,class\n", Invalid.exit_code),
        ("w.csv", "word,class\nab,A.1.1\nab,A.1.1\n", Invalid.exit_code),
    ],
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_faulty_library_is_refused_with_places_and_without_its_words(
    yunhe, tmp_path, name, content, code, lang
):
    (tmp_path / name).write_text(content, "utf-8")
    said = yunhe("keywords", name, lang=lang)
    assert (said.code, said.out) == (code, "")
    assert name in said.err
    assert "corpus." not in said.err
    assert "ab" not in said.err.replace("table", "")


def test_a_library_that_is_not_there_or_a_folder_has_its_own_code(yunhe, tmp_path):
    assert yunhe("keywords", "nowhere.csv").code == NotFound.exit_code
    assert yunhe("keywords", tmp_path).code == 2


# --- training ---------------------------------------------------------------------------------

CARD = {
    "held_out": {
        "rows": 200, "f1_per_10000": 9123, "f1_low_per_10000": 8950, "f1_high_per_10000": 9301,
        "thresholds": [
            {"precision_percent": 95, "score_per_thousand_max": 812, "recall_per_thousand": 667},
            {"precision_percent": 99, "score_per_thousand_max": 990, "recall_per_thousand": 5},
        ],
    }
}  # fmt: skip


class Trainer:
    """Stands in for training and notes what it was asked."""

    def __init__(self, monkeypatch: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self.card: Any = CARD
        monkeypatch.setattr(training, "train_names", self.names)
        monkeypatch.setattr(training, "train_toxicity", self.toxicity)

    def names(self, files: tuple[Path, ...], *, seed: int) -> tuple[bytes, int, int]:
        self.asked.append({"files": files, "seed": seed})
        return b"weights", 12, 34

    def toxicity(self, file: Path, **given: Any) -> tuple[bytes, Any]:
        self.asked.append({"file": file, **given})
        return b"weights", self.card


@pytest.fixture
def trainer(monkeypatch: Any) -> Trainer:
    return Trainer(monkeypatch)


def test_what_is_typed_is_what_is_trained_on(yunhe, trainer):
    yunhe("corpus-train", "names", "a.jsonl", "b.jsonl", "-o", "w")
    yunhe("corpus-train", "names", "a.jsonl", "-o", "w", "--seed", 0)
    yunhe("corpus-train", "toxicity", "t.csv", "-o", "w")
    chosen = ("--text", "said", "--label", "kind", "--toxic", "yes", "--seed", 7)
    yunhe("corpus-train", "toxicity", "t.csv", "-o", "w", *chosen)
    assert trainer.asked == [
        {"files": (Path("a.jsonl"), Path("b.jsonl")), "seed": 1},
        {"files": (Path("a.jsonl"),), "seed": 0},
        {"file": Path("t.csv"), "text": "text", "label": "label", "toxic": "1", "seed": 1},
        {"file": Path("t.csv"), "text": "said", "label": "kind", "toxic": "yes", "seed": 7},
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_weights_are_written_whole_and_named_by_their_digest(yunhe, trainer, lang):
    Path("w").write_bytes(b"earlier")
    said = yunhe("corpus-train", "names", "a", "-o", "w", lang=lang)
    assert said.code == 0
    assert Path("w").read_bytes() == b"weights"
    assert sha256(b"weights") in said.out
    assert "12" in said.out
    assert "34" in said.out
    assert os.listdir() == ["w"]  # noqa: PTH208
    answer = yunhe("--json", "corpus-train", "names", "a", "-o", "w", lang=lang).json
    assert answer == {"weights": "w", "digest": sha256(b"weights"), "rows": 12, "names": 34}


def test_what_was_measured_is_told_in_fractions_and_percent(yunhe, trainer):
    out = yunhe("corpus-train", "toxicity", "t.csv", "-o", "w").out
    assert "On 200 rows kept out of training: F1 0.912 (95 % interval 0.895 to 0.930)." in out
    assert "Precision of 95 %: score_per_thousand_max 812 finds 66.7 %" in out
    assert "Precision of 99 %: score_per_thousand_max 990 finds 0.5 %" in out
    trainer.card = {"held_out": None}
    said = yunhe("corpus-train", "toxicity", "t.csv", "-o", "w")
    assert (said.code, "F1" in said.out) == (0, False)
    assert yunhe("--json", "corpus-train", "toxicity", "t.csv", "-o", "w").json["card"] == {
        "held_out": None
    }


@pytest.mark.parametrize(
    "typed",
    [
        "names a",
        "names -o w",
        "names a -o .",
        "names a -o /",
        "names a -o w --seed -1",
        "names a -o w --seed 2147483648",
        "toxicity -o w",
        "toxicity a b -o w",
        "toxicity a -o ..",
        "houses a -o w",
    ],
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_wrong_use_is_told_before_anything_is_trained(yunhe, trainer, typed, lang):
    said = yunhe("corpus-train", *typed.split(), lang=lang)
    assert (said.code, said.out) == (2, "")
    assert trainer.asked == []


def test_weights_that_cannot_be_written_leave_the_earlier_ones_and_no_part(yunhe, trainer):
    Path("w").write_bytes(b"earlier")
    Path("w.partial").mkdir()
    said = yunhe("corpus-train", "names", "a", "-o", "w")
    assert said.code == Unavailable.exit_code
    assert Path("w").read_bytes() == b"earlier"
    assert yunhe("corpus-train", "names", "a", "-o", "no/w").code == Unavailable.exit_code


@pytest.mark.parametrize("command", ["names", "toxicity"])
def test_a_file_that_is_not_there_is_told_and_no_weights_appear(yunhe, command):
    for lang in LANGUAGES:
        said = yunhe("corpus-train", command, "nowhere.jsonl", "-o", "w", lang=lang)
        assert said.code == NotFound.exit_code
        assert "corpus." not in said.err
    assert os.listdir() == []  # noqa: PTH208


ROWS = [
    b"{broken",
    b'{"text": 3, "spans": []}',
    '{"text": "张三来了", "spans": [[0, 9, "PER"]]}'.encode(),
    '{"text": "张三来了", "spans": [[2, 1, "PER"]]}'.encode(),
    '{"text": "张三来了", "spans": "PER"}'.encode(),
    b"[]",
    b"",
]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_rows_that_teach_nothing_are_told_by_line_and_never_repeated(yunhe, row):
    Path("rows.jsonl").write_bytes(row + b"\n")
    said = yunhe("corpus-train", "names", "rows.jsonl", "-o", "w")
    assert said.code == Invalid.exit_code
    assert "rows.jsonl" in said.err
    assert "张三" not in said.err
    assert not Path("w").exists()
