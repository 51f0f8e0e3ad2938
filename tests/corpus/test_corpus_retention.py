"""Rejects are read by whoever has the key until their day, and are gone after it."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest
from corpus_engine_desk import ROWS, digests, job, write_rows

from yunhe.corpus import retention
from yunhe.corpus.engine import RejectsKey, run
from yunhe.corpus.errors import OutTaken
from yunhe.corpus.rejects import Sealer, load_key, new_key
from yunhe.corpus.retention import Kept, Wanted
from yunhe.corpus.running.folder import locked
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable, YunheError

UNTIL = date(2027, 1, 31)
AFTER = date(2027, 2, 1)
RAW = {row["id"]: row["text"] for row in ROWS}


class Quiet:
    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        assert what
        assert total is None or total >= done


def made(folder: Path, name: str = "OUT", *, until: date = UNTIL) -> Path:
    source = folder / "in.jsonl"
    if not source.exists():
        write_rows(source, ROWS)
        new_key(folder / "key")
    asked = job(folder, source, out=folder / name, rejects=RejectsKey(folder / "key", until))
    run(asked, progress=Quiet())
    return asked.out


def read(out: Path, wanted: Wanted = Wanted(), *, today: date = UNTIL) -> dict[str, str]:  # noqa: B008
    found = retention.read(out, out.parent / "key", wanted, today=today)
    return {each.document: each.text for each in found}


def code_of(caught: pytest.ExceptionInfo[YunheError]) -> str:
    return caught.value.code


def test_what_was_dropped_is_read_as_it_was_until_its_last_day(tmp_path: Path) -> None:
    out = made(tmp_path)
    assert read(out) == {name: RAW[name] for name in ("b", "c", "e")}
    for today in (AFTER, date(2099, 1, 1)):
        with pytest.raises(NotAllowed) as caught:
            read(out, today=today)
        assert code_of(caught) == "corpus.rejects_overdue"
        assert caught.value.exit_code == 77


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(reasons=["nosuch"]), []),
        (Wanted(documents=["c", "b", "a"]), ["b", "c"]),
        (Wanted(limit=2), ["b", "c"]),
        (Wanted(documents=["e"], limit=9), ["e"]),
    ],
)
def test_rejects_are_chosen_by_reason_by_document_and_by_number(
    tmp_path: Path, wanted: Wanted, names: list[str]
) -> None:
    assert list(read(made(tmp_path), wanted)) == names


def test_one_reason_gives_just_the_documents_dropped_for_it(tmp_path: Path) -> None:
    out = made(tmp_path)
    everything = list(retention.read(out, tmp_path / "key", Wanted(), today=UNTIL))
    for reason in {each.reason for each in everything}:
        expected = {each.document for each in everything if each.reason == reason}
        assert set(read(out, Wanted(reasons=[reason]))) == expected
    assert not any(each.text in repr(each) for each in everything)


def test_a_changed_manifest_does_not_put_the_date_off(tmp_path: Path) -> None:
    out = made(tmp_path)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["rejects"]["delete_after"] = "2099-12-31"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(NotAllowed) as caught:
        read(out, today=AFTER)
    assert code_of(caught) == "corpus.rejects_overdue"
    assert len(read(out, today=UNTIL)) == 3


def test_another_key_no_rejects_and_no_output_are_told_apart(tmp_path: Path) -> None:
    out = made(tmp_path)
    new_key(tmp_path / "other")
    with pytest.raises(Invalid) as wrong:
        retention.read(out, tmp_path / "other", Wanted(), today=UNTIL)
    assert code_of(wrong) == "corpus.rejects_key_other"
    assert wrong.value.params["name"] == load_key(tmp_path / "key").name()
    with pytest.raises(NotFound) as missing:
        read(tmp_path / "nothing")
    assert code_of(missing) == "corpus.out_missing"
    plain = job(tmp_path, tmp_path / "in.jsonl", out=tmp_path / "plain")
    run(plain, progress=Quiet())
    with pytest.raises(NotFound) as none:
        read(plain.out)
    assert code_of(none) == "corpus.rejects_none"
    assert retention.until(plain.out) == ""
    assert list(retention.overdue([plain.out], today=date(2099, 1, 1))) == []


def test_a_part_that_was_changed_or_cut_off_is_refused(tmp_path: Path) -> None:
    out = made(tmp_path)
    [part] = (out / "rejects").iterdir()
    for data in (part.read_bytes()[:-1], b"", os.urandom(200)):
        part.write_bytes(data)
        with pytest.raises(Invalid) as caught:
            read(out)
        assert code_of(caught) == "corpus.rejects_unreadable"


def test_they_are_written_for_their_owner_alone_and_over_nothing(tmp_path: Path) -> None:
    out, to = made(tmp_path), tmp_path / "rejects.jsonl"
    before = os.umask(0)
    try:
        found = retention.read(out, tmp_path / "key", Wanted(), today=UNTIL)
        assert retention.write(found, to) == 3
    finally:
        os.umask(before)
    assert to.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in to.read_text().splitlines()]
    assert {row["document"]: row["text"] for row in rows} == read(out)
    assert set(rows[0]) == {"document", "source", "row", "step", "reason", "text"}
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in (to, tmp_path / "link"):
        with pytest.raises(OutTaken) as caught:
            retention.write(iter(()), taken)
        assert code_of(caught) == "corpus.rejects_target_there"
        assert caught.value.exit_code == 73
    assert len(to.read_text().splitlines()) == 3
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_where_others_could_read_it_or_where_reading_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, to = made(tmp_path), tmp_path / "rejects.jsonl"
    opened = os.open
    with monkeypatch.context() as patch:  # a disk that knows no permissions
        patch.setattr(os, "open", lambda path, flags, mode=0o777: opened(path, flags, mode | 0o044))
        with pytest.raises(NotAllowed) as caught:
            retention.write(retention.read(out, tmp_path / "key", Wanted(), today=UNTIL), to)
    assert code_of(caught) == "corpus.rejects_target_open"
    assert not to.exists()
    [part] = (out / "rejects").iterdir()
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(Invalid):
        retention.write(retention.read(out, tmp_path / "key", Wanted(), today=UNTIL), to)
    assert not to.exists()
    with pytest.raises(Unavailable):
        retention.write(iter(()), tmp_path / "no" / "folder")


def test_what_is_overdue_is_deleted_once_and_the_rest_stays(tmp_path: Path) -> None:
    old, young = made(tmp_path), made(tmp_path, "young", until=date(2027, 12, 31))
    before = digests(young), digests(old)
    assert list(retention.overdue([old, young], today=UNTIL)) == []
    [due] = retention.overdue([old, young], today=AFTER)
    assert (due.folder, due.delete_after, len(due.files)) == (old, UNTIL, 1)
    assert digests(old) == before[1]  # asking deletes nothing
    told = retention.delete(due, at="2027-02-01T03:00:00+00:00")
    assert told["files"] == 1
    assert list(retention.overdue([old, young], today=AFTER)) == []
    assert not (old / "rejects").exists()
    left = {name: digest for name, digest in before[1].items() if not name.startswith("rejects/")}
    assert digests(old).items() > left.items()
    assert digests(young) == before[0]
    note = json.loads((old / retention.DELETED).read_text())
    assert note["deleted_at"] == "2027-02-01T03:00:00+00:00"
    with pytest.raises(NotFound) as caught:
        read(old, today=UNTIL)
    assert code_of(caught) == "corpus.rejects_deleted"
    assert len(read(young, today=AFTER)) == 3


def test_deleting_early_takes_what_is_not_due_and_a_second_time_finishes(tmp_path: Path) -> None:
    out = made(tmp_path)
    [due] = retention.overdue([out], today=date(2026, 1, 1), early=True)
    (out / "rejects" / "part-00009.parquet.sealed").write_bytes(b"somebody else's")
    due.files[0].unlink()  # as if killed after the first file
    retention.delete(due, at="now")
    assert (out / "rejects").exists()  # what is not named in the manifest is not touched
    assert list(retention.overdue([out], today=AFTER, early=True)) == []


def test_a_manifest_cannot_make_it_delete_or_read_anything_outside_of_the_rejects(
    tmp_path: Path,
) -> None:
    out, precious = made(tmp_path), tmp_path / "precious"
    precious.write_text("mine")
    manifest = json.loads((out / "manifest.json").read_text())
    for part in manifest["parts"]:
        part["rejects"] = {"name": "../precious"}
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert list(retention.overdue([out], today=AFTER)) == []
    assert read(out) == {}
    assert precious.read_text() == "mine"


def test_what_an_unfinished_run_holds_is_deleted_with_its_working_folder(tmp_path: Path) -> None:
    work = tmp_path / "late.work"
    (work / "units" / "x").mkdir(parents=True)
    retention.hold(work, UNTIL)
    Sealer(bytes(32)).write(work / "units" / "x" / "raw.sealed", b"raw")
    late = tmp_path / "late"
    assert list(retention.overdue([late], today=UNTIL)) == []
    [due] = retention.overdue([late], today=AFTER)
    assert due.unfinished
    with locked(work), pytest.raises(Conflict) as caught:
        retention.delete(due, at="now")
    assert code_of(caught) == "corpus.out_busy"
    assert work.exists()
    retention.delete(due, at="now")
    assert not work.exists()
    with pytest.raises(NotFound):
        list(retention.overdue([late], today=AFTER))


def test_a_run_that_stopped_half_way_leaves_its_date_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("yunhe.corpus.engine.parts", stop)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path)
    [due] = retention.overdue([tmp_path / "OUT"], today=AFTER)
    assert due.unfinished
    assert any(path.name == "raw.sealed" for path in due.files)
    assert made(tmp_path) == tmp_path / "OUT"
    assert retention.of_work(tmp_path / "OUT.work") is None


def test_asking_again_later_repeats_nothing_and_does_not_put_the_date_off(tmp_path: Path) -> None:
    out = made(tmp_path)
    before = digests(out)
    again = job(
        tmp_path, tmp_path / "in.jsonl", rejects=RejectsKey(tmp_path / "key", date(2028, 1, 1))
    )
    assert run(again, progress=Quiet()).repeated
    assert digests(out) == before
    assert retention.until(out) == "2027-01-31"
    new_key(tmp_path / "second")
    other = job(tmp_path, tmp_path / "in.jsonl", rejects=RejectsKey(tmp_path / "second", UNTIL))
    with pytest.raises(OutTaken):
        run(other, progress=Quiet())


def test_the_last_day_counts_and_the_next_does_not() -> None:
    kept = Kept(Path(), UNTIL, (), 0)
    assert not kept.due(UNTIL)
    assert kept.due(AFTER)


def test_a_new_key_is_written_once_and_only_for_its_owner(tmp_path: Path) -> None:
    retention.make_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutTaken):
        retention.make_key(tmp_path / "key")
    with pytest.raises(Unavailable):
        retention.make_key(tmp_path / "none" / "key")
