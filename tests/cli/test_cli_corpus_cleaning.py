"""`yunhe clean` and `yunhe kernels` in this process: asked for, shown, told meanwhile."""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from office import Said, run

from yunhe.cli import cleaning as door
from yunhe.cli import cleansed, explained
from yunhe.cli.help import width
from yunhe.cli.session import Session
from yunhe.corpus import cleaning
from yunhe.corpus.domain import Columns
from yunhe.corpus.explaining import Tried
from yunhe.corpus.inputs import Found
from yunhe.corpus.running.job import Done
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.errors import Conflict, Finding, Invalid
from yunhe.kernel.language import LANGUAGES, Language, text

PHONE = "13800138000"
PROFILES = sorted(
    each.name.removesuffix(".yaml")
    for each in (files("yunhe.corpus") / "profiles").iterdir()
    if each.name.endswith(".yaml")
)


class Machine:
    """Commands of this process whose cleansing only notes what it was asked for."""

    def __init__(self, capsys: Any, monkeypatch: Any, folder: Path) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.asked: list[cleaning.Asked] = []
        self.done = Done({"pipeline": {"digest": "sha256:" + "1" * 64}})
        self.there = Found()
        self.counted = Statistics(documents_in=4, documents_out=2, bytes_in=3_000_000)
        self.refuses: Exception | None = None
        self.steps: list[tuple[str, int, int | None]] = []
        monkeypatch.setattr(cleaning, "cleanse", self._cleanse)
        monkeypatch.setattr(cleaning, "found", lambda _: self.there)
        monkeypatch.setattr(cleaning, "counted", lambda _: self.counted)
        self.pages: list[tuple[Path, Language]] = []
        monkeypatch.setattr(cleaning, "write_datasheet", lambda *given: self.pages.append(given))
        monkeypatch.chdir(folder)

    def _cleanse(self, asked: cleaning.Asked, there: Found, *, progress: Any) -> Done:
        assert there is self.there
        self.asked.append(asked)
        for what, done, total in self.steps:
            progress.step(what, done=done, total=total)
        if self.refuses is not None:
            raise self.refuses
        return self.done

    def __call__(self, *arguments: object, lang: str = "en", before: tuple[str, ...] = ()) -> Said:
        given = ("--lang", lang, *before, "clean", *arguments)
        return run(self._capsys, self._monkeypatch, *given)


@pytest.fixture
def machine(capsys, monkeypatch, tmp_path) -> Machine:
    return Machine(capsys, monkeypatch, tmp_path)


# --- what is typed is what is asked -----------------------------------------------------------

WISHES = [
    ("", {}),
    ("--profile zh-short", {"profile": "zh-short"}),
    ("--text a.b --label c --id d", {"columns": Columns("a.b", "c", "d")}),
    ("--input-format warc-all", {"input_format": "warc-all"}),
    ("--format jsonl.zst", {"format": "jsonl.zst"}),
    ("--threads 7", {"threads": 7}),
    ("--ray local", {"ray": "local"}),
    ("--ray ray://head:10001 --threads 256", {"ray": "ray://head:10001", "threads": 256}),
    ("--memory 512MB", {"memory": "512MB"}),
    (
        "--source s --holder h --licence l",
        {"source": {"name": "s", "holder": "h", "licence": "l", "registered": "not_asked"}},
    ),
    ("--synthetic", {"source": {"synthetic": True}}),
    ("--licence 0", {"source": {"licence": "0"}}),
]


@pytest.mark.parametrize(("typed", "changed"), WISHES, ids=[typed for typed, _ in WISHES])
def test_what_is_typed_is_what_is_asked_for(machine, typed, changed):
    machine("a", "b", "-o", "out", *typed.split())
    [asked] = machine.asked
    usual = {
        "inputs": ("a", "b"), "input_format": None, "columns": Columns("text", None, None),
        "profile": "zh-pretrain", "out": Path("out"), "format": "parquet", "ray": None,
        "memory": "2GB", "rejects": None, "source": {},
    }  # fmt: skip
    for name, value in (usual | changed).items():
        assert getattr(asked, name) == value, name
    assert asked.threads >= 1


def test_threads_are_as_many_as_this_process_may_use_unless_said(machine, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5})
    machine("a", "-o", "out")
    assert machine.asked[0].threads == 3


@pytest.mark.parametrize(("typed", "days"), [("", 30), ("--rejects-days 1", 1)])
def test_rejects_have_a_last_day_from_the_start(machine, typed, days):
    machine("a", "-o", "out", "--keep-rejects", "key", *typed.split())
    before = datetime.now(UTC).date() + timedelta(days=days)
    path, until = machine.asked[0].rejects or (None, None)
    assert (path, until) in {(Path("key"), before), (Path("key"), before - timedelta(days=1))}


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "a",
        "-o out",
        "--dry-run 3",
        "a -o out --threads 257",
        "a -o out --threads 1.5",
        "a -o out --rejects-days 0",
        "a -o out --rejects-days 3651",
        "a --dry-run 1001",
        "a --dry-run -1",
        "a -o out --format PARQUET2",
        "a -o out --colour red",
        "a -o out --lang de",
    ],
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_wrong_use_ends_with_two_and_asks_for_nothing(machine, typed, lang):
    said = machine(*typed.split(), lang=lang)
    assert (said.code, said.out) == (2, "")
    assert said.err
    assert "cli." not in said.err
    for_program = machine(*typed.split(), "--json", lang=lang)
    assert for_program.code == 2
    assert for_program.json["kind"] == "usage"
    assert machine.asked == []


@pytest.mark.parametrize("before", [(), ("--json",)])
def test_json_may_stand_before_the_command_or_after_it(machine, before):
    after = () if before else ("--json",)
    said = machine("a", "-o", "out", *after, before=before)
    assert said.json["documents_in"] == 4


def test_the_language_may_be_named_after_the_command_too(machine):
    assert "读入文档" in machine("a", "-o", "out", "--lang", "zh", lang="zh").out


# --- what is told at the end ------------------------------------------------------------------

FINDING = Finding("a.jsonl:5", "corpus.input_empty")


@pytest.mark.parametrize(
    ("done", "found", "code"),
    [
        ({}, {}, 0),
        ({"faults": 1, "findings": (FINDING,)}, {}, 3),
        ({"unread": ("b.gz",)}, {}, 3),
        ({}, {"findings": [FINDING]}, 3),
        ({}, {"passed_over": 2}, 0),
        ({"repeated": True}, {}, 0),
        ({"repeated": True, "faults": 9}, {}, 3),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_tells_whether_all_of_the_input_was_read(machine, done, found, code, as_json):
    machine.done = Done(machine.done.manifest, **done)
    machine.there = Found(**found)
    assert machine("a", "-o", "out", *(["--json"] if as_json else [])).code == code


def test_faults_go_to_the_other_stream_and_to_programs_with_their_codes(machine):
    machine.there = Found(findings=[FINDING], passed_over=2)
    machine.done = Done(
        machine.done.manifest,
        findings=(Finding("x\x1b[2J.jsonl:7", "corpus.input_empty"),),
        faults=2,
        unread=("b.gz",),
    )
    said = machine("a", "-o", "out")
    assert "a.jsonl:5" in said.err
    assert "\x1b" not in said.err
    assert "2 file(s) of other kinds" in said.err
    assert text("cli.clean.faulty", "en", faults=2, files=1) in said.err
    assert "a.jsonl" not in said.out
    answer = machine("a", "-o", "out", "--json").json
    assert [each["where"] for each in answer["findings"]] == ["a.jsonl:5", "x\x1b[2J.jsonl:7"]
    assert {each["code"] for each in answer["findings"]} == {"corpus.input_empty"}
    assert (answer["faults"], answer["unread"], answer["passed_over"]) == (2, ["b.gz"], 2)


def test_a_program_is_given_whole_numbers_and_the_digest_of_the_pipeline(machine):
    machine.counted = Statistics(
        documents_in=4, documents_out=2, bytes_in=7,
        dropped={"length": {"empty": 2}}, details={"PHONE": {"spans": 3, "documents": 1}},
    )  # fmt: skip
    said = machine("a", "-o", "out", "--json")
    assert said.out.count("\n") == 1
    answer = said.json
    assert answer["pipeline"] == "sha256:" + "1" * 64
    assert (answer["documents_in"], answer["documents_out"], answer["text_bytes_in"]) == (4, 2, 7)
    assert answer["dropped"] == {"length": {"empty": 2}}
    assert answer["out"] == "out"
    assert not any(isinstance(value, float) for value in answer.values())


def test_reasons_are_listed_by_their_number_and_no_more_than_a_screenful(machine):
    reasons = {
        step: {reason: count for count, reason in enumerate(names, 1)}
        for step, names in (
            ("length", ["empty", "too_short", "too_long"]),
            ("duplicates", ["duplicate"]),
            ("encoding", ["bytes_lost", "unreadable"]),
        )
    }
    machine.counted = Statistics(documents_in=1000, documents_out=1, dropped=reasons)
    out = machine("a", "-o", "out").out
    counts = [int(each) for each in re.findall(r"^− .* (\d+)$", out, re.MULTILINE)]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 6
    assert "corpus." not in out


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_type_of_detail_has_a_name_in_the_table(machine, lang):
    from yunhe.corpus.domain import PERSONAL_TYPES  # noqa: PLC0415

    machine.counted = Statistics(
        details={each: {"spans": 1234, "documents": 1} for each in PERSONAL_TYPES}
    )
    out = machine("a", "-o", "out", lang=lang).out
    assert out.count("1,234") == len(PERSONAL_TYPES)
    assert "corpus." not in out


@pytest.mark.parametrize("columns", ["24", "40", "200"])
def test_numbers_of_the_table_are_never_broken(machine, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    machine.counted = Statistics(
        documents_in=123_456_789_012, documents_out=1, dropped={"length": {"empty": 98_765_432_101}}
    )
    out = machine("a", "-o", "out").out
    assert "123,456,789,012" in out
    assert "98,765,432,101" in out


def test_speed_is_told_of_a_run_and_not_of_what_was_there_already(machine, monkeypatch):
    monkeypatch.setattr(cleansed, "cpu_seconds", lambda: 2.0)
    assert "2.0 CPU-seconds, 1.5 MB of text" in machine("a", "-o", "out").out
    machine.counted = Statistics()
    assert "2.0 CPU-seconds, – MB" in machine("a", "-o", "out").out
    machine.done = Done(machine.done.manifest, repeated=True)
    out = machine("a", "-o", "out").out
    assert "CPU-seconds" not in out
    assert "nothing was done" in out


@pytest.mark.parametrize(("repeated", "there"), [(False, False), (True, False), (True, True)])
def test_a_page_about_the_dataset_is_written_once_in_the_readers_language(machine, repeated, there):
    machine.done = Done(machine.done.manifest, repeated=repeated)
    Path("out").mkdir()
    if there:
        Path("out/datasheet.html").write_text("as somebody left it")
    machine("a", "-o", "out", lang="zh")
    assert machine.pages == ([] if there else [(Path("out"), "zh")])


@pytest.mark.parametrize(
    "error", [Invalid("corpus.memory_wrong", given="x"), Conflict("corpus.output_busy", where="o")]
)
def test_a_run_that_fails_ends_with_its_code_and_says_no_result(machine, error):
    machine.refuses = error
    said = machine("a", "-o", "out")
    assert (said.code, said.out) == (error.exit_code, "")


def test_an_interrupted_run_ends_with_130_and_a_sentence(machine):
    machine.refuses = KeyboardInterrupt()
    for lang in LANGUAGES:
        said = machine("a", "-o", "out", lang=lang)
        assert (said.code, said.out) == (130, "")
        assert text("cli.interrupted", lang) in said.err


# --- progress ---------------------------------------------------------------------------------


class Clock:
    """Time that moves by so much whenever it is asked for."""

    def __init__(self, by: float) -> None:
        self._times = itertools.count(1000)
        self._by = by

    def monotonic(self) -> float:
        return next(self._times) * self._by


class Terminal:
    """A standard error that says it is a terminal."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, letters: str) -> int:
        self.written += letters
        return len(letters)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        return True


def stepped(
    monkeypatch: Any, *steps: tuple[str, int, int | None], by: float = 10.0, lang: Language = "en"
) -> None:
    monkeypatch.setattr(cleansed, "time", Clock(by))
    shown = cleansed.Rate(Session(lang, None, as_json=False))
    for what, done, total in steps:
        shown.step(what, done=done, total=total)
    shown.close()


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_live_line_is_redrawn_only_where_the_terminal_can(monkeypatch, term):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", term)
    stepped(monkeypatch, ("corpus.bytes", 1_000_000, 9_000_000), ("corpus.bytes", 9_000_000, None))
    if term == "dumb":
        assert "\x1b" not in terminal.written
        assert terminal.written.endswith("\n")
    else:
        assert "\n" not in terminal.written
        assert terminal.written.endswith("\r\x1b[2K")  # nothing of it is left


def test_a_closed_terminal_line_that_was_never_drawn_leaves_no_trace(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    stepped(monkeypatch)
    assert terminal.written == ""


def test_the_end_of_a_step_is_told_however_soon_it_comes(monkeypatch, capsys):
    stepped(
        monkeypatch,
        ("corpus.kernels", 1, 3), ("corpus.kernels", 2, 3), ("corpus.kernels", 3, 3),
        by=0.0001,
    )  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].endswith("3 / 3")


def test_no_rate_is_guessed_from_the_first_moment(monkeypatch, capsys):
    stepped(monkeypatch, ("corpus.bytes", 5, 100), ("corpus.bytes", 100, 100), by=0.5)
    assert "/s" not in capsys.readouterr().err


def test_less_than_one_a_second_gives_no_rate_but_the_time_left(monkeypatch, capsys):
    stepped(monkeypatch, ("corpus.kernels", 0, 10), ("corpus.kernels", 5, 10), by=20.0)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "/s" not in last
    assert last.endswith("0:20 left")


def test_a_new_step_begins_anew_without_the_counts_of_the_last(monkeypatch, capsys):
    stepped(
        monkeypatch,
        ("corpus.bytes", 1_000_000, 2_000_000),
        ("corpus.documents", 77, None),
        ("corpus.bytes", 1_500_000, 2_000_000),
        ("corpus.kernels", 1, 2),
    )
    lines = capsys.readouterr().err.splitlines()
    assert "77" in lines[1]
    assert "77" not in lines[2]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_progress_speaks_the_language(monkeypatch, capsys, lang):
    stepped(monkeypatch, ("corpus.bytes", 0, 9), ("corpus.bytes", 4, 9), lang=lang)
    err = capsys.readouterr().err
    assert "corpus." not in err
    assert (text("cli.clean.left", lang, time="0:13") in err) or ("0:12" in err)


def test_a_program_reads_progress_as_objects_and_the_answer_apart_from_them(machine, monkeypatch):
    monkeypatch.setattr(cleansed, "time", Clock(10.0))
    machine.steps = [
        ("corpus.bytes", 0, 10), ("corpus.documents", 3, None), ("corpus.bytes", 10, 10)
    ]  # fmt: skip
    said = machine("a", "-o", "out", "--json")
    events = [json.loads(line) for line in said.err.splitlines()]
    assert events == [
        {"event": "progress", "stage": "corpus.bytes", "done": 0, "total": 10},
        {"event": "progress", "stage": "corpus.bytes", "done": 10, "total": 10,
         "corpus.documents": 3},
    ]  # fmt: skip
    assert said.json["documents_in"] == 4


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0:00"), (0.4, "0:00"), (59.6, "1:00"), (60, "1:00"), (3599, "59:59"), (3599.6, "1:00:00"),
     (86_400, "24:00:00")],
)  # fmt: skip
def test_a_time_is_told_in_whole_seconds(seconds, told):
    assert cleansed.duration(seconds) == told


# --- documents before and after ---------------------------------------------------------------


def tried(before: str, after: str | None = None, **changed: Any) -> Tried:
    given: dict[str, Any] = {
        "file": "a.jsonl", "row": 1, "dropped": None, "repairs": (), "details": (),
        "before": before, "after": before if after is None else after,
    }  # fmt: skip
    return Tried(**given | changed)


def shown(capsys: Any, *documents: Tried, lang: Language = "en", **given: Any) -> str:
    as_json = given.pop("as_json", False)
    session = Session(lang, None, as_json)
    click_less: Iterator[Tried] = iter(documents)
    with _context():
        explained.show_tried(session, click_less, **{"show_text": True, **given})
    return str(capsys.readouterr().out)


def _context() -> Any:
    import click  # noqa: PLC0415

    return click.Context(click.Command("x"), obj={})


CHANGES = [
    ("ab", "ab", "ab"),
    ("a1b", "ab", "a[-1-]b"),
    ("ab", "a1b", "a{+1+}b"),
    (f"电话{PHONE}。", "电话[电话]。", f"电话[-{PHONE}-]{{+[电话]+}}。"),
    ("", "x", "{+x+}"),
    ("x", "", "[-x-]"),
    ("[bold]x[/]", "[bold]x[/]", "[bold]x[/]"),
    ("a\x1b[2Jb\u202ec", "a\x1b[2Jb\u202ec", "a\ufffd[2Jb\ufffdc"),
    ("a\r\nb\tc", "a\r\nb\tc", "a\ufffd\nb"),
]


@pytest.mark.parametrize(("before", "after", "seen"), CHANGES, ids=range(len(CHANGES)))
def test_what_leaves_and_what_comes_is_marked_where_there_is_no_colour(capsys, before, after, seen):
    assert seen in shown(capsys, tried(before, after))


@pytest.mark.parametrize(
    ("length", "cut"), [(3999, False), (4000, False), (4001, True), (50_000, True)]
)
def test_a_long_text_is_cut_and_said_to_be_only_when_it_is(capsys, length, cut):
    out = shown(capsys, tried("字" * length))
    assert out.count("字") == min(length, 4000)
    assert ("…" in out) is cut


def test_a_text_cut_within_its_changes_shows_no_empty_mark(capsys):
    out = shown(capsys, tried("字" * 4000 + "1", "字" * 4000))
    assert "[--]" not in out
    assert "…" in out


def test_the_room_is_shared_by_all_pieces_of_one_document_alone(capsys):
    out = shown(capsys, tried("a" * 3000 + "1" * 1500, "a" * 3000), tried("b" * 4000))
    assert out.count("b") == 4000
    assert "1" * 1000 + "-]" in out
    assert "1" * 1001 not in out


def test_texts_of_few_different_letters_are_compared_in_no_time():
    """Comparing them letter by letter takes the cube of their length."""
    began = time.process_time()
    for before, after in (
        ("a1" * 4000, "a" * 4000),
        ("哈" * 9000 + PHONE + "哈" * 9000, "哈" * 9000 + "[电话]" + "哈" * 9000),
        ("-" * 20_000, "-" * 10_000),
    ):
        pieces = tried(before, after).changes()
        assert "".join(piece for kind, piece in pieces if kind != "in") == before
        assert "".join(piece for kind, piece in pieces if kind != "out") == after
        assert all(piece for _, piece in pieces)
    assert time.process_time() - began < 2.0  # it was minutes


@given(st.text("ab电", max_size=12), st.text("ab电", max_size=12))
def test_pieces_put_together_are_the_text_before_and_after(before, after):
    pieces = tried(before, after).changes()
    assert "".join(piece for kind, piece in pieces if kind != "in") == before
    assert "".join(piece for kind, piece in pieces if kind != "out") == after


FATES = [
    ({}, "unchanged"),
    ({"after": "y"}, "changed"),
    ({"details": (("PHONE", 2), ("NAME", 1))}, "× 2"),
    ({"dropped": ("length", "empty")}, "dropped by length"),
]


@pytest.mark.parametrize(("changed", "words"), FATES, ids=range(len(FATES)))
def test_the_fate_of_a_document_is_told_in_words(capsys, changed, words):
    english = shown(capsys, tried("x", **changed), show_text=False)
    chinese = shown(capsys, tried("x", **changed), show_text=False, lang="zh")
    assert words in english
    for out in (english, chinese):
        assert "corpus." not in out
        assert out.startswith("a.jsonl:1  ")
    assert english.splitlines()[0] != chinese.splitlines()[0]


def test_every_repair_of_every_step_has_its_words(capsys):
    from yunhe.corpus.explaining import told  # noqa: PLC0415
    from yunhe.corpus.profiles import built_in  # noqa: PLC0415

    steps = {step.name: step for name in PROFILES for step in told(built_in(name))[0]}
    repairs = tuple((name, kind) for name, step in steps.items() for kind in step.repairs)
    assert repairs
    for lang in LANGUAGES:
        out = shown(capsys, tried("x", "y", repairs=repairs), show_text=False, lang=lang)
        assert "corpus." not in out
        for name, step in steps.items():
            for reason in step.reasons:
                one = tried("x", dropped=(name, reason))
                assert "corpus." not in shown(capsys, one, show_text=False, lang=lang)


def test_a_files_name_steers_no_terminal_and_is_no_markup(capsys):
    out = shown(capsys, tried("x", file="[red]a\x1b[2J.jsonl"))
    assert "[red]a\ufffd[2J.jsonl:1" in out


@pytest.mark.parametrize(("asked", "as_json"), list(itertools.product((False, True), repeat=2)))
def test_raw_text_is_kept_out_of_what_others_keep_unless_asked_for(capsys, asked, as_json):
    out = shown(capsys, tried(PHONE, "[电话]"), show_text=asked, as_json=as_json)
    assert (PHONE in out) is asked
    if as_json:
        [one] = json.loads(out)["documents"]
        assert (one["characters_before"], one["characters_after"]) == (11, 4)
        assert ("before" in one) is asked
    else:
        assert ("--show-text" in out) is not asked


# --- what a profile does ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def profiles() -> dict[str, dict[str, Any]]:
    """What `--explain --json` is made of, by profile."""
    found = {}
    for name in PROFILES:
        asked = cleaning.Asked((), None, Columns("text", None, None), name, Path())
        found[name] = explained.profile_json(*cleaning.told(asked))
    return found


def test_every_profile_explains_itself_with_whole_numbers_and_their_sources(profiles):
    assert len({each["pipeline"] for each in profiles.values()}) == len(profiles) >= 4
    for profile in profiles.values():
        assert json.loads(json.dumps(profile)) == profile
        for step in profile["steps"]:
            for threshold in step["thresholds"].values():
                assert type(threshold["value"]) is int
                assert threshold["source"].strip()
                assert type(threshold["verified"]) is bool


@pytest.mark.parametrize("lang", LANGUAGES)
def test_explaining_needs_no_input_and_no_output(machine, lang, profiles):
    for name, profile in profiles.items():
        said = machine("--explain", "--profile", name, lang=lang)
        assert said.code == 0
        assert profile["pipeline"] in said.out
        assert "corpus." not in said.out
        assert all(f". {step['name']}  " in said.out for step in profile["steps"])
    assert machine.asked == []
    assert machine("--explain", "--profile", name, "--json").json == profile


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_help_keeps_to_the_width_of_the_terminal(machine, monkeypatch, columns):
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: (columns, 24))
    monkeypatch.setenv("COLUMNS", str(columns))
    out = machine("--help", lang="zh").out
    for line in out.splitlines():
        assert width(line) <= columns or " " not in line.strip() or line.startswith("  yunhe ")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_option_has_a_meaning_in_the_help(lang):
    command = door.clean(lang)
    for option in command.params:
        if option.name != "inputs":
            said = getattr(option, "help", "")
            assert said
            assert not said.startswith("cli.")


@pytest.mark.parametrize("as_json", [False, True])
def test_kernels_are_compiled_once_and_counted(capsys, monkeypatch, as_json):
    told: list[int] = []

    def compiled(step: Any) -> int:
        for done in (0, 1, 2):
            step(done, 2, "name")
            told.append(done)
        return 2

    monkeypatch.setattr(cleaning, "compile_kernels", compiled)
    said = run(capsys, monkeypatch, "--lang", "en", "kernels", *(["--json"] if as_json else []))
    assert (said.code, told) == (0, [0, 1, 2])
    if as_json:
        assert said.json == {"kernels": 2}
        assert all(json.loads(line)["event"] == "progress" for line in said.err.splitlines())
    else:
        assert "2" in said.out
        assert "2 / 2" in said.err


SIZES = [
    ("256MB", 256 << 20),
    (" 2 gb ", 2 << 30),
    ("2.5GB", (5 << 30) // 2),
    ("268435456", 256 << 20),
    ("1048576KB", 1 << 30),
    ("0.25GB", 256 << 20),
]


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_an_amount_of_memory_is_read_as_people_write_it(written, size):
    assert cleaning.bytes_of(written) == size


@pytest.mark.parametrize(
    "written",
    ["", "GB", "-1GB", "2TB", "2G", "1e9", "0x10000000", "nan", "inf", "２GB", "²GB", "2.²GB",
     "1.GB.", "1.2.3GB", "255MB", "0.2499GB", "9" * 5000, "2,5GB", "٣GB"],
)  # fmt: skip
def test_what_is_no_amount_or_too_little_is_refused_with_what_to_write(written):
    with pytest.raises(Invalid) as refused:
        cleaning.bytes_of(written)
    assert refused.value.code == "corpus.memory_wrong"
    assert len(refused.value.message("en")) < 300
