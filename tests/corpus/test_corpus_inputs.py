"""What is to be read: files, folders, links, patterns, standard input, buckets; all faults told."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from s3_server import BUCKET, KEYS, Mock, mock_of_s3
from yunhe.corpus.domain import Columns
from yunhe.corpus.inputs import InputFile, format_of, look, of_path, resolve
from yunhe.corpus.reading import open_input
from yunhe.kernel.errors import Invalid, NotFound, Unavailable


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"text":"你好"}\n')


def names(*given: object, format: str | None = None) -> list[str]:  # noqa: A002
    return [file.name for file in resolve([str(each) for each in given], format=format)]


def faults(*given: object, format: str | None = None) -> list[tuple[str, str]]:  # noqa: A002
    with pytest.raises(Invalid) as caught:
        look([str(each) for each in given], format=format)
    assert caught.value.code == "corpus.inputs_wrong"
    assert "corpus." not in caught.value.message("zh") + caught.value.message("en")
    return [(Path(finding.where).name, finding.code) for finding in caught.value.findings]


def test_a_file_is_called_by_its_name_and_read_by_its_ending(tmp_path: Path) -> None:
    made(tmp_path, "a.jsonl")
    [file] = resolve([str(tmp_path / "a.jsonl")])
    assert file == InputFile("a.jsonl", str(tmp_path / "a.jsonl"), "jsonl", 18)
    assert file == of_path(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.NDJSON.gz", "jsonl"),
        ("a.csv.zst", "csv"),
        ("a.tsv", "tsv"),
        ("a.txt.gz", "text"),
        ("a.htm", "html"),
        ("a.warc.gz", "warc"),
        ("a.parquet", "parquet"),
        ("a.parquet.gz", None),
        ("a.docx", None),
        ("a", None),
        (".gz", None),
    ],
)
def test_the_ending_says_the_format(name: str, kind: str | None) -> None:
    assert format_of(name) == kind


def test_a_folder_is_read_to_its_ends_sorted_and_without_what_is_hidden(tmp_path: Path) -> None:
    made(tmp_path, "b.jsonl", "a/z.csv.gz", "a/c/d.txt", ".hidden/e.jsonl", "a/.f.jsonl", "README")
    found = look([str(tmp_path)])
    assert [(file.name, file.format) for file in found.files] == [
        ("a/c/d.txt", "text"),
        ("a/z.csv.gz", "csv"),
        ("b.jsonl", "jsonl"),
    ]
    assert found.passed_over == 1
    assert found.findings == []


def test_links_are_followed_and_loops_and_links_to_nowhere_are_told(tmp_path: Path) -> None:
    made(tmp_path, "in/a.jsonl", "in/deep/b.jsonl", "elsewhere/c.jsonl")
    (tmp_path / "in/deep/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/self").symlink_to(tmp_path / "in/self")
    (tmp_path / "in/other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/gone.jsonl").symlink_to(tmp_path / "nowhere")
    found = look([str(tmp_path / "in")])
    assert [file.name for file in found.files] == ["a.jsonl", "deep/b.jsonl", "other/c.jsonl"]
    assert [(f.where, f.code) for f in found.findings] == [
        ("deep/up", "corpus.link_loop"),
        ("gone.jsonl", "corpus.link_broken"),
        ("self", "corpus.link_broken"),
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to the superuser")
def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    made(tmp_path, "a.jsonl", "closed/b.jsonl")
    (tmp_path / "closed").chmod(0)
    try:
        found = look([str(tmp_path)])
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [f.code for f in found.findings] == ["corpus.folder_unreadable"]


def test_a_pattern_is_expanded_and_a_name_with_a_bracket_is_a_name(tmp_path: Path) -> None:
    made(tmp_path, "a1.jsonl", "a2.jsonl", "deep/a3.jsonl", "b[1].jsonl")
    assert names(tmp_path / "a*.jsonl") == ["a1.jsonl", "a2.jsonl"]
    assert names(tmp_path / "**/a*.jsonl") == ["a1.jsonl", "a2.jsonl", "a3.jsonl"]
    assert names(tmp_path / "b[1].jsonl") == ["b[1].jsonl"]


def test_a_file_named_more_than_once_is_read_once(tmp_path: Path) -> None:
    made(tmp_path, "a.jsonl", "b.jsonl")
    (tmp_path / "c.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert names(tmp_path / "b.jsonl", tmp_path, tmp_path / "*.jsonl") == ["b.jsonl", "a.jsonl"]


def test_files_of_the_same_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    made(tmp_path, "x/one/a.jsonl", "y/one/a.jsonl", "z/b.jsonl")
    given = (tmp_path / "x/one/a.jsonl", tmp_path / "y/one/a.jsonl", tmp_path / "z")
    assert names(*given) == ["x/one/a.jsonl", "y/one/a.jsonl", "b.jsonl"]


def test_a_format_asked_for_holds_where_the_ending_leaves_room(tmp_path: Path) -> None:
    made(tmp_path, "a.txt", "b.jsonl", "c.dat")
    parquet.write_table(pa.table({"text": ["a"]}), tmp_path / "d.parquet")
    found = look([str(tmp_path), "-"], format="lines")
    assert [(file.name, file.format) for file in found.files] == [
        ("a.txt", "lines"),
        ("b.jsonl", "jsonl"),
        ("d.parquet", "parquet"),
        ("stdin", "lines"),
    ]
    [file] = look([str(tmp_path / "c.dat")], format="jsonl").files
    assert file.format == "jsonl"


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    made(tmp_path, "a.jsonl", "b.docx", "empty/README")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    given = [tmp_path / n for n in ("absent", "b.docx", "gone.jsonl", "*.none", "a.jsonl")]
    assert faults(*given, "-") == [
        ("absent", "corpus.input_not_there"),
        ("b.docx", "corpus.ending_unknown"),
        ("gone.jsonl", "corpus.link_broken"),
        ("*.none", "corpus.input_holds_nothing"),
        ("-", "corpus.stdin_format"),
    ]
    assert faults(tmp_path / "empty") == [("empty", "corpus.input_holds_nothing")]
    assert faults() == [("INPUT", "corpus.inputs_none")]
    assert faults("-", format="parquet") == [("-", "corpus.stdin_parquet")]
    with pytest.raises(Invalid) as refused:
        look(["-"])
    (finding,) = refused.value.findings
    listed = str(dict(finding.params)["known"]).split(", ")
    assert "jsonl" in listed
    assert "parquet" not in listed  # only a file of it can be read
    assert faults(tmp_path / "a.jsonl", format="docx") == [
        ("--input-format", "corpus.input_format_unknown")
    ]
    assert faults("s3://") == [("s3:", "corpus.bucket_address")]


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mock_of_s3() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.address)
        patch.setenv("AWS_ACCESS_KEY_ID", KEYS.key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret)
        server.bucket()
        table = pa.table({"text": [f"第{n}篇" for n in range(5)]})
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink)
        lines = b"".join(b'{"text":"%d"}\n' % n for n in range(100_000))
        server.write(BUCKET, "in/b.parquet", bytes(sink.getvalue()))
        server.write(BUCKET, "in/a/lines.jsonl.gz", gzip.compress(lines))
        server.write(BUCKET, "in/.hidden/c.jsonl", lines)
        server.write(BUCKET, "in/README", b"nothing")
        server.write(BUCKET, "inner.jsonl", b'{"text":"x"}\n')
        yield server


def count(file: InputFile) -> int:
    with open_input(file, Columns("text")) as opened:
        return sum(len(task().batch) for task in opened.tasks)


def test_a_prefix_of_a_bucket_is_read_like_a_folder(mock: Mock) -> None:
    assert mock.keys()
    found = look([f"s3://{BUCKET}/in"])
    assert [(f.name, f.where, f.format) for f in found.files] == [
        ("a/lines.jsonl.gz", f"s3://{BUCKET}/in/a/lines.jsonl.gz", "jsonl"),
        ("b.parquet", f"s3://{BUCKET}/in/b.parquet", "parquet"),
    ]
    assert found.passed_over == 1
    assert [count(file) for file in found.files] == [100_000, 5]


def test_an_object_may_be_named_by_itself(mock: Mock) -> None:
    assert mock.keys()
    [file] = resolve([f"s3://{BUCKET}/inner.jsonl"])
    assert (file.name, file.size_bytes, count(file)) == ("inner.jsonl", 13, 1)


def test_an_object_that_is_gone_and_a_bucket_that_is_away_are_told(
    mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mock.keys()
    [file] = resolve([f"s3://{BUCKET}/inner.jsonl"])
    gone = InputFile("x", f"s3://{BUCKET}/none.jsonl", "jsonl", None)
    with pytest.raises(NotFound) as missing:
        count(gone)
    assert missing.value.code == "corpus.input_missing"
    assert faults(f"s3://{BUCKET}/nothing-here") == [("nothing-here", "corpus.input_holds_nothing")]
    monkeypatch.setattr("yunhe.corpus.readers.bucket._RETRIES_MAX", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable) as away:
        count(file)
    assert away.value.code == "corpus.bucket_unavailable"
    assert KEYS.secret not in str(away.value)
