"""Work with a folder of one's own from the command line: there, and what it left back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_desk import Person, people, server, supplied

from yunhe.cli.describing import read
from yunhe.cli.submitting import asked_of, fetched
from yunhe.compute.providers import sandbox
from yunhe.compute.providers.local import LocalProvider
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.operations.worker import Worker

EXAMPLES = Path(__file__).parents[2] / "examples" / "workloads"
needs_bubblewrap = pytest.mark.skipif(sandbox.bubblewrap() is None, reason="needs bubblewrap")


@pytest.fixture
def running(tmp_path):
    with server(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def pair(tmp_path, capsys, monkeypatch, running):
    return people(tmp_path, capsys, monkeypatch, running)


@pytest.fixture
def job(tmp_path):
    shutil.copytree(EXAMPLES, tmp_path / "mine")
    return tmp_path / "mine" / "command.yaml"


def described(tmp_path: Path, text: str, *changes: str):
    path = tmp_path / "job.yaml"
    path.write_text(text, "utf-8")
    return asked_of(read(path, changes))


def faults(tmp_path: Path, text: str, *changes: str) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        described(tmp_path, text, *changes)
    assert refused.value.code == "cli.spec_invalid"
    start = f"{tmp_path / 'job.yaml'}:"
    return [(each.where.removeprefix(start), each.code) for each in refused.value.findings]


@needs_bubblewrap
def test_a_folder_goes_there_its_command_runs_and_what_it_left_comes_back(
    pair, running, job, tmp_path
):
    operator, tenant = pair
    supplied(running, operator, tenant)
    provider = LocalProvider(tmp_path / "w", {})
    worker = Worker(running._platform, slots=1, duties=(), provider=provider)
    worker.start()
    try:
        done = tenant("--json", "submit", str(job), "--watch", "--set", "command.3=5")
        twice = tenant("submit", str(job), "--watch")
    finally:
        worker.stop(10)
    assert done.code == 65  # a part of a list has no name
    assert twice.code == 0, twice.out + twice.err
    assert "3 files" in twice.err

    [made] = tenant.json("workloads")["items"]
    assert made["program"] == "python"
    listed = tenant("outputs", made["id"])
    assert listed.out.strip() == "out/words.json"
    target = tmp_path / "got"
    assert tenant("outputs", made["id"], "--to", str(target)).code == 0
    found = json.loads((target / "out" / "words.json").read_text())
    assert found[0] == ["it", 4]
    assert len(found) == 3
    assert [path.name for path in target.iterdir()] == ["out"]

    (target / "out" / "words.json").write_text("mine")
    again = tenant("--json", "outputs", made["id"], "--to", str(target))
    assert (again.code, again.json["code"]) == (Conflict.exit_code, "cli.output_there")
    assert (target / "out" / "words.json").read_text() == "mine"
    assert tenant("outputs", made["id"], "--to", str(target), "--force").code == 0
    assert json.loads((target / "out" / "words.json").read_text()) == found


def test_outputs_never_go_through_a_link(pair, running, job, tmp_path):
    outside, to = tmp_path / "outside", tmp_path / "to"
    outside.mkdir()
    to.mkdir()
    (to / "out").symlink_to(outside)
    with pytest.raises(Conflict):
        fetched(None, "workload", ["out%2Fa"], to, force=True)  # type: ignore[arg-type]
    with pytest.raises(Conflict) as odd:
        fetched(None, "workload", ["..%2Fa"], to, force=True)  # type: ignore[arg-type]
    assert odd.value.code == "cli.output_odd"
    assert not list(outside.iterdir())


def test_what_the_server_finds_is_told_with_the_line(pair, running, job, tmp_path):
    operator, tenant = pair
    supplied(running, operator, tenant)
    job.write_text(
        "command: [python, x.py]\nchips:\n  cpu: 1000\n  cpu2: 1\nreplicas: 3\ndevices: 5000\n"
        "wall_seconds_max: 2592000\ncpu_seconds_max: 60\n"
    )
    said = tenant("--json", "submit", str(job))
    assert said.json["code"] == "compute.spec_invalid"
    places = {each["where"].removeprefix(str(job)) for each in said.json["findings"]}
    assert ":4:3: substitutes.cpu2" in places or any(":2:1" in place for place in places)
    assert any(":6:1" in place or ":5:1" in place for place in places)


def test_without_outputs_there_is_nothing_to_fetch(pair, running, job):
    operator, tenant = pair
    supplied(running, operator, tenant)
    waits = tenant.json("submit", str(job))
    assert tenant("outputs", waits["id"]).code == NotFound.exit_code


def test_a_dry_run_sends_nothing_and_needs_no_server(pair, job, tmp_path, capsys, monkeypatch):
    stranger = Person(tmp_path / "stranger", capsys, monkeypatch)
    said = stranger.json("submit", str(job), "--dry-run", "--set", "replicas=2")
    assert said["files"] == [".yunheignore", "count.py", "text.txt"]
    assert said["device_seconds_max"] == 240
    assert said["server"] is None
    told = stranger("submit", str(job), "--dry-run").out
    assert "count.py" in told
    assert "No server was asked" in told
    told = stranger("submit", str(job), "--dry-run", "--set", "devices_milli=250").out
    assert " 0.25 × cpu" in told


def test_where_a_server_is_a_dry_run_says_what_it_would_do_and_leaves_nothing(pair, running, job):
    operator, tenant = pair
    supplied(running, operator, tenant)
    for _ in range(2):
        said = tenant.json("submit", str(job), "--dry-run")["server"]
        assert (said["state"], said["rank"]) == ("placed", None)
        assert said["held_ms"] == 120_000
        [home] = said["homes"]
        assert (home["site"], home["cost_minor"]) == ("east-1", 120)
    assert "east-1" in tenant("submit", str(job), "--dry-run").out
    assert tenant.json("submit", str(job))["state"] == "placed"
    waits = tenant.json("submit", str(job), "--dry-run")["server"]
    assert (waits["state"], waits["rank"], waits["held_ms"]) == ("waiting", 1, 0)
    assert waits["early_at"] < waits["late_at"]
    assert len(tenant.json("queue")["items"]) == 0


def test_a_dry_run_tells_what_the_server_finds_with_its_line(pair, running, job):
    operator, tenant = pair
    supplied(running, operator, tenant)
    said = tenant("--json", "submit", str(job), "--dry-run", "--set", "devices=3")
    assert said.json["code"] == "compute.spec_invalid"
    [found] = said.json["findings"]
    assert "--set devices=1" in found["message"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_sound(path):
    asked = asked_of(read(path))
    assert asked.wall_seconds_max > 0


def test_a_chip_with_no_speed_is_refused_at_its_line(tmp_path):
    said = "command: a\nchips:\n  a: 1000\n  b: {}\nwall_seconds_max: 60\ncpu_seconds_max: 60\n"
    assert faults(tmp_path, said.format(0)) == [("4:3: substitutes.b", "api.field_too_small")]
    assert described(tmp_path, said.format(1)).substitutes == {"b": 1}


def test_the_fewest_replicas_said_on_the_command_line_go_before_the_files(tmp_path):
    said = "command: a\nelastic: {min: 3, max: 4}\nwall_seconds_max: 60\ncpu_seconds_max: 60\n"
    asked = described(tmp_path, said, "replicas_min=2")
    assert (asked.replicas_min, asked.replicas) == (2, 4)


def test_what_people_may_say_shortly_means_the_same(tmp_path):
    asked = described(
        tmp_path,
        "command: python train.py --name 'two words'\nchips: {a: 1000, b: 800, c: 1200}\n"
        "elastic: {min: 2, max: 4}\nenvironment: {SEED: 7}\ndeadline: 2030-01-01 10:00:00\n"
        "wall_seconds_max: 60\ncpu_seconds_max: 60\n",
    )
    assert asked.command == ["python", "train.py", "--name", "two words"]
    assert (asked.chip, asked.substitutes) == ("a", {"b": 800, "c": 1200})
    assert (asked.replicas_min, asked.replicas) == (2, 4)
    assert asked.environment == {"SEED": "7"}
    assert asked.deadline == "2030-01-01T10:00:00+00:00"


def test_a_field_can_be_set_for_once(tmp_path):
    text = "entry_point: x\nwall_seconds_max: 60\ncpu_seconds_max: 60\n"
    asked = described(tmp_path, text, "arguments.seed=7", "wall_seconds_max=90", "chip=h20")
    assert (asked.arguments, asked.wall_seconds_max, asked.chip) == ({"seed": 7}, 90, "h20")
    assert faults(tmp_path, text, "nonsense") == [("--set nonsense", "cli.spec_set")]
    inside = "entry_point.x"
    assert faults(tmp_path, text, f"{inside}=1") == [(f"--set {inside}", "cli.spec_set")]


def test_every_fault_is_told_at_once_with_its_line(tmp_path):
    found = faults(
        tmp_path,
        "command: [a]\ncommand: [b]\nwall_seconds_max: soon\nreplicas: 0\nfolder: nowhere\n"
        "inputs: {x: none.txt}\nchips: {a: 5}\nnonsense: 1\n",
    )
    assert ("2:1", "cli.spec_twice") in found
    assert ("3:1: wall_seconds_max", "api.field_integer") in found or any(
        where.startswith("3:1") for where, _ in found
    )
    assert any(where.startswith("4:1") for where, _ in found)
    assert ("5:1: folder", "cli.spec_no_folder") in found
    assert any(code == "cli.spec_no_input" for _, code in found)
    assert ("7:1: chips", "cli.spec_chips_first") in found
    assert any(where.startswith("8:1") for where, _ in found)


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "- a", "a: &x 1\nb: *x\n", "\x00", "a: !!python/object:os.system x", "[" * 3_000],
    ids=range(7),
)
def test_what_is_no_description_is_refused(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(Invalid) as refused:
        read(path)
    assert refused.value.code == "cli.spec_invalid"


def test_a_description_beyond_the_bound_is_refused(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(Invalid):
        read(path)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_fields = st.sampled_from(
    [
        "chips",
        "elastic",
        "command",
        "deadline",
        "environment",
        "inputs",
        "folder",
        "outputs",
        "replicas",
        "devices",
        "sites",
        "wall_seconds_max",
        "arguments",
        "kind",
        "secrets",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_fields, _values, max_size=5))
def test_whatever_a_description_says_it_is_taken_or_refused_whole(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("any") / "job.yaml"
    path.write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    refused: list[Invalid] = []
    try:
        asked_of(read(path))
    except Invalid as error:
        refused.append(error)
    assert all(each.code == "cli.spec_invalid" and each.findings for each in refused)
    assert refused or {"wall_seconds_max", "command"} <= said.keys()
