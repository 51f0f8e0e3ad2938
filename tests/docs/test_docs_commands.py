"""Every command, path and link in the documents leads somewhere; the README's five are executed."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import click
import pytest
from plan_desk import ENVIRONMENT

from yunhe.cli.main import LazyGroup

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
    if not path.name.startswith("LICENSE")
)
MADE_BY_A_RUN = (
    "yunhe.db", "trust.txt", "receipts/latest.json", "witness/checkpoints.txt", "keys", "reports",
)  # fmt: skip
THE_READERS_OWN = {
    "my-plan.yaml", "plan.yaml", "tickets.jsonl", "waimai_10k.csv", "mine.csv",
    "receipt.json", "trust.txt", "outside.txt", "verifier.py",
    "workload.yaml", "rows.jsonl", "labels.csv", "philly.csv",
    "openb_pod_list_default.csv", "openb_node_list_all_node.csv",
}  # fmt: skip
"""Files that only the reader has."""
_SHELL = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:yunhe|make) [^`\n]+)`")


def commands(page: Path) -> Iterator[str]:
    """Each line of a page's shell blocks, and of what it indents like one."""
    source = page.read_text("utf-8")
    for indent, block in _SHELL.findall(source):
        lines = (line.removeprefix(indent) for line in block.replace("\\\n", " ").splitlines())
        yield from (line for line in lines if line.strip())
    if page.name == "CONTRIBUTING.md":
        yield from re.findall(r"^    (\S.*)$", re.sub(_SHELL, "", source), re.MULTILINE)


def parts(line: str) -> Iterator[list[str]]:
    """The simple commands of a line, as words, without where their output goes."""
    words = shlex.split(line, comments=True)
    command: list[str] = []
    for word in words:
        if word in ("&&", ";", "|"):
            yield command
            command = []
        else:
            command.append(word)
    yield command


ALL = [
    pytest.param(page, line, id=f"{page.name}: {line[:60]}")
    for page in PAGES
    for line in commands(page)
]


def test_the_documents_hold_commands():
    assert len(ALL) > 15
    assert {page.name for page in PAGES} >= {"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"}


def check_yunhe(words: list[str]) -> None:
    """The words as the command line itself reads them, without doing anything."""
    if words in (["--help"], ["--version"]):
        return
    group = LazyGroup("en")
    with group.make_context("yunhe", list(words)) as context:
        rest = [*context._protected_args, *context.args]
        _, command, left = group.resolve_command(context, rest)
        assert command is not None
        with (
            suppress(click.exceptions.Exit),  # --help ends it
            command.make_context(command.name, list(left), parent=context),
        ):
            pass


def check_make(words: list[str]) -> None:
    source = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", source, re.MULTILINE))
    variables = set(re.findall(r"\$\(([A-Z]+)\)", source))
    for word in words:
        name, is_variable, value = word.partition("=")
        assert name in (variables if is_variable else targets), word
        if name == "RUN":
            assert (ROOT / "benchmarks" / f"{value}.py").is_file(), word


def check_path(word: str) -> None:
    """A path in a command exists here, or is left by a run, or is the reader's own."""
    if word in THE_READERS_OWN or word.isupper() or word.startswith(("-", "/tmp", "http", "$")):
        return
    if "elsewhere" in word:
        return
    run = re.match(r"\.yunhe/[a-z]+(?:/(.+))?$", word)
    if run:
        left = run[1] or ""
        assert left in ("", "input") or left.startswith(MADE_BY_A_RUN), word
        return
    assert (ROOT / word).exists(), word


@pytest.mark.parametrize(("page", "line"), ALL)
def test_every_command_of_the_documents_can_be_typed(page, line):
    for words in parts(line):
        settings = [word for word in words if re.fullmatch(r"[A-Z_]+=.*", word)]
        if len(settings) == len(words):
            continue
        program, *given = words[len(settings) if words[0] in settings else 0 :]
        if program == "make":
            check_make(given)
            continue
        if program.startswith(".venv/bin/"):
            program = program.removeprefix(".venv/bin/")
            assert (BIN / program).exists(), program
        if program == "yunhe":
            check_yunhe(given[: given.index(">")] if ">" in given else given)
        else:
            assert program in ("python", "python3", "mkdir", "cp", "chmod", "git", "cat", "curl"), (
                line
            )
        for word in given:
            if "/" in word or re.search(r"\.(yaml|jsonl|csv|py|md|json|txt|db)$", word):
                check_path(word)


INLINE = [
    pytest.param(command, id=f"{page.name}: {command[:60]}")
    for page in PAGES
    for command in _INLINE.findall(page.read_text("utf-8"))
]


@pytest.mark.parametrize("command", INLINE)
def test_every_command_named_in_a_sentence_exists(command):
    program, *words = shlex.split(command.partition(" > ")[0].split(";")[0].split("；")[0])
    if program == "make":
        check_make([re.sub(r"=.*", "=ledger/transfers", word) for word in words])
        return
    with suppress(click.MissingParameter):  # a sentence may leave out what it works on
        check_yunhe(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    source = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", source):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, heading = target.partition("#")
        path = (page.parent / name) if name else page
        assert path.exists(), f"{page.name}: {target}"
        assert ROOT in path.resolve().parents, f"{page.name}: {target} leads out of the project"
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}
            assert heading in known, f"{page.name}: {target}"


def test_what_exists_in_two_languages_is_linked_from_both():
    for page in (ROOT / "docs").glob("*.zh.md"):
        english = page.with_name(page.name.replace(".zh.md", ".md"))
        assert english.is_file(), page.name
        assert page.name in english.read_text("utf-8"), page.name
        assert english.name in page.read_text("utf-8"), page.name


def test_architecture_is_short_and_names_every_floor_there_is():
    source = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert len(source.splitlines()) <= 200
    assert max(map(len, source.splitlines())) <= 200
    (tree,) = re.findall(r"```\nsrc/yunhe/\n(.*?)```", source, re.DOTALL)
    named = set(re.findall(r"^  ([a-z_]+(?:/|\.py))", tree, re.MULTILINE))
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "src" / "yunhe").iterdir()
        if (path / "__init__.py").is_file() or path.suffix == ".py"
    }
    assert named == there - {"__init__.py", "__main__.py"}
    (coming,) = re.findall(r"^Still to come on the same floors: (.*)$", source, re.MULTILINE)
    built = {name.rstrip("/") for name in there}
    assert built.isdisjoint(re.findall(r"`([a-z]+)/`", coming))


def test_every_file_that_architecture_names_is_there():
    source = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for name in set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md|json|yaml))`", source)):
        assert (ROOT / "src" / "yunhe" / name).exists() or (ROOT / name).exists(), name
    for floor, module in re.findall(r"`([a-z]+)/([a-z_]+)/`", source):
        assert (ROOT / "src" / "yunhe" / floor / module).is_dir(), f"{floor}/{module}"


def blocks() -> list[str]:
    """The five things to try next."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.partition("## Five things to try next")[2].partition("\n## ")[0]
    return [
        "\n".join(line.removeprefix(i) for line in b.splitlines())
        for i, b in _SHELL.findall(section)
    ]


@pytest.fixture
def here(copied, tmp_path) -> dict[str, str]:
    """What stands in for the reader's machine."""
    desk, _ = copied
    reviews = tmp_path / "waimai_10k.csv"
    # Words that the plan's keywords do not know: the model must have something to be better at.
    good, bad = ("粥很香，下回还点", "分量足，盒子干净"), ("面坨成一团", "汤漏了，筷子也没给")
    lines = [
        f"{1 - number % 2},{(bad if number % 2 else good)[number // 2 % 2]}，第{number}次订，"
        f"{'粥面饭饼汤'[number % 5]}{'糕菜肉鱼虾豆'[number % 6]}{number * 37 % 101}元"
        for number in range(600)
    ]
    reviews.write_text("label,review\n" + "\n".join(lines) + "\n", "utf-8")
    return {
        ".venv/bin/": f"{BIN}/",
        ".yunhe/demo": str(desk.home),
        ".yunhe/mine": str(tmp_path / "mine"),
        "elsewhere": str(tmp_path / "elsewhere"),
        "waimai_10k.csv": str(reviews),
        "--port 8080": "--port 0",
        "YUNHE_HOME": str(tmp_path / "own"),
    }


def shell(block: str, here: dict[str, str]) -> list[str]:
    for said, meant in here.items():
        block = block.replace(said, meant)
    return ["sh", "-ec", block]


def surroundings(here: dict[str, str]) -> dict[str, str]:
    return {**ENVIRONMENT, "YUNHE_HOME": here["YUNHE_HOME"]}


def test_there_are_five_things_to_try():
    assert len(blocks()) == 5


@pytest.mark.parametrize("number", [0, 1, 2, 4], ids=["tamper", "elsewhere", "own file", "audit"])
def test_the_things_to_try_work_as_they_are_written(number, here):
    line = shell(blocks()[number], here)
    done = subprocess.run(
        line, cwd=ROOT, env=surroundings(here), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout
    expected = {
        0: ("the record data.source", "another history"),
        1: ("PROVED",),
        2: ("Report: ", "Receipt: "),
        4: ("every unit sums to zero", "The log is sound"),
    }[number]
    for words in expected:
        assert words in said, said[-3000:]


def test_serving_as_it_is_written_answers_and_stops_when_told(here):
    process = subprocess.Popen(
        shell("exec " + blocks()[3], here),
        cwd=ROOT,
        env={**surroundings(here), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = [process.stdout.readline() for _ in range(3)]
        curl = shlex.split(said[-1])
        url, headers, question = curl[2], curl[4], curl[6]
        name, _, value = headers.partition(": ")
        request = Request(url, question.encode(), {name: value})
        with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
            answer = json.load(response)
        assert answer["id"].startswith("ans_")
        assert answer["label"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0
    finally:
        process.kill()
        process.communicate()
