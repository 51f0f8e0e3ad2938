"""Tables as people send them, hierarchies of every kind, and what may be asked of either."""

from __future__ import annotations

import csv as plain_csv
import datetime as dt
import io
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from yunhe.corpus.tables import files, hierarchies
from yunhe.corpus.tables.hierarchies import ANY, KINDS, fits, kind_of, levels
from yunhe.corpus.tables.service import K_MAX, QUASI_MAX, Asked, deidentify, measure
from yunhe.kernel.errors import Conflict, Invalid, NotFound, Unavailable, YunheError

DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2099, 12, 31))
REGIONS = st.sampled_from(["310101", "310104", "320102", "320583", "110105", "820001"])
VALUES = {
    "number": st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6),
    "date": DAYS | DAYS.map(str),
    "region": REGIONS,
    "prefix": st.text("0123456789AB", min_size=1, max_size=15),
    "category": st.text(max_size=6),
}
QUIET = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_reads_the_same_once_reads_the_same_ever_after(kind, data) -> None:
    values = data.draw(st.lists(VALUES[kind] | st.none(), min_size=1, max_size=20))
    made = levels(kind, values)
    assert made[0][0] == "exact"
    assert [made[-1][1](value) for value in values] == [ANY] * len(values)
    assert len({name for name, _ in made}) == len(made)
    before: list[str] | None = None
    for _, reading in made:
        after = [reading(value) for value in values]
        if before is not None:
            images: dict[str, set[str]] = defaultdict(set)
            for one, other in zip(before, after, strict=True):
                images[one].add(other)
            assert all(len(each) == 1 for each in images.values())
        before = after


@settings(max_examples=100)
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=10))
def test_a_range_holds_its_number_and_the_widest_leaves_two_at_most(values) -> None:
    made = levels("number", values)[1:-1]
    for name, reading in made:
        width = int(name.removeprefix("range "))
        for value in values:
            low, high = map(int, reading(value).split("–"))
            assert low <= value <= high
            assert (high - low + 1, low % width) == (width, 0)
    widths = [int(name.split()[1]) for name, _ in made]
    assert all(wide % narrow == 0 for narrow, wide in pairwise(widths))
    if len(widths) < 12:
        assert widths[-1] >= max(values) - min(values)
        assert len({made[-1][1](value) for value in values}) <= 2


@settings(max_examples=60)
@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=8))
def test_a_range_of_fractions_is_open_above(values) -> None:
    if all(value.is_integer() for value in values):
        return
    for _, reading in levels("number", values)[1:-1]:
        for value in values:
            low, high = reading(value).split("–<")
            assert int(low) <= value < int(high)


@settings(max_examples=60)
@given(DAYS)
def test_a_day_becomes_its_month_its_year_its_decade(day: dt.date) -> None:
    for value in (day, str(day), dt.datetime(day.year, day.month, day.day, 12, 30)):  # noqa: DTZ001
        read = [reading(value) for _, reading in levels("date", [value])]
        assert [each[:4] for each in read[1:3]] == [f"{day.year}"] * 2
        assert read[1:] == [str(day)[:7], str(day.year), f"{day.year // 10}0s", ANY]


KINDS_OF = [
    ([1, 2, None], "number"),
    ([1.5, Decimal("2.5")], "number"),
    (["1", "-2", "3.25"], "number"),
    (["01", "02"], "category"),
    (["1", "x"], "category"),
    ([True, False], "category"),
    ([None, None], "category"),
    ([], "category"),
    (["2026-01-05", None], "date"),
    ([dt.date(2026, 1, 5)], "date"),
    (["2026-13-05"], "category"),
    (["2026-01-32"], "category"),
    (["310101", "110105"], "region"),
    (["310101", "990105"], "number"),
    (["010101"], "category"),
    (["1" * 18], "category"),
    (["nan", "inf"], "category"),
    (["１２"], "category"),
]


@pytest.mark.parametrize(("values", "kind"), KINDS_OF, ids=map(str, range(len(KINDS_OF))))
def test_the_hierarchy_is_chosen_by_what_all_values_look_like(values, kind) -> None:
    assert kind_of(values) == kind
    assert fits(kind, values)


@pytest.mark.parametrize(
    ("kind", "value", "fit"),
    [("number", "x", False), ("number", "inf", False), ("number", "1e3", True),
     ("date", "2026-1-5", False), ("date", "2026-01-05T10:00", True), ("date", "", False),
     ("region", "31010", False), ("region", "3101011", False), ("region", 310101, True),
     ("prefix", "anything", True), ("category", "anything", True)],
)  # fmt: skip
def test_a_hierarchy_that_was_asked_for_must_fit_every_value(kind, value, fit) -> None:
    assert bool(fits(kind, [None, value])) == fit


def refused(work, *given_) -> YunheError:
    with pytest.raises(YunheError) as caught:
        work(*given_)
    assert caught.value.message("zh") != caught.value.message("en")
    return caught.value


def codes(work, *given_) -> list[str]:
    return [each.code.removeprefix("corpus.") for each in refused(work, *given_).findings]


BROKEN = {
    "empty.csv": (b"", "table_csv"),
    "blank.csv": (b"\n\n\n", "table_csv"),
    "short.csv": (b"a,b\n1,2\n3\n", "table_csv"),
    "long.csv": (b"a,b\n1,2\n3,4,5\n", "table_csv"),
    "latin.csv": (b"a,b\n\xe9t\xe9,2\n", "table_csv"),
    "header.csv": ("名,b\n1,2\n".encode("gb18030"), "table_csv"),
    "utf16.csv": ("a,b\n1,2\n".encode("utf-16"), "table_csv"),
    "twice.csv": (b"a,a\n1,2\n", "table_column_twice"),
    "none.csv": (b"a,b\n", "table_empty"),
    "empty.parquet": (b"", "table_parquet"),
    "text.parquet": (b"a,b\n1,2\n" * 20, "table_parquet"),
    "ends.parquet": (b"PAR1" + bytes(64) + b"PAR1", "table_parquet"),
    "a.xlsx": (b"PK\x03\x04", "library_format"),
    "a": (b"a,b\n1,2\n", "library_format"),
}


@pytest.mark.parametrize(("name", "broken"), BROKEN.items(), ids=BROKEN)
def test_a_file_that_is_no_table_is_refused_with_its_name(tmp_path: Path, name, broken) -> None:
    data, code = broken
    (tmp_path / name).write_bytes(data)
    error = refused(files.read, tmp_path / name)
    assert isinstance(error, Invalid)
    assert [each.code for each in error.findings] == [f"corpus.{code}"]
    assert error.findings[0].where.startswith(name)
    assert str(tmp_path) not in error.message("en")


def test_a_parquet_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    sink = io.BytesIO()
    parquet.write_table(pa.table({"a": [f"{n}" for n in range(500)]}), sink)
    data = sink.getvalue()
    path = tmp_path / "cut.parquet"
    for end in range(0, len(data), max(len(data) // 40, 1)):
        path.write_bytes(data[:end])
        assert codes(files.read, path) == ["table_parquet"]


def test_what_cannot_be_read_or_written_at_all_is_told_apart(tmp_path: Path) -> None:
    assert isinstance(refused(files.read, tmp_path / "none.csv"), NotFound)
    (tmp_path / "folder.csv").mkdir()
    assert isinstance(refused(files.read, tmp_path / "folder.csv"), Unavailable)
    table = pa.table({"a": ["1"]})
    assert isinstance(refused(files.write, table, tmp_path / "no" / "t.csv"), Unavailable)
    assert isinstance(refused(files.write, table, tmp_path / "folder.csv"), Unavailable)
    assert codes(files.write, table, tmp_path / "t.ods") == ["library_format"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.csv"]


CELL = st.text("0123ab,\"'\n 甲", max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=8)
    ),
    st.sampled_from(["", "\n", "\n\n"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_cells_are_read_as_they_were_written(tmp_path: Path, rows, before, end) -> None:
    width = len(rows[0])
    sink = io.StringIO()
    names = [f'n"{n},\n甲' for n in range(width)]  # a heading may hold anything, too
    writer = plain_csv.writer(sink, lineterminator=end, quoting=plain_csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    path = tmp_path / "t.csv"
    path.write_bytes((before + sink.getvalue()).encode())
    found = files.read(path)
    assert found.column_names == names
    assert {str(field.type) for field in found.schema} == {"string"}
    expected = [[cell or None for cell in row] for row in rows]
    assert [list(row.values()) for row in found.to_pylist()] == expected
    for ending in (".csv", ".parquet"):
        files.write(found, tmp_path / f"copy{ending}")
        assert files.read(tmp_path / f"copy{ending}").to_pylist() == found.to_pylist()


def test_codes_keep_their_zeros_however_many_rows_come_before_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code,n\n" + "007,1\n" * 200_000 + "x07,2\n")
    found = files.read(path)
    assert Counter(found.column("code").to_pylist()) == {"007": 200_000, "x07": 1}


def table_at(folder: Path) -> Path:
    path = folder / "t.parquet"
    count = 40
    columns = {
        "age": [20 + n % 7 for n in range(count)],
        "town": ["甲", "乙"] * (count // 2),
        "ill": [f"i{n % 3}" for n in range(count)],
        "parts": [[n] for n in range(count)],
        "moment": [dt.time(n % 24) for n in range(count)],
    }
    parquet.write_table(pa.table(columns), path)
    return path


WRONG = [
    (Asked({}), ["table_range"]),
    (Asked({"age": None}, k=0), ["table_range"]),
    (Asked({"age": None}, k=K_MAX + 1), ["table_range"]),
    (Asked({"age": None}, sensitive=("ill",), l_min=0), ["table_range"]),
    (Asked({"age": None}, l_min=2), ["table_sensitive_missing"]),
    (Asked({"age": None}, suppress_percent_max=-1), ["table_percent"]),
    (Asked({"age": None}, suppress_percent_max=101), ["table_percent"]),
    (Asked({"none": None}), ["column_missing"]),
    (Asked({"age": None}, keep=("x", "y")), ["column_missing"] * 2),
    (Asked({"age": None}, sensitive=("age",)), ["column_twice"]),
    (Asked({"age": None}, sensitive=("ill",), keep=("ill",)), ["column_twice"]),
    (Asked({"parts": None}), ["table_column_kind"]),
    (Asked({"moment": None}), ["table_column_kind"]),
    (Asked({"town": "number"}), ["table_misfit"]),
    (Asked({"age": "date", "town": "region"}), ["table_misfit"] * 2),
    (Asked({"age": "circle"}), ["source_choice"]),  # type: ignore[dict-item]
    (
        Asked({"none": None, "parts": None}, keep=("none",), k=0, l_min=5, suppress_percent_max=-9),
        ["column_missing", "table_column_kind", "table_percent", "table_range",
         "table_sensitive_missing"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "told"), WRONG, ids=map(str, range(len(WRONG))))
def test_everything_wrong_with_what_is_asked_is_told_at_once(tmp_path: Path, asked, told) -> None:
    path = table_at(tmp_path)
    assert sorted(codes(deidentify, path, asked, tmp_path / "out.csv")) == told
    assert not (tmp_path / "out.csv").exists()


def test_more_quasi_identifiers_than_can_be_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    names = [f"q{n}" for n in range(QUASI_MAX + 1)]
    parquet.write_table(pa.table({name: ["x", "x"] for name in names}), path)
    assert codes(measure, path, Asked(dict.fromkeys(names))) == ["table_range"]
    assert measure(path, Asked(dict.fromkeys(names[:-1]))).k == 2


ROWS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["310101", "310104", "110105"]),
        st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=50, deadline=None, suppress_health_check=QUIET)
@given(ROWS, st.integers(1, 6), st.integers(1, 3), st.sampled_from([0, 10, 50]))
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_copy_is_as_asked_whatever_the_table(
    tmp_path: Path, ending, rows, k, l_min, percent
) -> None:
    path, out = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    out.unlink(missing_ok=True)
    columns = dict(zip(("age", "region", "ill"), map(list, zip(*rows, strict=True)), strict=True))
    columns["name"] = [f"somebody {n}" for n in range(len(rows))]
    files.write(pa.table(columns), path)
    asked = Asked(
        {"age": "number", "region": None}, ("ill",), k=k, l_min=l_min, suppress_percent_max=percent
    )
    try:
        report = deidentify(path, asked, out)
    except Conflict:
        values = Counter(each for *_, each in rows)
        assert len(rows) < k or len(values) < l_min  # even "*" for all is too little
        assert not out.exists()
        return
    released = csv.read_csv(out) if ending == ".csv" else parquet.read_table(out)
    assert released.column_names == ["age", "region", "ill"]
    groups: dict[tuple[object, ...], list[object]] = defaultdict(list)
    for row in released.to_pylist():
        groups[row["age"], row["region"]].append(row["ill"])
    assert all(len(each) >= k and len(set(each)) >= l_min for each in groups.values())
    assert released.num_rows == report.rows - report.suppressed
    assert report.suppressed * 100 <= percent * len(rows)
    assert sum(report.sizes.values()) == len(groups)
    if groups:
        assert report.k == min(len(each) for each in groups.values())
        assert report.l_min == min(len(set(each)) for each in groups.values())
    assert report.left_out == ("name",)
    assert b"somebody" not in out.read_bytes()
    if not report.suppressed:  # what is sensitive stays as it was, row by row
        assert released.column("ill").to_pylist() == columns["ill"]


@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.booleans()), min_size=1))
def test_a_missing_value_is_a_value_by_which_rows_differ(tmp_path: Path, rows) -> None:
    path = tmp_path / "t.parquet"
    first, second = map(list, zip(*rows, strict=True))
    parquet.write_table(pa.table({"x": pa.array(first, pa.string()), "y": second}), path)
    report = measure(path, Asked({"x": None, "y": None}))
    assert report.k == min(Counter(rows).values())
    bounds: Counter[int] = Counter(1 << (size - 1).bit_length() for size in Counter(rows).values())
    assert report.sizes == bounds
    assert hierarchies.kind_of(first) == "category"
