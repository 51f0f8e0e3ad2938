"""The first code of a job at a site: who may run, whose end counts, how long saving may take."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute.providers import station
from yunhe.compute.providers.station import Place

ORDER = {"replicas": 6}
ATTENDANT = """
def Files(folder):
    return open(str(folder) + "-samples", "w")

class Attendant:
    def __init__(self, files, *, sample, **_):
        self.files, self.sample = files, sample

    def serve(self):
        with self.files as file:
            file.write(str(self.sample is not None))
"""


@pytest.fixture
def bare(monkeypatch):
    """None of the variables by which schedulers tell a job where it is."""
    for name in ("YUNHE_NODE", "YUNHE_NODES", "SLURM_JOB_NUM_NODES", "SLURMD_NODENAME"):
        monkeypatch.delenv(name, raising=False)
    for name in station.CLAIM:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_of_two_nodes_that_claim_at_once_the_second_waits_for_what_the_first_writes(tmp_path, bare):
    bare.setenv("YUNHE_CLAIM", "gang")
    (tmp_path / "claimed").touch()
    bare.setattr(station.time, "sleep", lambda _: (tmp_path / "claimed").write_text("gang"))
    assert station.claim(tmp_path)
    bare.setenv("YUNHE_CLAIM", "other")
    assert not station.claim(tmp_path)


def test_a_claim_that_never_says_whose_it_is_is_nobody_elses(tmp_path, bare):
    bare.setenv("YUNHE_CLAIM", "gang")
    bare.setattr(station, "CLAIM_SECONDS", -1.0)
    (tmp_path / "claimed").touch()
    assert not station.claim(tmp_path)


def test_a_job_on_one_node_is_all_there_is(bare):
    told = Place.found(ORDER).told()
    assert (told["YUNHE_NODE"], told["YUNHE_NODES"], told["YUNHE_REPLICAS"]) == ("0", "1", "6")


def test_slurm_names_its_first_node_and_how_many_there_are(bare):
    bare.setenv("SLURM_JOB_NUM_NODES", "2")
    bare.setenv("SLURMD_NODENAME", "asc1")
    told = Place.found({}).told()
    assert (told["YUNHE_NODE"], told["YUNHE_NODES"], told["YUNHE_MASTER"]) == ("0", "2", "asc1")


@pytest.mark.parametrize(("nodes", "said"), [("1", "True"), ("2", "False")])
def test_processor_time_of_one_node_among_several_is_told_to_nobody(tmp_path, nodes, said):
    (tmp_path / "attendant.py").write_text(ATTENDANT)
    helper = station.attended(tmp_path, tmp_path, None, {"limits": {}}, {"YUNHE_NODES": nodes})
    os.waitpid(helper, 0)
    assert (tmp_path / "live-samples").read_text() == said


def test_replicas_count_on_over_the_nodes_before(bare):
    for name, value in (
        ("YUNHE_NODE", "1"),
        ("YUNHE_NODES", "2"),
        ("YUNHE_MASTER", "first"),
        ("YUNHE_REPLICAS", "6"),
        ("YUNHE_REPLICAS_HERE", "3"),
    ):
        bare.setenv(name, value)
    place = Place.found({})
    assert place.told()["YUNHE_REPLICA"] == "3"
    assert place.file(station.Path("/f"), "stdout").name == "stdout-1"


ENDS = st.tuples(st.integers(0, 3), st.sampled_from(["", "stopped", "wall", station.SAVED]))


@given(st.lists(ENDS, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_failure_of_any_node_is_the_jobs_end_in_whatever_order_they_end(ends, random):
    import tempfile  # noqa: PLC0415 - hypothesis wants a fresh folder for each example
    from pathlib import Path  # noqa: PLC0415

    order = list(enumerate(ends))
    random.shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ended.json"
        for node, (status, cause) in order:
            place = Place(node, len(ends), "m", 1, 1)
            ended = {"status": status, "cause": cause, "node": node}
            if station.speaks(path, ended, place):
                path.write_text(json.dumps(ended))
        said = json.loads(path.read_text()) if path.exists() else {"status": 0, "cause": "stopped"}
    failed = [(s, c) for _, (s, c) in order if s and c != "stopped"]
    if failed:
        assert (said["status"], said["cause"]) == failed[0]
    else:
        assert not said["status"] or said["cause"] == "stopped"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("0", 1), ("99999", 3_600), ("x", 0), ("", 0), ("-5", 1)]
)
def test_what_is_written_there_is_bounded(tmp_path, text, seconds):
    assert station.save_seconds(tmp_path) == 0
    (tmp_path / "save").write_text(text)
    assert station.save_seconds(tmp_path) == seconds
    assert station.save_seconds(tmp_path / "gone") == 0
