"""Tables, libraries of risk words and the register of sources from the command line."""

from __future__ import annotations

import csv
import json
import os

import pytest
from remote_desk import Person, people, server

from yunhe.cli.main import main
from yunhe.corpus.risk.classes import classes
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed

SOURCE = """\
name: city news
method: crawled
licence: CC-BY-4.0
personal_data: none
consent: none_needed
robots: allowed
site_terms: terms of 2026-01-05
languages: [zh-Hans]
"""


def yunhe(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["--lang", "en", *map(str, arguments)])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def patients(tmp_path):
    path = tmp_path / "patients.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "age", "region", "illness"])
        for n in range(120):
            writer.writerow([f"p{n}", 20 + n % 40, f"31010{n % 4 + 1}", f"ill{n % 3}"])
    return path


def test_a_table_is_measured_and_made_k_anonymous(capsys, patients, tmp_path):
    quasi = ("--quasi", "age:number,region", "--sensitive", "illness")
    code, out, _ = yunhe(capsys, "tables", patients, *quasi)
    assert (code, out.partition("\n")[0]) == (0, "k = 3, l = 3")
    target = tmp_path / "out.csv"
    code, out, _ = yunhe(capsys, "tables", patients, *quasi, "--k", 6, "--l", 2, "-o", target)
    assert code == 0
    assert "120 of 120 rows" in out
    assert "not named: name" in out
    assert "de-identified" in out
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["age", "region", "illness"]
    code, out, _ = yunhe(capsys, "--json", "tables", target, *quasi)
    assert json.loads(out)["k"] >= 6


def test_what_is_asked_wrongly_of_a_table_is_said_and_nothing_written(capsys, patients, tmp_path):
    target = tmp_path / "o.csv"
    wrong = yunhe(capsys, "tables", patients, "--quasi", "agee,name:number", "-o", target)
    assert wrong[0] == Invalid.exit_code
    assert "agee" in wrong[2]
    never = yunhe(capsys, "tables", patients, "--quasi", "age", "--k", 121, "-o", target)
    assert never[0] == Conflict.exit_code
    assert not target.exists()


def test_a_library_is_counted_and_its_faults_are_told_with_their_places(capsys, tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("word,class\nab,A.1.1\n", encoding="utf-8")
    code, out, _ = yunhe(capsys, "keywords", path)
    assert code == 3
    assert "A.2.9" in out
    assert "not compared with the standard" in out
    words = [f"词语{n},{each.id}" for each in classes() for n in range(400)]
    path.write_text("\n".join(["word,class", *words]), encoding="utf-8")
    code, out, _ = yunhe(capsys, "--json", "keywords", path)
    assert (code, json.loads(out)["entries"], json.loads(out)["met"]) == (0, 12_400, True)
    os.utime(path, (0, 0))
    assert yunhe(capsys, "keywords", path)[0] == 3
    path.write_text("word,class\nab,A.9.1\n", encoding="utf-8")
    code, _, err = yunhe(capsys, "keywords", path)
    assert code == Invalid.exit_code
    assert "words.csv:2:class" in err


@pytest.fixture
def team(tmp_path, capsys, monkeypatch):
    """Three stewards of one organisation, on a real server."""
    with server(tmp_path / "home") as running:
        _, head = people(tmp_path, capsys, monkeypatch, running)
        stewards = []
        for name in "abc":
            person = Person(tmp_path / name, capsys, monkeypatch)
            token = head.json("invite", "--role", "data_steward")["token"]
            accept = ("login", "--server", running.url, "--invitation", "--name", "N")
            person.json(*accept, typed=f"{token}\n")
            stewards.append(person)
        yield stewards


def test_a_source_is_registered_sampled_and_accepted_by_three_people(team):
    first, second, third = team
    source = first.json("sources", "register", "-", typed=SOURCE)["id"]
    looked = (
        "sources",
        "sample",
        source,
        "--looked",
        "400",
        "--illegal",
        "3",
        "--method",
        "random",
    )
    assert first(*looked).code == NotAllowed.exit_code
    early = third("sources", "decide", source, "accept")
    assert (early.code, "nobody has looked" in early.err) == (Conflict.exit_code, True)
    said = second(*looked)
    assert "0.15 % to 2.18 %, bound 5 %" in said.out
    assert second("sources", "decide", source, "accept").code == NotAllowed.exit_code
    assert (
        third.json("sources", "decide", source, "accept", "--reason", "ok")["state"] == "accepted"
    )
    assert source in first("sources").out
    assert first.json("sources", "--state", "refused")["items"] == []
    assert "city news" in second("sources", "show", source, lang="zh").out


def test_a_file_that_describes_no_source_is_refused_whole(team):
    wrong = team[0]("sources", "register", "-", typed="name: ''\nmethod: stolen\n")
    assert wrong.code == Invalid.exit_code
    assert wrong.err.count("\n  - ") == 3
    assert team[0]("sources", "register", "-", typed="[" * 100).code == 2
