"""Personal details that were planted in the tickets occur nowhere in what a run leaves."""

from __future__ import annotations

import hashlib
import html
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from plan_desk import Desk

NUMBERS = ("PHONE", "LANDLINE", "ID", "ID_BAD", "BANK", "PLATE", "EMAIL")
"""Details with a form of their own: not one of them may be left anywhere."""


def readable(path: Path) -> str:
    """All text in a file, also where it is packed."""
    data = path.read_bytes()
    if data[:4] == b"PAR1":
        table = pq.read_table(path)
        return "\n".join(str(value) for row in table.to_pylist() for value in row.values())
    return html.unescape(data.decode("utf-8", errors="replace"))


@pytest.fixture(scope="module")
def planted(finished: tuple[Desk, dict]) -> dict[str, dict]:
    """What the generator planted, by document."""
    truth = finished[0].tickets.parent / "truth.jsonl"
    return {known["id"]: known for known in map(json.loads, truth.open(encoding="utf-8"))}


@pytest.fixture(scope="module")
def left(finished: tuple[Desk, dict]) -> dict[str, str]:
    """Every text that the run left or said, by file."""
    desk, _ = finished
    files = {
        path.relative_to(desk.home).as_posix(): readable(path)
        for path in desk.home.rglob("*")
        if path.is_file()
    }
    again = desk.call(*desk.task())
    assert again.returncode == 0
    files["said the first time"] = (desk.home.parent / "said.txt").read_text("utf-8")
    files["said to people"] = again.stdout + again.stderr
    return files


@pytest.fixture(scope="module")
def kept(finished: tuple[Desk, dict]) -> dict[str, str]:
    """The released texts by document."""
    desk, _ = finished
    digest = desk.certificate()["output"]["digest"]
    return {row["id"]: row["text"] for row in desk.table(digest)}


def test_the_certificate_claims_no_more_than_is_masked(finished, planted, kept):
    desk, _ = finished
    of, gone = Counter(), Counter()
    for name, released in kept.items():
        for _, _, kind, value in planted[name]["spans"]:
            of[kind] += 1
            gone[kind] += value not in released
    recall = desk.certificate()["truth"]["recall"]
    assert {kind: claim["of"] for kind, claim in recall.items()} == of
    for kind, claim in recall.items():
        assert claim["found"] <= gone[kind], kind
        assert float(claim["low"]) <= claim["found"] / claim["of"] <= float(claim["high"]), kind
    assert sum(gone.values()) > 600
    for kind in NUMBERS:
        assert gone[kind] == of[kind], kind


def test_no_planted_number_is_left_in_any_file_or_message(planted, kept, left):
    values = {
        value
        for known in planted.values()
        for _, _, kind, value in known["spans"]
        if kind in NUMBERS
    }
    assert len(values) > 200
    found = {name: [v for v in values if v in text] for name, text in left.items()}
    assert {name: hits for name, hits in found.items() if hits} == {}


def digits(text: str) -> str:
    """The text without what people put between digits."""
    return re.sub(r"[\s\-()+.]", "", unicodedata.normalize("NFKC", text))


def test_no_planted_number_is_left_in_another_way_of_writing(planted, left):
    values = {
        digits(value)
        for known in planted.values()
        for _, _, kind, value in known["spans"]
        if kind in ("PHONE", "ID", "ID_BAD", "BANK")
    }
    assert min(map(len, values)) >= 11
    for name, text in left.items():
        squeezed = digits(text)
        assert [value for value in values if value in squeezed] == [], name


def test_names_and_addresses_that_were_masked_are_in_no_file_of_the_run(planted, kept, left):
    names = {
        value
        for known in planted.values()
        for _, _, kind, value in known["spans"]
        if kind in ("ADDRESS", "WECHAT") or (kind == "NAME" and len(value) > 2)
    }
    # What the certificate itself counts as missed, here or in another ticket, is left out.
    masked = {value for value in names if not any(value in text for text in kept.values())}
    assert len(masked) > 300
    for name, text in left.items():
        assert [value for value in masked if value in text] == [], name


def test_the_raw_tickets_are_not_stored(finished, kept, left):
    desk, _ = finished
    raw = desk.tickets.read_bytes()
    assert not desk.blob("sha256:" + hashlib.sha256(raw).hexdigest()).exists()
    texts = {json.loads(line)["text"] for line in raw.splitlines()}
    told = texts - set(kept.values())  # dropped, repaired or masked; the others hold no detail
    assert len(told) > 300
    for name, text in left.items():
        assert [whole for whole in told if whole in text] == [], name


def test_places_of_details_are_kept_without_the_details(finished):
    desk, _ = finished
    rows = desk.table(desk.certificate()["personal_details"]["digest"])
    assert set(rows[0]) == {"document", "type", "start", "end", "score", "reason"}


def test_people_have_names_in_one_table_and_only_ids_in_the_log(finished):
    desk, _ = finished
    plan = desk.plan.read_text("utf-8")
    people = set(re.findall(r"^  [a-z-]+: \{organisation: [a-z-]+, name: ([^,]+),", plan, re.M))
    assert len(people) == 7
    bodies = "\n".join(str(row) for row in desk.rows("SELECT * FROM custody_leaf"))
    receipts = "\n".join(path.read_text("utf-8") for path in (desk.home / "receipts").iterdir())
    assert [name for name in people if name in bodies + receipts] == []
    assert {name for (name,) in desk.rows("SELECT name FROM identity_member")} == people
