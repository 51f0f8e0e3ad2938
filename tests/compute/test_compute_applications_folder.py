"""A folder of the operator's own rule files: taken whole, refused whole, gone at the next start."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from applications_desk import Desk

from yunhe.compute import service as compute
from yunhe.compute.applications import programmes, reading
from yunhe.compute.applications.domain import Proposal
from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

OWN = "city_hours"

OWN = "city_hours"


def written(**over: object) -> str:
    said = {**yaml.safe_load(reading._shipped("yunhe")), **over}
    return yaml.safe_dump(said, allow_unicode=True)


@pytest.fixture
def own(tmp_path: Path, storage: Storage) -> Path:
    """A folder with one programme of the operator's own, in use until the test ends."""
    folder = tmp_path / "programmes"
    folder.mkdir()
    (folder / "city.yaml").write_text(written(id=OWN, version="2026.12"), "utf-8")
    programmes.take(storage.database, folder)
    return folder


def test_a_programme_of_the_operators_own_is_applied_to_like_any_other(desk: Desk, own: Path):
    with desk.storage.database.read() as tx:
        assert [each.id for each in compute.applications.programmes(tx)][-1] == OWN
        digest = compute.applications.rules_of(tx, OWN).digest
        asked = Proposal("", OWN, desk.firm, "", {"device_hours": 1})
        now_us = desk.clock.now_us()
        assert compute.applications.explain(tx, asked, now_us=now_us).outcome == "return"
    made = desk.apply(programme=OWN, device_hours=100)
    assert made.state == "awarded"
    assert made.rules_version == "2026.12"
    assert made.rules_digest == digest
    desk.assert_sound()


def test_a_changed_rule_file_holds_from_the_next_start_and_leaves_what_was_decided(
    desk: Desk, own: Path
):
    first = desk.apply(key="1", programme=OWN, device_hours=100)
    stricter = written(id=OWN, version="2027.1").replace("most: 500", "most: 50")
    (own / "city.yaml").write_text(stricter, "utf-8")
    assert desk.apply(key="2", programme=OWN, device_hours=100).state == "awarded"
    programmes.take(desk.storage.database, own)
    assert desk.apply(key="3", programme=OWN, device_hours=10).state == "verifying"
    now = desk.see(first)
    assert (now.state, now.rules_version) == ("awarded", "2026.12")


def test_one_wrong_file_and_none_is_taken_over(own: Path, storage: Storage):
    (own / "b.yaml").write_text(written(id="other", version=""), "utf-8")
    (own / "c.yaml").write_bytes(b"\xff\xfe\x00")
    (own / "d.yaml").write_text(written(), "utf-8")
    (own / "e.yml").write_text(written(id=OWN), "utf-8")
    (own / "notes.txt").write_text("[1", "utf-8")
    with pytest.raises(Invalid) as refused:
        programmes.take(storage.database, own)
    assert refused.value.code == "compute.programmes_invalid"
    assert [(f.where, f.code) for f in refused.value.findings] == [
        ("b.yaml: version", "compute.rules_field"),
        ("c.yaml", "compute.rules_yaml"),
        ("d.yaml", "compute.programme_twice"),
        ("e.yml", "compute.programme_twice"),
    ]
    with storage.database.read() as tx:
        assert compute.applications.rules_of(tx, OWN).version == "2026.12"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_faults_of_rule_files_are_said_in_both_languages(own: Path, language):
    (own / "b.yaml").write_text(reading._shipped("yunhe") + "\nid: twice\n", "utf-8")
    with pytest.raises(Invalid) as refused:
        programmes.read_folder(own)
    error = refused.value
    assert str(own) in error.message(language)
    assert all("{" not in f.message(language) for f in error.findings)


def test_a_folder_that_is_not_there_or_is_a_file_is_told(tmp_path: Path):
    with pytest.raises((Unavailable, NotFound, Invalid)):
        programmes.read_folder(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises((Unavailable, NotFound, Invalid)):
        programmes.read_folder(file)


def test_an_empty_folder_is_no_programme(tmp_path: Path):
    assert programmes.read_folder(tmp_path) == {}


def test_more_files_than_anybody_writes_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(programmes, "FILES_MAX", 1)
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text(written(id=name), "utf-8")
    with pytest.raises(Invalid) as refused:
        programmes.read_folder(tmp_path)
    assert [f.where for f in refused.value.findings] == ["folder"]


def test_an_unknown_programme_is_told_with_the_operators_own(own: Path, storage: Storage):
    with storage.database.read() as tx, pytest.raises(NotFound) as unknown:
        compute.applications.rules_of(tx, "mars")
    assert OWN in str(unknown.value.params["known"])


def test_two_platforms_in_one_process_know_nothing_of_each_others_programmes(
    desk: Desk, own: Path, tmp_path: Path
):
    other = Database.at(tmp_path / "other.db")
    try:
        with other.read() as tx:
            assert OWN not in [each.id for each in compute.applications.programmes(tx)]
        changed = tmp_path / "changed"
        changed.mkdir()
        (changed / "city.yaml").write_text(written(id=OWN, version="2031"), "utf-8")
        programmes.take(other, changed)
        with other.read() as theirs, desk.storage.database.begin() as ours:
            versions = [compute.applications.rules_of(tx, OWN).version for tx in (theirs, ours)]
        assert versions == ["2031", "2026.12"]
        programmes.take(other, None)
        assert desk.apply(programme=OWN, device_hours=1).state == "awarded"
    finally:
        other.close()
