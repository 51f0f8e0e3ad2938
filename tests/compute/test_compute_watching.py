"""A site's Prometheus on paper: what it says, what it cannot say, and what it lies about."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.utilisation import prometheus
from yunhe.compute.utilisation.domain import FULL, Subject, Used
from yunhe.compute.utilisation.prometheus import (
    ANSWER_BYTES_MAX,
    JOBS_MAX,
    SERIES_MAX,
    STEP_SECONDS,
    WINDOW_SECONDS,
    Prometheus,
    Source,
)
from yunhe.compute.utilisation.queries import Query, own, shipped
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable

END = 1_800_000_000
NOW_US = (END + 7) * SECOND_US
NAME = "yunhe-" + "0a" * 20
GPU = shipped()["kubernetes", "NVIDIA"]


class Desk:
    """Answers as it is told to, and keeps what it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers, self.asked = list(answers), []

    def request(self, method, url, *, headers, content, bytes_max, seconds_max):
        assert (method, bytes_max, seconds_max <= 10) == ("POST", ANSWER_BYTES_MAX, True)
        self.asked.append((url, headers, {k: v[0] for k, v in parse_qs(content.decode()).items()}))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return SimpleNamespace(status=status, body=body)


def series(*values: object, at: int = END, **labels: str) -> dict:
    """A series whose last value is of ``at``, one each step before it."""
    first = at - STEP_SECONDS * (len(values) - 1)
    said = [[first + STEP_SECONDS * n, value] for n, value in enumerate(values)]
    return {"metric": {"pod": f"{NAME}-x1", "gpu": "0", **labels}, "values": said}


def body(*result: object) -> bytes:
    data = {"resultType": "matrix", "result": list(result)}
    return json.dumps({"status": "success", "data": data}).encode()


def subject(job: str = "w-1", *, name: str = NAME, devices: int = 1, after: int = 60) -> Subject:
    return Subject(job, name, "h20", devices, (END - after) * SECOND_US)


def watch(*answers: object, query: Query = GPU, **source) -> tuple[Prometheus, Desk]:
    desk = Desk(*answers)
    made = Source("lab", "https://p.example.org/prom/", namespace="yunhe", **source)
    return Prometheus(made, {"h20": query}, outbound=desk), desk


def seen(*result: object, query: Query = GPU, **wanted) -> tuple[Used, str]:
    """What is taken of one answer about one job."""
    made, _ = watch(body(*result), query=query)
    look = made.look([subject(**wanted)], now_us=NOW_US)
    assert look.until_us == END * SECOND_US
    return look.used.get("w-1", Used()), look.finding


def test_all_jobs_of_a_site_are_asked_about_in_one_range_query(tmp_path):
    (tmp_path / "token").write_text(" tick-et \n")
    made, desk = watch(body(), token_file=tmp_path / "token")
    two = [subject(), subject("w-2", name="yunhe-" + "1b" * 20, after=300)]
    assert made.look(two, now_us=NOW_US).used == {}
    [(url, headers, asked)] = desk.asked
    assert url == "https://p.example.org/prom/api/v1/query_range"
    assert headers["authorization"] == "Bearer tick-et"
    assert (asked["start"], asked["end"], asked["step"]) == (str(END - 270), str(END), "30")
    pattern = f'"(?:{NAME}|{two[1].name})-.+"'
    assert f'pod=~{pattern},namespace="yunhe"' in asked["query"]
    assert "{" + "jobs}" not in asked["query"]


def test_every_device_at_every_instant_is_a_sample_and_the_busiest_one_tells_of_now():
    used, finding = seen(series("10", "30"), series("0", "20", gpu="1"), devices=2)
    assert (used, finding) == (Used(600, 4, 250), "")


def test_what_was_counted_before_is_not_counted_again():
    other = subject("w-2", name="yunhe-" + "3d" * 20, after=300)
    made, _ = watch(body(series("90", "80", "10")))
    assert made.look([subject(after=30), other], now_us=NOW_US).used == {"w-1": Used(100, 1, 100)}
    assert seen(series("90", "80", "10"), after=30)[1] == "compute.watch_values"  # never asked


def test_labels_that_prometheus_renamed_come_before_the_exporters_own_pod():
    renamed = series("70", exported_pod=f"{NAME}-0-abcde", pod="dcgm-exporter-5x")
    assert seen(renamed)[0] == Used(700, 1, 700)
    both = series("70", exported_pod=f"{NAME}-x1"), series("10")
    assert seen(*both)[0] == Used(700, 1, 700)


def test_missing_series_are_nobodys_look_and_no_idleness():
    assert seen() == (Used(), "")
    assert seen(series("NaN")) == (Used(), "")
    assert seen(series("0", at=END - 3_000)) == (Used(), "compute.watch_values")


def test_a_job_of_which_some_devices_are_not_seen_counts_as_in_use():
    assert seen(series("0"), devices=2) == (Used(0, 0, FULL), "")
    assert seen(series("0"), series("NaN", gpu="1"), devices=2) == (Used(0, 0, FULL), "")


@pytest.mark.parametrize("lie", ["-1", "101", "1e9", "+Inf", "-Inf", "zero", "9" * 50])
def test_what_cannot_be_true_counts_as_in_use_and_is_told(lie):
    assert seen(series(lie)) == (Used(0, 0, FULL), "compute.watch_values")
    used, finding = seen(series("0"), series(lie, gpu="1"), devices=2)
    assert (used, finding) == (Used(0, 0, FULL), "compute.watch_values")


def test_more_devices_than_the_job_holds_cannot_be_true():
    used, finding = seen(series("0"), series("0", gpu="1"))
    assert (used, finding) == (Used(0, 0, FULL), "compute.watch_values")


def test_a_series_that_comes_twice_is_one_device_and_its_busier_value_counts():
    assert seen(series("0"), series("80")) == (Used(800, 1, 800), "")


@pytest.mark.parametrize("pod", ["other-0", NAME, f"{NAME}x-1", "-" * 299, "a-" * 10**6, "", "-"])
def test_series_of_others_are_passed_over(pod):
    assert seen(series("0", pod=pod)) == (Used(), "")


@pytest.mark.parametrize(
    "odd",
    [
        7,
        None,
        [],
        {"metric": []},
        {"metric": {"pod": f"{NAME}-x1"}, "values": {"a": 1}},
        {"metric": {"pod": f"{NAME}-x1"}, "values": [[END], 3, [END, 5], ["x", "5"]]},
        {"metric": {"pod": f"{NAME}-x1"}, "values": [[True, "5"], [10**400, "5"], [-1e300, "5"]]},
        {"metric": {"pod": f"{NAME}-x1"}, "values": [[END + 30, "0"], [END - 9_999, "0"]]},
    ],
    ids=["number", "null", "list", "labels", "values", "points", "instants", "outside"],
)
def test_a_series_that_is_none_costs_no_other_and_is_told(odd):
    used, finding = seen(odd, series("40"))
    assert (used, finding) == (Used(400, 1, 400), "compute.watch_values")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((503, b""), "compute.watch_refused"),
        ((422, b'{"status":"error"}'), "compute.watch_refused"),
        ((302, b""), "compute.watch_refused"),
        (b"", "compute.watch_nonsense"),
        (b"<html>", "compute.watch_nonsense"),
        (b"[" * 10**6, "compute.watch_nonsense"),
        (b"\xff\xfe", "compute.watch_nonsense"),
        (b'{"status":"success"}', "compute.watch_nonsense"),
        (b'{"status":"error","data":{}}', "compute.watch_nonsense"),
        (b'{"status":"success","data":{"resultType":"vector","result":[]}}',
         "compute.watch_nonsense"),
        (Unavailable("outbound.timed_out", host="p"), "compute.watch_unreachable"),
        (Unavailable("outbound.too_large", host="p", bytes_max=1), "compute.watch_unreachable"),
    ],
    ids=["down", "refused", "moved", "empty", "page", "deep", "bytes", "bare", "error", "vector",
         "slow", "huge"],
)  # fmt: skip
def test_a_prometheus_that_is_out_of_order_says_nothing_of_anybody(answer, code):
    made, _ = watch(answer)
    with pytest.raises(Unavailable) as told:
        made.look([subject()], now_us=NOW_US)
    assert (told.value.code, told.value.params["site"]) == (code, "lab")


def test_an_answer_with_more_series_than_devices_can_be_is_not_read():
    made, _ = watch(body(*[{}] * (SERIES_MAX + 1)))
    with pytest.raises(Unavailable, match="no table"):
        made.look([subject()], now_us=NOW_US)


@pytest.mark.parametrize("text", [None, "", "  \n", "a b", "a\x00b", "ü"])
def test_without_a_good_token_nothing_is_asked(tmp_path, text):
    if text is not None:
        (tmp_path / "token").write_text(text)
    made, desk = watch(token_file=tmp_path / "token")
    with pytest.raises(Unavailable) as told:
        made.look([subject()], now_us=NOW_US)
    assert (told.value.code, desk.asked) == ("compute.watch_token", [])
    assert str(tmp_path) not in str(told.value)


def test_after_a_long_silence_no_more_than_an_hour_is_asked_for():
    made, desk = watch(body())
    made.look([subject(after=10**6)], now_us=NOW_US)
    asked = desk.asked[0][2]
    assert int(asked["end"]) - int(asked["start"]) == WINDOW_SECONDS


@pytest.mark.parametrize(("devices", "shortest"), [(8, 3_000), (64, 60), (100, 0)])
def test_for_very_many_devices_less_is_asked_for_than_could_be_read(devices, shortest):
    made, desk = watch(body())
    many = [
        subject(f"w-{n}", name=f"{NAME}-{n}", devices=devices, after=10**6)
        for n in range(prometheus.JOBS_MAX)
    ]
    made.look(many, now_us=NOW_US)
    asked = desk.asked[0][2]
    seconds = int(asked["end"]) - int(asked["start"])
    instants = seconds // STEP_SECONDS + 1
    each = prometheus.SERIES_BYTES + instants * prometheus.POINT_BYTES
    assert seconds >= shortest
    assert instants == 1 or len(many) * devices * each <= ANSWER_BYTES_MAX


def test_nothing_is_asked_twice_of_one_instant_nor_of_chips_or_names_nobody_knows():
    made, desk = watch()
    strange = Subject("w-2", NAME, "br100", 1, 0)
    names = ["", 'x"} or up{a="', "a|b", "n" * 101]
    odd = [Subject(f"w-{name}", name, "h20", 1, 0) for name in names]
    look = made.look([subject(after=0), strange, *odd], now_us=NOW_US)
    assert (look.used, desk.asked, made.watches("br100")) == ({}, [], False)


def test_very_many_jobs_are_asked_about_in_parts():
    made, desk = watch(body(), body())
    many = [subject(f"w-{n}", name=f"yunhe-{n:040d}") for n in range(JOBS_MAX + 1)]
    made.look(many, now_us=NOW_US)
    assert [ask[2]["query"].count("yunhe-0") for ask in desk.asked] == [2 * JOBS_MAX, 2]


def test_chips_of_two_makers_are_two_questions_and_each_has_its_label():
    npu = shipped()["kubernetes", "Huawei"]
    answer = {**series("25"), "metric": {"pod_name": f"{NAME}-q", "id": "0"}}
    desk = Desk(body(), body(answer))
    made = Prometheus(Source("lab", "http://p"), {"h20": GPU, "a": npu}, outbound=desk)
    other = Subject("w-2", NAME, "a", 1, (END - 60) * SECOND_US)
    first = subject(name="yunhe-" + "2c" * 20)
    assert made.look([first, other], now_us=NOW_US).used == {"w-2": Used(250, 1, 250)}
    assert len(desk.asked) == 2


def test_an_operators_own_query_may_tell_of_a_job_as_a_whole():
    query = own("slurm", 'avg by (slurmjobid) (x{slurmjobid=~"{jobs}"})', label="", each="job")
    answer = {**series("12"), "metric": {"slurmjobid": "4711"}}
    used, _ = seen(answer, query=query, name="4711", devices=8)
    assert used == Used(120, 1, 120)


@pytest.mark.parametrize("key", sorted(shipped()))
def test_every_shipped_query_says_where_names_go_and_keeps_the_labels_it_is_read_by(key):
    query = shipped()[key]
    assert "{" + "jobs}" in query.text
    for label in query.labels:
        assert f'{label}=~"' in query.text
        assert any(label in part.split(")")[0] for part in query.text.split("by (")[1:])
    assert query.named == ("prefix" if key[0] == "kubernetes" else "exact")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
SAID = st.one_of(st.sampled_from(["0", "5", "100", "101", "-1", "NaN", ""]), ANY)
POINT = st.one_of(ANY, st.tuples(st.integers(END - 90, END + 30), SAID).map(list))
SERIES = st.one_of(
    ANY,
    st.fixed_dictionaries(
        {
            "metric": st.one_of(ANY, st.just({"pod": f"{NAME}-a"}), st.just({"pod": f"{NAME}-b"})),
            "values": st.one_of(ANY, st.lists(POINT, max_size=4)),
        }
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SERIES, max_size=4), st.integers(1, 2))
def test_whatever_is_said_no_reader_breaks_and_idle_is_only_who_was_seen_whole(result, devices):
    used, _ = seen(*result, devices=devices)
    assert 0 <= used.sum_per_thousand <= used.samples * FULL
    assert used.samples % devices == 0
    if used.latest is not None and used.latest < FULL and used.samples == 0:
        raise AssertionError("idle, though never seen whole")
