"""The datasheet's facts from a folder and from a certificate, and what a broken folder leads to."""

from __future__ import annotations

import copy
import html
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus.datasheet import croissant, facts, page, writing
from yunhe.corpus.datasheet.facts import Facts, ReviewLine
from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.intervals import share
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import LANGUAGES, texts

QUIET = [HealthCheck.function_scoped_fixture]
COUNT = st.integers(1, 10**9)
TABLE = st.dictionaries(
    st.sampled_from(["length", "spam", "similar"]),
    st.dictionaries(st.sampled_from(["too_short", "spam", "near"]), COUNT, min_size=1),
    max_size=3,
)
STATISTICS = st.builds(
    Statistics,
    documents_in=st.integers(0, 10**9),
    documents_out=st.integers(0, 10**9),
    characters_in=COUNT,
    characters_out=COUNT,
    dropped=TABLE,
    repaired=TABLE,
    details=st.dictionaries(
        st.sampled_from(PERSONAL_TYPES), st.fixed_dictionaries({"spans": COUNT, "documents": COUNT})
    ),
    lengths_in=st.dictionaries(st.integers(0, 32).map("{:02d}".format), COUNT),
    lengths_out=st.dictionaries(st.integers(0, 32).map("{:02d}".format), COUNT),
    languages=st.dictionaries(st.sampled_from(["zh", "en", "other"]), COUNT),
    clusters=st.dictionaries(st.integers(2, 10**6).map("{:09d}".format), COUNT, max_size=5),
    sources=st.dictionaries(
        st.sampled_from(["a.jsonl", "目录/b.csv"]),
        st.fixed_dictionaries({"documents_in": COUNT, "documents_out": COUNT}),
    ),
)
DIGEST = "sha256:" + "5" * 64
PROFILE = {
    "name": "mine",
    "version": 3,
    "steps": [
        {
            "name": "length",
            "thresholds": {"letters_min": {"value": 2, "source": "here", "verified": False}},
        },
        {"name": "spam"},
    ],
}
MANIFEST = {
    "source": {"name": "热线", "holder": "市", "licence": "CC-BY-4.0", "synthetic": True,
               "terms": {"may_train": "yes", "licences": ["CC-BY-4.0"]}},
    "inputs": [{"name": "in.jsonl", "digest": DIGEST, "bytes": 99, "documents": 3}],
    "parts": [{"documents": {"name": "documents/part-0.parquet", "digest": DIGEST, "bytes": 44}}],
    "pipeline": {
        "digest": DIGEST,
        "profile": PROFILE,
        "steps": [{"name": "length", "version": 2}, {"name": "spam", "version": 1}],
    },
    "faults": {"count": 4},
    "residual_risk": {"by_type": {"PHONE": {
        "probes": 10, "found": 9, "low_per_thousand": 555, "high_per_thousand": 998}}},
}  # fmt: skip


def folder(top: Path, manifest: object = MANIFEST, statistics: Statistics | None = None) -> Path:
    (top / "documents").mkdir(exist_ok=True)
    (top / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    counted = (statistics or Statistics(documents_in=5, documents_out=4)).as_json()
    (top / "statistics.json").write_text(json.dumps(counted), "utf-8")
    table = pa.table({"id": ["a"], "text": ["b"]})
    parquet.write_table(table, top / "documents" / "part-0.parquet")
    return top


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(STATISTICS)
def test_a_folder_and_its_certificate_say_the_same_numbers(tmp_path: Path, counted) -> None:
    of_folder = facts.of_folder(folder(tmp_path, statistics=counted))
    body = {name: MANIFEST[name] for name in ("source", "pipeline", "residual_risk")}
    body["statistics"] = counted.as_json()
    of_certificate = facts.of_certificate({"id": "c", "body": body})  # type: ignore[dict-item]
    for name in Facts.__dataclass_fields__:
        if name not in ("certificate", "inputs", "outputs", "faults"):
            assert getattr(of_folder, name) == getattr(of_certificate, name), name
    assert of_folder.documents_out == counted.documents_out
    assert sum(n for *_, n in of_folder.dropped) == sum(
        n for reasons in counted.dropped.values() for n in reasons.values()
    )
    assert {(s, r): n for s, r, n in of_folder.repaired} == {
        (step, reason): n for step, reasons in counted.repaired.items()
        for reason, n in reasons.items()
    }  # fmt: skip
    assert [n for *_, n in of_folder.dropped] == sorted((n for *_, n in of_folder.dropped))[::-1]
    assert {b: (i, o) for b, i, o in of_folder.lengths} == {
        int(b): (counted.lengths_in.get(b, 0), counted.lengths_out.get(b, 0))
        for b in {*counted.lengths_in, *counted.lengths_out}
    }
    assert {f"{k:09d}": n for k, n in of_folder.clusters} == counted.clusters
    assert dict(of_folder.languages) == counted.languages


def words_of(rendered: str, language: str) -> str:
    """What one language's part of the page says."""
    tag = "zh-Hans" if language == "zh" else "en"
    found = re.search(rf'<main class="in-{language}" lang="{tag}">(.*?)</main>', rendered, re.S)
    assert found is not None
    return html.unescape(found[1])


@settings(max_examples=30, deadline=None, suppress_health_check=QUIET)
@given(STATISTICS)
def test_every_number_stands_on_the_page_in_both_languages(tmp_path: Path, counted) -> None:
    found = facts.of_folder(folder(tmp_path, statistics=counted))
    rendered = page.render(found, language="zh")
    for language in LANGUAGES:
        said = words_of(rendered, language)
        numbers = [found.documents_in, found.documents_out, found.characters_in]
        numbers += [count for *_, count in found.dropped]
        numbers += [spans for _, spans, _ in found.details]
        numbers += [released for _, _, released in found.lengths]
        numbers += [count for _, count in found.languages]
        assert all(f"{number or 0:,}" in said for number in numbers)
        known = texts("corpus", language)  # type: ignore[arg-type]
        assert all(known[f"corpus.type.{kind}"] in said for kind, *_ in found.details)
        assert all(known[code] in said for code in found.limits)
    assert rendered == page.render(found, language="zh")


def test_more_than_a_chart_holds_is_cut_and_a_page_of_nothing_is_a_page() -> None:
    many = tuple(("step", f"reason_{n:03d}", 1000 - n) for n in range(page.ROWS_MAX + 5))
    empty = Facts(name="x", holder="", licence="")
    full = Facts(name="x", holder="", licence="", dropped=many)
    said = words_of(page.render(full, language="en"), "en")
    assert f"reason_{page.ROWS_MAX - 1:03d}" in said
    assert f"reason_{page.ROWS_MAX:03d}" not in said
    for language in LANGUAGES:
        sheet = page.Sheet(empty, language)
        assert sheet.drops() is sheet.details() is sheet.lengths() is sheet.residual() is None
        assert words_of(page.render(empty, language=language), language)


def paths_of(value: object, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every place of a JSON value."""
    below: list[tuple[object, ...]] = [at]
    if isinstance(value, dict):
        below += [path for key, each in value.items() for path in paths_of(each, (*at, key))]
    elif isinstance(value, list):
        below += [path for n, each in enumerate(value) for path in paths_of(each, (*at, n))]
    return below


PLACES = [path for path in paths_of(MANIFEST) if path]


@pytest.mark.parametrize("wrong", ["x", 5, ["x"], {"x": 1}, True], ids=str)
def test_a_manifest_with_something_else_anywhere_is_read_or_told_to_be_none(
    tmp_path: Path, wrong
) -> None:
    for path in PLACES:
        manifest = copy.deepcopy(MANIFEST)
        inside: object = manifest
        for key in path[:-1]:
            inside = inside[key]  # type: ignore[index]
        inside[path[-1]] = wrong  # type: ignore[index]
        folder(tmp_path, manifest)
        try:
            facts.of_folder(tmp_path)
            continue  # what the page makes of a number is the page's matter
        except Exception:  # noqa: BLE001 (whatever it was, it must be told as what it is)
            with pytest.raises(NotFound) as caught:
                writing.write(tmp_path, "en")
        assert caught.value.code == "corpus.sheet_missing"
        assert not (tmp_path / writing.DATASHEET).exists()


@pytest.mark.parametrize("name", ["manifest.json", "statistics.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff", b'"x"', None])
def test_a_folder_with_half_a_cleansing_gets_no_page(tmp_path: Path, name: str, content) -> None:
    folder(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NotFound) as caught:
        writing.write(tmp_path, "zh")
    assert caught.value.message("zh") != caught.value.message("en")
    assert {path.name for path in tmp_path.iterdir()} <= {
        "documents", "manifest.json", "statistics.json",
    }  # fmt: skip


def test_writing_again_replaces_both_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder(tmp_path)
    first = writing.write(tmp_path, "en").read_bytes()
    assert writing.write(tmp_path, "en").read_bytes() == first
    assert writing.write(tmp_path, "zh").read_bytes() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "croissant.json", "datasheet.html", "documents", "manifest.json", "statistics.json",
    ]  # fmt: skip
    assert (tmp_path / "datasheet.html").stat().st_mode & 0o777 == 0o644
    described = json.loads((tmp_path / "croissant.json").read_text("utf-8"))
    columns = [each["name"] for each in described["recordSet"][0]["field"]]
    assert columns == ["id", "text"]


LINE = ReviewLine("manual", "finished", 1, 50, {}, "")


@settings(max_examples=60)
@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_check_is_described_with_its_share_and_interval(counts) -> None:
    found, of = counts
    result = {
        "share": share(found, of),
        "standard": "GB/T 45654-2025",
        "verified": False,
    }
    line = ReviewLine("manual", "finished", 1, of, result, "r")
    made = Facts(name="x", holder="", licence="", reviews=(line, LINE))
    [one, other] = croissant.describe(made, columns=())["rai:dataAnnotationAnalysis"]  # type: ignore[misc]
    assert f"{found} of {of} items passed" in str(one)
    assert "not compared with the official text" in str(one)
    low, high = result["share"]["low"], result["share"]["high"]  # type: ignore[index]
    assert f"{low} to {high}" in str(one)
    assert str(other) == "check by people, 50 items: finished"


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.parquet", "documents/b.parquet", "c.jsonl.zst"]),
            st.just(DIGEST),
            st.none() | COUNT,
        ),
        max_size=3,
        unique_by=lambda each: each[0],
    ),
    st.booleans(),
)
def test_only_parquet_parts_are_described_record_by_record(outputs, synthetic) -> None:
    made = Facts(name="x", holder="h", licence="", outputs=tuple(outputs), synthetic=synthetic)
    said = croissant.describe(made, columns=("id", "text"))
    names = [name for name, *_ in outputs]
    assert ("recordSet" in said) == (bool(names) and all(n.endswith(".parquet") for n in names))
    distribution = said["distribution"]
    assert isinstance(distribution, list)
    described = [each for each in distribution if each["@type"] == "cr:FileObject"]  # type: ignore[index, call-overload]
    assert [each["contentUrl"] for each in described] == names  # type: ignore[index, call-overload]
    assert {each["sha256"] for each in described} <= {"5" * 64}  # type: ignore[index, call-overload]
    assert ("Synthetic" in str(said["description"])) == synthetic
    assert said["license"] == "not stated"
    assert json.loads(json.dumps(said)) == said
