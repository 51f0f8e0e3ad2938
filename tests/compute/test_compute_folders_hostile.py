"""Folders made to do harm: odd names, changing files, lying manifests, outputs that lead out."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_folders import Shelf, laid

from yunhe.client.folders import scanning, sending
from yunhe.client.folders.manifest import FORM, File, Part, path_faults, read, shown, written
from yunhe.client.folders.scanning import scan
from yunhe.client.folders.sending import send
from yunhe.compute.folders import keeping
from yunhe.compute.folders.keeping import keep, output_name, path_of
from yunhe.compute.folders.laying import lay_out, manifest_of
from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.errors import Conflict, Invalid, NotFound

EMPTY = sha256(b"")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "blobs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


def refused(root: Path) -> set[str]:
    """The codes of everything in the folder that cannot go along."""
    with pytest.raises(Invalid) as caught:
        scan(root)
    assert caught.value.code == "client.folder_refused"
    return {each.code for each in caught.value.findings}


# --- What somebody sends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["a\nb", "a\tb", "\x01", "a\x7f", "back\\slash", "\r"],
    ids=["newline", "tab", "control", "delete", "backslash", "return"],
)
def test_a_name_that_not_every_system_takes_is_refused_and_shown_safely(root, name):
    (root / name).write_text("x")
    with pytest.raises(Invalid) as caught:
        scan(root)
    (finding,) = caught.value.findings
    assert finding.code == "compute.folder_path_invalid"
    assert finding.where.isprintable()


def test_a_name_that_is_no_text_is_refused(root):
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_text("x")
    assert refused(root) == {"compute.folder_path_invalid"}


@pytest.mark.parametrize(
    "name",
    [
        "a" * 255,
        "字" * 85,
        " ",
        " lead and trail ",
        "...",
        "-rf",
        "a:b",
        "CON",
        "%2e%2e",
        "~",
        "$HOME",
        "\u202egnp.exe",
        "é",
        "*",
        "a|b",
    ],
    ids=ascii,
)
def test_odd_names_that_systems_take_arrive_letter_by_letter(shelf, root, tmp_path, name):
    (root / name).write_bytes(name.encode())
    sent = send(root, shelf)
    assert laid(shelf, sent.digest, tmp_path / "there") == {name: name.encode()}


def test_the_longest_path_goes_along_and_one_letter_more_does_not(root):
    parts = ["d" * 200] * 4
    inside = root.joinpath(*parts)
    inside.mkdir(parents=True)
    left = 1_024 - len("/".join(parts)) - 2
    (inside / ("f" * left)).write_text("x")
    assert len(scan(root)) == 1
    (inside / ("g" * (left + 1))).write_text("x")
    assert refused(root) == {"compute.folder_path_invalid"}


def test_two_normal_forms_of_one_name_are_two_files(shelf, root, tmp_path):
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    (root / composed).write_text("one")
    (root / apart).write_text("two")
    if len(list(root.iterdir())) == 1:
        pytest.skip("this file system takes both for one name")
    sent = send(root, shelf)
    assert laid(shelf, sent.digest, tmp_path / "there") == {composed: b"one", apart: b"two"}


def test_names_that_differ_in_case_alone_are_two_files(shelf, root, tmp_path):
    (root / "A").write_text("one")
    (root / "a").write_text("two")
    if len(list(root.iterdir())) == 1:
        pytest.skip("this file system takes both for one name")
    sent = send(root, shelf)
    assert laid(shelf, sent.digest, tmp_path / "there") == {"A": b"one", "a": b"two"}


def test_a_pipe_is_refused_and_never_opened(root):
    os.mkfifo(root / "pipe")  # opening it would wait for ever
    assert refused(root) == {"client.folder_odd"}


def test_a_pipe_put_in_the_place_of_a_file_is_not_waited_for(shelf, root, monkeypatch):
    (root / "a").write_text("x")

    def swapped(path: Path):
        found = scan(path)
        (root / "a").unlink()
        os.mkfifo(root / "a")
        return found

    monkeypatch.setattr(sending, "scan", swapped)
    with pytest.raises(Conflict) as caught:
        send(root, shelf)
    assert caught.value.code == "client.folder_changed"


def test_links_to_folders_and_to_themselves_are_refused_and_not_walked(root, tmp_path):
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to("self")
    (root / "nowhere").symlink_to("/nowhere/at/all")
    assert refused(root) == {"client.folder_link"}


@pytest.mark.parametrize("change", ["grows", "shrinks", "goes", "empties"])
def test_a_file_that_is_not_what_it_was_is_noticed_and_no_manifest_is_sent(
    shelf, root, monkeypatch, change
):
    path = root / "log"
    path.write_bytes(b"x" * 1_000)

    def later(folder: Path):
        found = scan(folder)
        if change == "goes":
            path.unlink()
        else:
            path.write_bytes(b"x" * {"grows": 1_001, "shrinks": 999, "empties": 0}[change])
        return found

    monkeypatch.setattr(sending, "scan", later)
    with pytest.raises(Conflict) as caught:
        send(root, shelf)
    assert caught.value.retryable
    assert shelf.put_bytes == 0


def test_a_file_that_grows_without_end_is_read_once_to_its_size(shelf, root, monkeypatch):
    """Not until the disk is full: each look at it finds more."""
    path = root / "log"
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr(sending, "PACK_BYTES", 10)
    monkeypatch.setattr(sending, "PIECE_BYTES", 10)
    put = shelf.put

    def growing(data: bytes) -> str:
        with path.open("ab") as file:
            file.write(b"y" * 100)
        return put(data)

    monkeypatch.setattr(shelf, "put", growing)
    with pytest.raises(Conflict):
        send(root, shelf)
    assert shelf.put_bytes <= 100


def test_one_file_too_many_is_told_without_a_look_at_the_rest(root, monkeypatch):
    monkeypatch.setattr(scanning, "FILES_MAX", 10)
    for number in range(11):
        (root / f"f{number:02}").touch()
    assert refused(root) == {"client.folder_many"}
    (root / "f10").unlink()
    assert len(scan(root)) == 10


def test_hundreds_of_faults_are_not_all_listed(root):
    for number in range(200):
        (root / f"l{number}").symlink_to("x")
    with pytest.raises(Invalid) as caught:
        scan(root)
    assert 50 <= len(caught.value.findings) <= 52


@pytest.mark.parametrize(
    "ignore",
    [b"\xff\xfe\x00", b"[" * 100 + b"\n", b"*" * 190 + b"\n", b"!\n/\n//\n", b"a" * 300_000],
    ids=["no text", "brackets", "stars", "nothing", "long"],
)
def test_an_ignore_file_that_is_no_such_file_leaves_the_rest_alone(root, ignore):
    (root / ".yunheignore").write_bytes(ignore)
    (root / "kept").write_text("x")
    names = {each.path for each in scan(root)}
    assert names in ({".yunheignore", "kept"}, set())  # stars alone leave everything out


def test_an_ignore_file_that_is_a_link_does_not_count(root, tmp_path):
    (tmp_path / "rules").write_text("*\n")
    (root / ".yunheignore").symlink_to(tmp_path / "rules")
    (root / "a").write_text("x")
    assert refused(root) == {"client.folder_link"}


# --- What somebody claims to have sent -----------------------------------------------------------


def manifest(*files: dict) -> bytes:
    return canonical_bytes({"form": FORM, "files": list(files)})


def one(path: str = "a", **over) -> dict:
    return {
        "path": path,
        "digest": EMPTY,
        "size_bytes": 0,
        "executable": False,
        "parts": [],
        **over,
    }


def part(**over) -> dict:
    return {"blob": EMPTY, "offset": 0, "size_bytes": 1, **over}


@pytest.mark.parametrize(
    "data",
    [
        manifest(one(size_bytes=-1)),
        manifest(one(size_bytes=1)),
        manifest(one(size_bytes=True)),
        manifest(one(size_bytes="0")),
        manifest(one(size_bytes=2**53 - 1, parts=[part()])),
        manifest(one(parts=[part(size_bytes=0)])),
        manifest(one(parts=[part(offset=-1)], size_bytes=1)),
        manifest(one(parts=[part(offset=64 << 20)], size_bytes=1)),
        manifest(one(parts=[part(offset=2**53 - 1)], size_bytes=1)),
        manifest(one(parts=[part(blob="sha256:../../etc/passwd")], size_bytes=1)),
        manifest(one(parts=[part(blob="x")], size_bytes=1)),
        manifest(one(parts=[part(more=1)], size_bytes=1)),
        manifest(one(digest="")),
        manifest(one(executable="yes")),
        manifest(one(executable=1)),
        manifest(one(mode=0o4755)),
        manifest(one("a"), one("a")),
        manifest(one("a"), one("a/b")),
        manifest(one("a/b/c"), one("a")),
        manifest(one("")),
        manifest(one("/etc/passwd")),
        manifest(one("a/../../b")),
        manifest(one("./a")),
        manifest(one("a//b")),
        manifest(one("a/")),
        manifest(one("a\x00b")),
        manifest(one("x/" * 40 + "x")),
        manifest(one("n" * 256)),
        manifest(one("字" * 86)),
        canonical_bytes({"form": FORM}),
        canonical_bytes({"form": "yunhe.folder/2", "files": []}),
        canonical_bytes({"form": FORM, "files": [], "also": 1}),
        canonical_bytes({"form": FORM + "\n", "files": []}),
        canonical_bytes([]),
        b'{"form": "yunhe.folder/1", "files": [{"path": "a\\ud800", "digest": "x"}]}',
        b"[" * 100_000,
        b"\x00",
        b"",
        b"null",
    ],
    ids=lambda data: f"{len(data)}-{sha256(data)[7:13]}",
)
def test_a_manifest_that_lies_is_refused_whole(shelf, data):
    with pytest.raises(Invalid) as caught:
        read(data)
    assert caught.value.code == "compute.folder_invalid"
    assert 1 <= len(caught.value.findings) <= 50
    assert all(each.where.isprintable() for each in caught.value.findings)
    with pytest.raises(Invalid):
        manifest_of(shelf.blobs, shelf.put(data))


def test_a_manifest_beyond_the_bound_is_not_read_into_memory(shelf, monkeypatch):
    from yunhe.compute.folders import laying  # noqa: PLC0415

    monkeypatch.setattr(laying, "MANIFEST_BYTES_MAX", 100)
    with pytest.raises(Invalid):
        manifest_of(shelf.blobs, shelf.put(b"x" * 101))


def test_a_manifest_that_is_not_there_is_not_found(shelf):
    with pytest.raises(NotFound):
        manifest_of(shelf.blobs, sha256(b"never sent"))


@pytest.mark.parametrize("data", [b"other", b"as sEnt", b"as sen", b""], ids=str)
def test_bytes_that_were_exchanged_under_a_sound_manifest_are_noticed(shelf, tmp_path, data):
    blob = shelf.put(data)
    lies = Part(blob=blob, offset=0, size_bytes=7)
    file = File(path="a", digest=sha256(b"as sent"), size_bytes=7, executable=False, parts=[lies])
    (tmp_path / "there").mkdir()
    with pytest.raises(Invalid) as caught:
        lay_out(read(written([file])), tmp_path / "there", blobs=shelf.blobs)
    assert caught.value.code == "compute.folder_invalid"


def test_a_manifest_whose_blobs_went_says_so_and_leaves_no_whole_file(shelf, tmp_path):
    gone = Part(blob=sha256(b"gone"), offset=0, size_bytes=4)
    file = File(path="a", digest=sha256(b"gone"), size_bytes=4, executable=False, parts=[gone])
    (tmp_path / "there").mkdir()
    with pytest.raises(NotFound):
        lay_out(read(written([file])), tmp_path / "there", blobs=shelf.blobs)


def test_no_bit_but_the_owners_is_ever_set(shelf, tmp_path):
    blob = shelf.put(b"x")
    files = [
        File(
            path=f"d/{name}",
            digest=sha256(b"x"),
            size_bytes=1,
            executable=runs,
            parts=[Part(blob=blob, offset=0, size_bytes=1)],
        )
        for name, runs in (("run", True), ("read", False))
    ]
    there = tmp_path / "there"
    there.mkdir()
    before = os.umask(0)
    try:
        lay_out(read(written(files)), there, blobs=shelf.blobs)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in there.rglob("*")}
    assert modes == {"d": 0o700, "run": 0o700, "read": 0o600}


def test_what_is_in_the_way_already_is_not_overwritten(shelf, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "a").write_text("was here")
    file = File(path="a", digest=EMPTY, size_bytes=0, executable=False, parts=[])
    with pytest.raises(OSError, match="exist"):
        lay_out(read(written([file])), there, blobs=shelf.blobs)
    assert (there / "a").read_text() == "was here"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_path_without_fault_has_only_names_a_folder_can_hold(path):
    if any(path_faults(path)):
        assert shown(path).isprintable()
        return
    for name in path.split("/"):
        assert 0 < len(name.encode()) <= 255
        assert name not in (".", "..")
        assert not any(ord(letter) < 32 for letter in name)


# --- What a job leaves ---------------------------------------------------------------------------


def kept(root: Path, shelf: Shelf, *patterns: str, bytes_max: int = 10**9):
    return keep(root, patterns, blobs=shelf.blobs, bytes_max=bytes_max)


def test_a_pattern_that_describes_nothing_keeps_nothing_and_is_no_fault(root, shelf):
    assert kept(root, shelf, "out/**", "*.json") == ({}, None)


def test_a_folder_that_is_gone_keeps_nothing(root, shelf):
    root.rmdir()
    assert kept(root, shelf, "**") == ({}, None)


@pytest.mark.parametrize("kind", ["link", "pipe", "link to a folder", "dangling"])
def test_what_is_no_plain_file_fails_the_job_and_is_never_opened(root, shelf, tmp_path, kind):
    (tmp_path / "secret").write_text("another tenant's")
    target = root / "out"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        to = {"link": "secret", "link to a folder": ".", "dangling": "nowhere"}[kind]
        target.symlink_to(tmp_path / to)
    found, why = kept(root, shelf, "out")
    assert (found, why.code) == ({}, "compute.failed_output_kind")
    assert not shelf.has(sha256(b"another tenant's"))


def test_a_link_beside_what_is_kept_is_no_matter(root, shelf, tmp_path):
    (root / "link").symlink_to(tmp_path)
    (root / "out").write_text("x")
    found, why = kept(root, shelf, "out")
    assert (list(found), why) == (["out"], None)


def test_as_many_files_as_may_be_are_kept_and_one_more_is_not(root, shelf, monkeypatch):
    monkeypatch.setattr(keeping, "KEPT_FILES_MAX", 5)
    for number in range(5):
        (root / str(number)).touch()
    assert len(kept(root, shelf, "*")[0]) == 5
    (root / "5").touch()
    found, why = kept(root, shelf, "*")
    assert (found, why.code) == ({}, "compute.failed_output_count")


def test_a_huge_sparse_file_is_refused_by_its_size_and_not_read(root, shelf):
    with (root / "huge").open("wb") as file:
        file.truncate(1 << 40)
    found, why = kept(root, shelf, "huge", bytes_max=1 << 30)
    assert (found, why.code) == ({}, "compute.failed_output_size")


def test_files_together_may_be_so_large_and_no_byte_more(root, shelf):
    (root / "a").write_bytes(b"x" * 6)
    (root / "b").write_bytes(b"x" * 4)
    assert kept(root, shelf, "*", bytes_max=10)[1] is None
    assert kept(root, shelf, "*", bytes_max=9)[1].code == "compute.failed_output_size"


def test_a_file_something_still_writes_to_is_kept_as_large_as_it_was(root, shelf, monkeypatch):
    """Something outlived the job: what is kept is bounded all the same."""
    (root / "log").write_bytes(b"x" * 10)
    real = os.fstat

    def smaller(handle: int):
        found = real(handle)
        with (root / "log").open("ab") as file:
            file.write(b"y" * 1_000)
        return found

    monkeypatch.setattr(keeping.os, "fstat", smaller)
    found, why = kept(root, shelf, "log", bytes_max=3_000)
    assert why is None
    assert len(shelf.blobs.read(found["log"])) <= 3_000


@pytest.mark.parametrize(
    "path",
    [
        "实验结果_第一组_大模型评测报告_最终版本.json",
        "输出/" + "字" * 80,
        "a b/c%d",
        "%2F",
        "%",
        "ü.txt",
    ],
    ids=ascii,
)
def test_outputs_with_names_in_any_language_are_kept_and_found_again(root, shelf, path):
    """A Chinese name of two dozen letters used to fail the job after it had been paid."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("x")
    found, why = kept(root, shelf, "**")
    assert why is None
    assert [path_of(name) for name in found] == [path]
    assert all(name.isascii() and "/" not in name for name in found)


def test_names_that_look_like_each_others_encoding_stay_apart(root, shelf):
    for name, content in (("a%2Fb", "encoded"), ("a%252Fb", "twice")):
        (root / name).write_text(content)
    (root / "a").mkdir()
    (root / "a" / "b").write_text("inside")
    found, why = kept(root, shelf, "**")
    assert why is None
    assert {path_of(name): shelf.blobs.read(digest) for name, digest in found.items()} == {
        "a%2Fb": b"encoded",
        "a%252Fb": b"twice",
        "a/b": b"inside",
    }


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=20))
def test_no_two_paths_have_the_name_of_one_output(paths):
    sound = [path for path in paths if not any(path_faults(path))]
    assert len({output_name(path) for path in sound}) == len(sound)
    assert [path_of(output_name(path)) for path in sound] == sound


def test_an_output_whose_name_no_record_holds_fails_the_job_in_safe_letters(root, shelf):
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_text("x")
    (root / "a\nb").write_text("x")
    found, why = kept(root, shelf, "*")
    assert (found, why.code) == ({}, "compute.failed_output_kind")
    assert dict(why.params)["name"].isprintable()
