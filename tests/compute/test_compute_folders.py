"""A working folder goes along whole, as it was, and nothing of it leads out of the job's folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.client.folders import sending
from yunhe.client.folders.manifest import FILES_MAX, FORM, File, Part, path_faults, read, written
from yunhe.client.folders.patterns import left_out, matches, rules
from yunhe.client.folders.scanning import scan
from yunhe.client.folders.sending import send
from yunhe.compute.folders import keeping
from yunhe.compute.folders.keeping import Growth, keep, output_name, path_of
from yunhe.compute.folders.laying import lay_out, manifest_of
from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.storage.blobs import LocalBlobs


class Shelf:
    """Blobs of a folder, counting what travels, and breaking off where it is told to."""

    def __init__(self, root: Path, *, breaks_after: int = -1) -> None:
        self.blobs = LocalBlobs(root)
        self.put_bytes = 0
        self.left = breaks_after

    def has(self, digest: str) -> bool:
        return self.blobs.exists(digest)

    def put(self, data: bytes) -> str:
        if self.left == 0:
            raise ConnectionError("cut")
        self.left -= 1
        self.put_bytes += len(data)
        return self.blobs.put(data).digest


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "blobs")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "run.sh").chmod(0o755)
    (root / "src" / "a.py").write_text("print(1)\n")
    (root / "src" / "deep" / "数据.txt").write_text("中文\n")
    (root / "empty").touch()
    return root


def laid(shelf: Shelf, digest: str, target: Path) -> dict[str, bytes]:
    target.mkdir()
    lay_out(manifest_of(shelf.blobs, digest), target, blobs=shelf.blobs)
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


def test_a_folder_arrives_as_it_was_with_its_executable_bits(shelf, tree, tmp_path):
    sent = send(tree, shelf)
    found = laid(shelf, sent.digest, tmp_path / "there")

    assert found == {
        "run.sh": b"#!/bin/sh\necho hello\n",
        "src/a.py": b"print(1)\n",
        "src/deep/数据.txt": "中文\n".encode(),
        "empty": b"",
    }
    assert os.access(tmp_path / "there" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "there" / "src" / "a.py", os.X_OK)
    assert (tmp_path / "there" / "src").stat().st_mode & 0o777 == 0o700
    assert sent.files == 4


def test_the_same_folder_again_is_the_same_digest_and_nothing_travels(shelf, tree):
    first = send(tree, shelf)
    before = shelf.put_bytes
    again = send(tree, shelf)

    assert again.digest == first.digest
    assert (shelf.put_bytes, again.sent_bytes) == (before, 0)


def test_one_changed_file_does_not_send_the_large_ones_again(shelf, tree, monkeypatch):
    monkeypatch.setattr(sending, "PACK_BYTES", 1_000)
    monkeypatch.setattr(sending, "PIECE_BYTES", 4_000)
    (tree / "weights").write_bytes(bytes(range(256)) * 40)
    send(tree, shelf)
    before = shelf.put_bytes
    (tree / "src" / "a.py").write_text("print(2)\n")
    changed = send(tree, shelf)

    assert shelf.put_bytes - before < 5_000
    assert changed.size_bytes > 10_000


def test_what_was_sent_before_a_break_is_not_sent_again(tmp_path, tree, monkeypatch):
    monkeypatch.setattr(sending, "PACK_BYTES", 1_000)
    monkeypatch.setattr(sending, "PIECE_BYTES", 1_000)
    (tree / "weights").write_bytes(os.urandom(10_000))
    broken = Shelf(tmp_path / "blobs", breaks_after=5)
    with pytest.raises(ConnectionError):
        send(tree, broken)
    whole = Shelf(tmp_path / "blobs")
    sent = send(tree, whole)

    assert broken.put_bytes == 5_000 or broken.put_bytes > 4_000
    assert whole.put_bytes == sent.sent_bytes
    assert whole.put_bytes + broken.put_bytes < 12_500
    assert (
        laid(whole, sent.digest, tmp_path / "there")["weights"] == (tree / "weights").read_bytes()
    )


def test_links_and_sockets_are_refused_all_at_once_and_nothing_is_sent(shelf, tree):
    (tree / "out").symlink_to("/etc/passwd")
    (tree / "src" / "up").symlink_to("..")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(os.path.relpath(tree / "sock"))
        with pytest.raises(Invalid) as refused:
            send(tree, shelf)

    assert refused.value.code == "client.folder_refused"
    assert sorted((found.where, found.code) for found in refused.value.findings) == [
        ("out", "client.folder_link"),
        ("pipe", "client.folder_odd"),
        ("sock", "client.folder_odd"),
        ("src/up", "client.folder_link"),
    ]
    assert shelf.put_bytes == 0


def test_names_that_cannot_travel_are_refused(tree):
    (tree / "a\nb").touch()
    (tree / "c\\d").touch()
    os.close(os.open(os.fsencode(tree) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY))

    with pytest.raises(Invalid) as refused:
        scan(tree)
    assert [found.code for found in refused.value.findings] == ["compute.folder_path_invalid"] * 3


def test_too_large_a_folder_is_refused_with_its_largest_files(tree, monkeypatch):
    monkeypatch.setattr("yunhe.client.folders.scanning.FOLDER_BYTES_MAX", 30)
    with pytest.raises(Invalid) as refused:
        scan(tree)

    first, *largest = refused.value.findings
    assert first.code == "client.folder_large"
    assert [found.where for found in largest][:2] == ["run.sh", "src/a.py"]


def test_too_many_files_are_refused(tree, monkeypatch):
    monkeypatch.setattr("yunhe.client.folders.scanning.FILES_MAX", 2)
    with pytest.raises(Invalid) as refused:
        scan(tree)
    assert [found.code for found in refused.value.findings] == ["client.folder_many"]


def test_a_folder_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        scan(tmp_path / "nothing")


def test_what_the_ignore_file_names_stays_behind(tree):
    (tree / ".git").mkdir()
    (tree / ".git" / "config").touch()
    (tree / "notes.md").touch()
    (tree / "keep.md").touch()
    (tree / ".yunheignore").write_text("# mine\n*.md\n!keep.md\n/src/deep/\n")

    assert [each.path for each in scan(tree)] == [
        ".yunheignore",
        "empty",
        "keep.md",
        "run.sh",
        "src/a.py",
    ]


def test_without_an_ignore_file_of_ours_the_one_of_git_counts(tree):
    (tree / ".gitignore").write_text("src/\n*.py[cod]\n")
    assert [each.path for each in scan(tree)] == [".gitignore", "empty", "run.sh"]


def test_a_file_that_changes_while_it_is_sent_is_noticed(shelf, tree, monkeypatch):
    found = scan(tree)
    (tree / "run.sh").write_text("longer than it was when it was looked at\n")
    monkeypatch.setattr(sending, "scan", lambda root: found)
    with pytest.raises(Conflict) as changed:
        send(tree, shelf)
    assert changed.value.code == "client.folder_changed"


def test_a_link_put_in_the_place_of_a_file_is_not_followed(shelf, tree, monkeypatch):
    found = scan(tree)
    (tree / "run.sh").unlink()
    (tree / "run.sh").symlink_to("/etc/passwd")
    monkeypatch.setattr(sending, "scan", lambda root: found)
    with pytest.raises(Conflict):
        send(tree, shelf)


@pytest.mark.parametrize(
    "path",
    ["../a", "/a", "a/../b", "a//b", "", ".", "a/", "a\0b", "a\\b", "\ud800", "x" * 300, "a/" * 60],
    ids=range(12),
)
def test_paths_that_lead_out_or_cannot_be_made_are_faults(path):
    assert list(path_faults(path))


def blob_of(shelf: Shelf, files: list[dict[str, object]]) -> str:
    return shelf.blobs.put(canonical_bytes({"form": FORM, "files": files})).digest


def entry(path: str, data: bytes, blob: str, *, offset: int = 0) -> dict[str, object]:
    part = {"blob": blob, "offset": offset, "size_bytes": len(data)}
    return {"path": path, "digest": sha256(data), "size_bytes": len(data), "parts": [part]}


def test_a_manifest_that_leads_out_is_refused_with_every_finding(shelf):
    blob = shelf.blobs.put(b"x").digest
    made = [entry(path, b"x", blob) for path in ("../evil", "/etc/evil", "a", "a", "a/b")]
    with pytest.raises(Invalid) as refused:
        manifest_of(shelf.blobs, blob_of(shelf, made))

    assert refused.value.code == "compute.folder_invalid"
    assert {(found.where, found.code) for found in refused.value.findings} == {
        ("../evil", "compute.folder_path_invalid"),
        ("/etc/evil", "compute.folder_path_invalid"),
        ("a", "compute.folder_path_twice"),
        ("a/b", "compute.folder_path_twice"),
    }


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"form":"other","files":[]}', b'{"files":[]}', b"\xff" * 9],
    ids=range(7),
)
def test_bytes_that_are_no_manifest_are_refused(data):
    with pytest.raises(Invalid) as refused:
        read(data)
    assert refused.value.code == "compute.folder_invalid"


def test_more_files_than_a_folder_may_have_are_refused():
    one = File(path="a", digest=sha256(b""), size_bytes=0, parts=[]).model_dump()
    many = [{**one, "path": f"f{number}"} for number in range(FILES_MAX + 1)]
    with pytest.raises(Invalid):
        read(canonical_bytes({"form": FORM, "files": many}))


def test_blobs_that_do_not_make_up_the_file_are_noticed(shelf, tmp_path):
    blob = shelf.blobs.put(b"something else").digest
    lying = {**entry("a", b"something else", blob), "digest": sha256(b"promised")}
    (tmp_path / "there").mkdir()
    with pytest.raises(Invalid):
        lay_out(
            manifest_of(shelf.blobs, blob_of(shelf, [lying])), tmp_path / "there", blobs=shelf.blobs
        )


def test_a_part_beyond_the_end_of_its_blob_is_noticed(shelf, tmp_path):
    blob = shelf.blobs.put(b"short").digest
    (tmp_path / "there").mkdir()
    digest = blob_of(shelf, [entry("a", b"rt!", blob, offset=3)])
    with pytest.raises(Invalid):
        lay_out(manifest_of(shelf.blobs, digest), tmp_path / "there", blobs=shelf.blobs)


def test_a_link_put_in_the_way_is_not_followed(shelf, tree, tmp_path):
    sent = send(tree, shelf)
    outside, target = tmp_path / "outside", tmp_path / "there"
    outside.mkdir()
    target.mkdir()
    (target / "src").symlink_to(outside)
    with pytest.raises(OSError, match="src"):
        lay_out(manifest_of(shelf.blobs, sent.digest), target, blobs=shelf.blobs)
    assert not list(outside.iterdir())


def test_the_files_a_pattern_describes_are_kept_under_names_safe_in_an_address(shelf, tmp_path):
    work = tmp_path / "work"
    (work / "out" / "深").mkdir(parents=True)
    (work / "out" / "a.json").write_bytes(b"1")
    (work / "out" / "深" / "b c.json").write_bytes(b"2")
    (work / "other.txt").write_bytes(b"3")
    kept, why = keep(work, ["out/**/*.json"], blobs=shelf.blobs, bytes_max=100)

    assert why is None
    assert {path_of(name): shelf.blobs.read(digest) for name, digest in kept.items()} == {
        "out/a.json": b"1",
        "out/深/b c.json": b"2",
    }
    assert all(name.isascii() and "/" not in name for name in kept)


def test_a_link_among_the_kept_files_is_refused_and_its_target_not_read(shelf, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.json").symlink_to("/etc/passwd")
    kept, why = keep(work, ["*.json"], blobs=shelf.blobs, bytes_max=10_000)
    assert not kept
    assert why is not None
    assert why.code == "compute.failed_output_kind"


def test_a_folder_that_became_a_link_is_not_followed(shelf, tmp_path, monkeypatch):
    work, outside = tmp_path / "work", tmp_path / "outside"
    (work / "out").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.json").write_bytes(b"secret")
    (work / "out" / "a.json").write_bytes(b"mine")
    real = keeping._open

    def swapped(root: Path, path: str) -> int | None:
        (work / "out" / "a.json").unlink()
        (work / "out").rmdir()
        (work / "out").symlink_to(outside)
        return real(root, path)

    monkeypatch.setattr(keeping, "_open", swapped)
    kept, why = keep(work, ["out/*.json"], blobs=shelf.blobs, bytes_max=100)
    assert (kept, why and why.code) == ({}, "compute.failed_output_kind")


def test_more_than_the_bound_is_not_kept(shelf, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    for number in range(4):
        (work / f"{number}").write_bytes(b"1234567890")
    _, large = keep(work, ["*"], blobs=shelf.blobs, bytes_max=25)
    monkeypatch.setattr(keeping, "KEPT_FILES_MAX", 3)
    _, many = keep(work, ["*"], blobs=shelf.blobs, bytes_max=1_000)
    assert large is not None
    assert large.code == "compute.failed_output_size"
    assert many is not None
    assert many.code == "compute.failed_output_count"


def test_growth_beyond_the_bound_is_noticed_and_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "_LOOK_SECONDS", 0)
    (tmp_path / "given").write_bytes(b"x" * 100)
    growth = Growth(tmp_path, bytes_max=50)
    assert not growth.too_large()
    (tmp_path / "more").write_bytes(b"x" * 51)
    assert growth.too_large()
    (tmp_path / "more").unlink()
    assert growth.too_large()


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.py", "a.py", True),
        ("*.py", "b/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "b/c/a.py", True),
        ("out/**", "out/a/b", True),
        ("out/**", "other/a", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab]x", "bx", True),
        ("[!ab]x", "bx", False),
        ("[a-c]1", "b1", True),
        ("a[", "a[", True),
        ("*", "", True),
        ("a**b", "axyzb", True),
    ],
)
def test_patterns_mean_what_people_expect(pattern, path, expected):
    assert matches(pattern, path) is expected


def test_a_hostile_pattern_takes_no_time():
    assert not matches("*a" * 90 + "b", "a" * 900)
    assert not matches("/".join(["**", "a"] * 30) + "/b", "/".join(["a"] * 200))


def test_the_last_rule_that_speaks_of_a_path_counts():
    among = rules("build/\n!build/\n*.log\n!important.log\n")
    assert not left_out(among, "build", folder=True)
    assert left_out(among, "a/b.log", folder=False)
    assert not left_out(among, "a/important.log", folder=False)


_names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=8
).filter(lambda name: name not in (".", ".."))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_names, st.binary(max_size=50), max_size=8))
def test_any_folder_survives_the_journey(tmp_path_factory, contents):
    tmp = tmp_path_factory.mktemp("any")
    root = tmp / "root"
    root.mkdir()
    for name, data in contents.items():
        (root / name).write_bytes(data)
    shelf = Shelf(tmp / "blobs")
    went = {each.path for each in scan(root)}
    found = laid(shelf, send(root, shelf).digest, tmp / "there")
    assert found == {name: data for name, data in contents.items() if name in went}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_an_outputs_name_gives_its_path_back(path):
    if not list(path_faults(path)):
        assert path_of(output_name(path)) == path


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.booleans()), max_size=6))
def test_whatever_paths_a_manifest_names_nothing_is_written_outside(tmp_path_factory, named):
    tmp = tmp_path_factory.mktemp("any")
    shelf = Shelf(tmp / "blobs")
    blob = shelf.blobs.put(b"x").digest
    part = Part(blob=blob, offset=0, size_bytes=1)
    files = []
    for path, runs in named:
        if path and path.isprintable():
            files.append(
                File(path=path, digest=sha256(b"x"), size_bytes=1, executable=runs, parts=[part])
            )
    (tmp / "there").mkdir()
    before = set(tmp.iterdir())
    try:
        lay_out(read(written(files)), tmp / "there", blobs=shelf.blobs)
    except Invalid:
        assert not list((tmp / "there").iterdir())
    assert set(tmp.iterdir()) == before
