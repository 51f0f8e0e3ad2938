"""Tables made k-anonymous and l-diverse, against counting by hand."""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from yunhe.corpus.tables import anonymity, files, hierarchies
from yunhe.corpus.tables.service import Asked, Report, deidentify, measure
from yunhe.kernel.errors import Conflict, Invalid, NotFound, YunheError

Row = tuple[object, ...]


def patients(count: int, *, seed: int = 1) -> pa.Table:
    draw = random.Random(seed)
    return pa.table(
        {
            "name": [f"病人{n}" for n in range(count)],
            "age": [draw.randint(18, 90) for _ in range(count)],
            "born": [f"19{draw.randint(40, 99)}-{draw.randint(1, 12):02}-11" for _ in range(count)],
            "region": [draw.choice(["310101", "310104", "320102", "110105"]) for _ in range(count)],
            "sex": [draw.choice(["男", "女", None]) for _ in range(count)],
            "illness": [draw.choice(["流感", "骨折", "糖尿病", "哮喘"]) for _ in range(count)],
        }
    )


def kept(table: pa.Table, folder: Path, name: str = "in.parquet") -> Path:
    path = folder / name
    if name.endswith(".csv"):
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return path


def by_hand(rows: list[Row], quasi: int) -> tuple[int, int]:
    """k and l of rows whose first columns are the quasi-identifiers and whose last is sensitive."""
    classes: dict[Row, list[object]] = defaultdict(list)
    for row in rows:
        classes[row[:quasi]].append(row[-1])
    sizes = [len(values) for values in classes.values()]
    return min(sizes, default=0), min((len(set(v)) for v in classes.values()), default=0)


def rows_of(table: pa.Table, *names: str) -> list[Row]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


SMALL = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None]), st.sampled_from("xyz")),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(deadline=None)
@given(SMALL)
def test_k_and_l_are_those_that_one_counts_by_hand(rows: list[Row]) -> None:
    columns = [np.unique([str(row[at]) for row in rows], return_inverse=True)[1] for at in range(3)]
    same = [np.arange(30)]
    table = anonymity.coded(columns[:2], [same, same], columns[2:])
    found = anonymity.grouped(table, (0, 0))
    assert (int(found.sizes.min()), int(found.diversity.min())) == by_hand(rows, 2)
    assert int(found.sizes.sum()) == len(rows)


@settings(deadline=None)
@given(SMALL, st.integers(1, 4), st.integers(0, 2), st.integers(0, 5))
def test_of_all_generalisations_that_suffice_the_least_is_taken(
    rows: list[Row], k: int, l_min: int, spare: int
) -> None:
    columns = [np.unique([str(row[at]) for row in rows], return_inverse=True)[1] for at in range(3)]
    halves = [np.arange(30), np.arange(30) // 2, np.zeros(30, np.int64)]
    two = [np.arange(30), np.zeros(30, np.int64)]
    table = anonymity.coded(columns[:2], [halves, two], columns[2:])
    good = {
        levels
        for levels in itertools.product(range(3), range(2))
        if anonymity.grouped(table, levels).suppressed(k=k, l_min=l_min) <= spare
    }
    found = anonymity.least(table, k=k, l_min=l_min, suppressed_max=spare)
    if not good:
        assert found is None
        return
    assert found is not None
    lost = anonymity.losses(table)
    cost = {lv: (lost[0][lv[0]] + lost[1][lv[1]], sum(lv), lv) for lv in good}
    assert found.levels == min(good, key=lambda levels: cost[levels])


@settings(deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=40))
def test_what_a_level_loses_is_the_share_of_other_values_that_read_the_same(
    values: list[int],
) -> None:
    column = np.unique(values, return_inverse=True)[1]
    steps = [np.arange(8), np.arange(8) // 2, np.arange(8) // 4, np.zeros(8, np.int64)]
    [lost] = anonymity.losses(anonymity.coded([column], [steps], []))
    different = set(column.tolist())
    for level, said in enumerate(lost):
        read = {value: int(steps[level][value]) for value in different}
        alike = [sum(read[value] == each for each in read.values()) - 1 for value in column]
        share = sum(alike) / len(column) / max(1, len(different) - 1)
        assert abs(said - share * 1_000_000) < 1
    assert lost == sorted(lost)
    assert lost[0] == 0


def test_ranges_are_preferred_to_nothing_where_they_lose_less(tmp_path: Path) -> None:
    draw = random.Random(5)
    ages = [draw.randint(20, 89) for _ in range(900)]
    rooms = [str(draw.randint(1, 3)) for _ in range(900)]
    source = kept(pa.table({"age": ages, "room": rooms}), tmp_path)
    asked = Asked({"age": "number", "room": "category"}, k=8)
    report = deidentify(source, asked, tmp_path / "out.csv")
    assert report.levels == {"age": "range 5", "room": "exact"}


def test_the_least_of_many_combinations_is_found_in_few_trials() -> None:
    draw = random.Random(6)
    columns = [np.array([draw.randrange(8) for _ in range(300)]) for _ in range(6)]
    steps = [np.arange(8), np.arange(8) // 2, np.arange(8) // 4, np.zeros(8, np.int64)]
    table = anonymity.coded(columns, [steps] * 6, [])
    found = anonymity.least(table, k=5, l_min=0, suppressed_max=3)
    assert found is not None
    lost = anonymity.losses(table)

    def cost(levels: tuple[int, ...]) -> int:
        return sum(column[level] for column, level in zip(lost, levels, strict=True))

    for levels in itertools.product(range(4), repeat=6):  # 4,096: more than are ever tried
        if cost(levels) < cost(found.levels):
            assert anonymity.grouped(table, levels).suppressed(k=5, l_min=0) > 3


def test_a_search_too_large_for_that_still_ends_where_no_column_can_be_more_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(2)
    columns = [np.array([draw.randrange(8) for _ in range(200)]) for _ in range(3)]
    steps = [np.arange(8), np.arange(8) // 2, np.arange(8) // 4, np.zeros(8, np.int64)]
    table = anonymity.coded(columns, [steps] * 3, [])
    monkeypatch.setattr(anonymity, "NODES_MAX", 1)
    found = anonymity.least(table, k=10, l_min=0, suppressed_max=4)
    assert found is not None
    assert found.suppressed(k=10, l_min=0) <= 4
    for column in range(3):
        lower = tuple(lv - (at == column) for at, lv in enumerate(found.levels))
        if min(lower) >= 0:
            assert anonymity.grouped(table, lower).suppressed(k=10, l_min=0) > 4


ASKED = Asked({"age": None, "region": "region", "sex": None}, ("illness",), k=5, l_min=2)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_copy_is_as_asked_and_says_what_became_of_each_column(
    tmp_path: Path, ending: str
) -> None:
    source = kept(patients(600), tmp_path, f"in.{ending}")
    out = tmp_path / f"out.{ending}"
    report = deidentify(source, ASKED, out)
    copy = files.read(out)
    k, l_min = by_hand(rows_of(copy, "age", "region", "sex", "illness"), 3)
    assert (k, l_min) == (report.k, report.l_min)
    assert k >= 5
    assert l_min >= 2
    assert copy.column_names == ["age", "region", "sex", "illness"]
    assert report.left_out == ("name", "born")
    assert report.rows - report.suppressed == copy.num_rows >= 594
    assert set(report.levels) == {"age", "region", "sex"}
    assert measure(out, ASKED).k == k
    assert not list(tmp_path.glob(".*"))


def test_a_table_is_measured_as_it_stands(tmp_path: Path) -> None:
    table = patients(300)
    found = measure(kept(table, tmp_path), ASKED)
    assert (found.k, found.l_min) == by_hand(rows_of(table, "age", "region", "sex", "illness"), 3)
    assert sum(found.sizes.values()) == len(set(rows_of(table, "age", "region", "sex")))
    assert found.suppressed == 0


def test_the_report_is_plain_whole_numbers_and_claims_no_anonymity(tmp_path: Path) -> None:
    report = deidentify(kept(patients(400), tmp_path), ASKED, tmp_path / "o.csv").as_json()
    assert json.loads(json.dumps(report)) == report
    assert report["claim"] == "de-identified"
    assert report["rows"] == 400
    assert not any(isinstance(value, float) for value in report.values())


def test_rows_that_stay_alone_are_left_out_up_to_the_bound(tmp_path: Path) -> None:
    table = pa.table({"age": [30] * 98 + [31, 99], "x": ["a"] * 100})
    path = kept(table, tmp_path)
    few = deidentify(
        path, Asked({"age": "number"}, k=5, suppress_percent_max=2), tmp_path / "a.csv"
    )
    assert (few.suppressed, few.levels) == (2, {"age": "exact"})
    none = deidentify(
        path, Asked({"age": "number"}, k=5, suppress_percent_max=0), tmp_path / "b.csv"
    )
    assert (none.suppressed, none.k) == (0, 100)


def test_what_cannot_be_reached_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    path, out = kept(patients(20), tmp_path), tmp_path / "out.csv"
    for asked in (Asked({"sex": None}, k=21), Asked({"sex": None}, ("illness",), l_min=5)):
        with pytest.raises(Conflict) as caught:
            deidentify(path, asked, out)
        assert caught.value.code == "corpus.table_impossible"
    assert not out.exists()


@pytest.mark.parametrize(
    ("kind", "values", "read"),
    [
        ("number", [3, 17, 250], [["0–4", "15–19", "250–254"], ["0–9", "10–19", "250–259"]]),
        ("number", [1.5, -3], [["0–<5", "-5–<0"]]),
        ("date", ["1987-06-05", "1990-01-31"],
         [["1987-06", "1990-01"], ["1987", "1990"], ["1980s", "1990s"]]),
        ("region", ["310104"], [["3101**"], ["31****"]]),
        ("prefix", ["200120", "2001"], [["20012*", "2001"], ["2001**", "2001"]]),
        ("category", ["男", None], [["*", "*"]]),
    ],
)  # fmt: skip
def test_a_hierarchy_reads_values_less_and_less_exactly(
    kind: hierarchies.Kind, values: list[hierarchies.Value], read: list[list[str]]
) -> None:
    made = hierarchies.levels(kind, values)
    told = [[reading(value) for value in values] for _, reading in made[1:]]
    assert told[: len(read)] == read
    assert told[-1] == ["*"] * len(values)


@settings(deadline=None)
@given(
    st.one_of(
        st.lists(st.integers(-5000, 5000), min_size=2, max_size=20),
        st.lists(st.floats(-500, 500), min_size=2, max_size=20),
        st.lists(st.dates().map(str), min_size=2, max_size=20),
        st.lists(st.text("ab12", min_size=1, max_size=6), min_size=2, max_size=20),
    ),
    st.sampled_from(["number", "date", "prefix", "category"]),
)
def test_what_reads_the_same_once_reads_the_same_ever_after(
    values: list[hierarchies.Value], kind: hierarchies.Kind
) -> None:
    if not hierarchies.fits(kind, values):
        return
    before: list[str] = [str(value) for value in values]
    for _, reading in hierarchies.levels(kind, values)[1:]:
        now = [reading(value) for value in values]
        merged: dict[str, str] = {}
        for old, new in zip(before, now, strict=True):
            assert merged.setdefault(old, new) == new
        before = now


def test_a_hierarchy_is_chosen_by_the_values() -> None:
    assert hierarchies.kind_of([1, 2.5, None]) == "number"
    assert hierarchies.kind_of(["2020-01-02", None]) == "date"
    assert hierarchies.kind_of(["310101"]) == "region"
    assert hierarchies.kind_of(["x", "310101"]) == "category"
    assert hierarchies.kind_of(["31", "-2.5", None]) == "number"
    assert hierarchies.kind_of(["990101", "100"]) == "number"
    assert hierarchies.kind_of(["007"]) == "category"
    assert hierarchies.kind_of([None]) == "category"
    assert hierarchies.kind_of([True, False]) == "category"


def codes(error: YunheError) -> set[str]:
    return {finding.code.removeprefix("corpus.") for finding in error.findings}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked({"agee": None}), {"column_missing"}),
        (Asked({"age": None}, ("age",)), {"column_twice"}),
        (Asked({"name": "number"}), {"table_misfit"}),
        (Asked({"name": "colour"}), {"source_choice"}),  # type: ignore[dict-item]
        (Asked({}), {"table_range"}),
        (Asked({"age": None}, k=0), {"table_range"}),
        (Asked({"age": None}, l_min=2), {"table_sensitive_missing"}),
        (Asked({"age": None}, suppress_percent_max=101), {"table_percent"}),
    ],
)
def test_what_is_asked_wrongly_is_told_whole(tmp_path: Path, asked: Asked, told: set[str]) -> None:
    with pytest.raises(Invalid) as caught:
        deidentify(kept(patients(10), tmp_path), asked, tmp_path / "o.csv")
    assert codes(caught.value) == told
    assert caught.value.message("zh") != caught.value.message("en")


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"", {"table_csv"}),
        ("a.csv", b"a,b\n", {"table_empty"}),
        ("a.csv", b"a,a\n1,2\n", {"table_column_twice"}),
        ("a.csv", b"a,b\n1,2\n3\n", {"table_csv"}),
        ("a.csv", b"a,b\n1,\xff\xfe\n", {"table_csv"}),
        ("a.parquet", b"PAR1 no", {"table_parquet"}),
        ("a.xlsx", b"", {"library_format"}),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, name: str, data: bytes, told: set[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Invalid) as caught:
        measure(tmp_path / name, Asked({"a": None}))
    assert codes(caught.value) == told


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        measure(tmp_path / "none.csv", Asked({"a": None}))


def test_codes_of_a_csv_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("code,x\n007,1\n008,2\n", encoding="utf-8")
    assert files.read(path).column("code").to_pylist() == ["007", "008"]


def test_more_rows_need_less_generalisation(tmp_path: Path) -> None:
    reports: list[Report] = [
        deidentify(kept(patients(count), tmp_path), ASKED, tmp_path / "o.parquet")
        for count in (200, 50_000)
    ]
    assert [report.k >= 5 for report in reports] == [True, True]
    assert reports[1].levels == {"age": "exact", "region": "exact", "sex": "exact"}
    assert reports[0].levels != reports[1].levels
