"""Descriptions that mean harm or nonsense, and outputs that may not land where they would."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.cli.describing import read
from yunhe.cli.submitting import asked_of, fetched
from yunhe.kernel.errors import Conflict, Invalid, Unavailable

SOUND = "command: [python, x.py]\nwall_seconds_max: 60\ncpu_seconds_max: 60\n"


@pytest.fixture
def asked(tmp_path):
    """The message that a description becomes."""

    def ask(text: str | bytes, *changes: str):
        path = tmp_path / "job.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return asked_of(read(path, changes))

    return ask


@pytest.fixture
def found(tmp_path, asked):
    """The faults of one that cannot be: ``line:column: field`` and code."""

    def faults(text: str | bytes, *changes: str) -> list[tuple[str, str]]:
        with pytest.raises(Invalid) as refused:
            asked(text, *changes)
        assert refused.value.code == "cli.spec_invalid"
        start = str(tmp_path / "job.yaml")
        return [
            (each.where.removeprefix(start).removeprefix(":"), each.code)
            for each in refused.value.findings
        ]

    return faults


# --- YAML ----------------------------------------------------------------------------------------


def bomb(levels: int = 30) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        "a: &a [*a]",
        "base: &b {x: 1}\nother: {<<: *b}",
        "[" * 50_000,
        "{a: " * 20_000,
        "- " * 5_000,
        "a: !!python/object/apply:os.system [true]",
        "a: !!python/name:os.system",
        "a: !unknown x",
        "a: b\n---\na: c",
        "\x00",
        "a: \x01",
        "a: [1, 2",
        "a: 'x",
        "%YAML 9.9\n---\na: b",
        "a:\n\t- b",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "a: " + "9" * 5_000,
        "a: 2026-13-45",
        "a: 2026-02-30T00:00:00Z",
        "a: 10000-01-01",
        "!!binary |\n  !!!",
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_what_is_no_plain_yaml_is_refused_at_once(found, text):
    faults = found(text)
    assert len(faults) >= 1
    assert {code.split(".")[0] for _, code in faults} <= {"cli", "api"}


@pytest.mark.parametrize("data", [b"\xff\xfea\x00", b"a: \xc3\x28", b"\x80" * 100], ids=str)
def test_bytes_that_are_no_text_are_refused(found, data):
    [(_, code)] = found(data)
    assert code == "cli.spec_not_yaml"


def test_a_mark_at_the_beginning_of_a_file_is_no_matter(asked):
    assert asked("\ufeff" + SOUND).wall_seconds_max == 60


@pytest.mark.parametrize("text", ["", "null", "[]", "x", "3", "--- \n...", "- a: b"], ids=ascii)
def test_what_is_no_mapping_is_refused(found, text):
    assert found(text)[0][1] == "cli.spec_no_object"


def test_every_key_given_twice_is_told_where_it_is_said_again(found):
    faults = found(
        SOUND + "wall_seconds_max: 6000\nenvironment:\n  A: x\n  A: y\nchips: {cpu: 1000, cpu: 1}\n"
    )
    twice = [where for where, code in faults if code == "cli.spec_twice"]
    assert twice == ["4:1", "7:3", "8:20"]


@pytest.mark.parametrize(
    "line",
    [
        "devices: yes",
        "devices: '1'",
        "devices: 1.0",
        "devices: .inf",
        "devices: .nan",
        "devices: 1e3",
        "devices: null",
        "devices: [1]",
        "devices: {}",
        "devices: 2026-01-01",
        "devices: 0",
        "devices: -1",
        "devices: 1000001",
        f"devices: {'9' * 400}",
        "replicas: 10001",
        "replicas: false",
        "devices_milli: 1000",
        "devices_milli: -1",
        "preemptible: 'yes'",
        "preemptible: 1",
        "preemptible: no thanks",
        "priority: highest",
        "kind: Training",
        "fabric: nvlink",
        "egress: maybe",
        "sites: east",
        "sites: ['']",
        "sites: [1]",
        "outputs: '*.json'",
        "outputs: [1]",
        "inputs: [a]",
        "inputs: {a: 1}",
        "arguments: [1]",
        "arguments: {x: 0.5}",
        "arguments: {x: .nan}",
        "arguments: {x: 2026-01-01}",
        "arguments: {x: !!set {a, b}}",
        "arguments: {x: !!binary aGk=}",
        "environment: [A]",
        "environment: {A: 1.5}",
        "environment: {A: true}",
        "environment: {A: null}",
        "image: [a]",
        "folder: [a]",
        "folder: 3",
        "project: Not A Project",
        "chip: 'a b'",
        "chip: ''",
        "chip: 910",
        "substitutes: {a: x}",
        "substitutes: [a]",
        "memory_bytes_max: 1",
        "memory_bytes_max: 4GiB",
        "input_reference: abc",
        "checkpoint_seconds: soon",
        "cpu_milli: -1",
        "cpu_milli: 0.5",
        "replica_memory_bytes: 18446744073709551616",
        "egress_bytes: lots",
        "unheard_of: 1",
        "Devices: 1",
    ],
)
def test_a_value_that_is_not_meant_so_is_refused_at_its_line(found, line):
    faults = found(SOUND + line + "\n")
    assert all(where.startswith("4:") for where, _ in faults), faults


def test_a_description_with_every_field_wrong_has_a_finding_for_each_at_its_line(found):
    lines = {
        "project": "'No!'",
        "kind": "joy",
        "entry_point": "'a b'",
        "command": "'unclosed \"quote'",
        "image": "7",
        "outputs": "7",
        "arguments": "7",
        "environment": "7",
        "secrets": "7",
        "chip": "''",
        "substitutes": "7",
        "devices": "none",
        "devices_milli": "1000",
        "replicas": "0",
        "replicas_min": "-1",
        "fabric": "wool",
        "cpu_milli": "-1",
        "replica_memory_bytes": "-1",
        "sites": "7",
        "data_site": "7",
        "egress_bytes": "-1",
        "egress": "perhaps",
        "priority": "mine",
        "preemptible": "perhaps",
        "checkpoint_seconds": "-1",
        "wall_seconds_max": "0",
        "cpu_seconds_max": "0",
        "memory_bytes_max": "0",
        "input_reference": "x",
        "folder": "nowhere",
        "inputs": "{data: nowhere}",
        "unheard_of": "1",
    }
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    faults = found(text)
    told = {int(where.split(":")[0]) for where, _ in faults if where[:1].isdecimal()}
    assert told == set(range(1, len(lines) + 1)), faults


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("devices", "cli.spec_set"),
        ("=1", "cli.spec_set"),
        ("a..b=1", "cli.spec_set"),
        (".=1", "cli.spec_set"),
        ("command.0=sh", "cli.spec_set"),
        ("wall_seconds_max.x=1", "cli.spec_set"),
        ("devices=[1", "cli.spec_not_yaml"),
        ("devices=" + "[" * 20_000, "cli.spec_not_yaml"),
        ("devices=!!python/name:os.system", "cli.spec_not_yaml"),
        ("devices=" + "9" * 5_000, "cli.spec_not_yaml"),
    ],
    ids=lambda value: value[:20],
)
def test_a_change_that_is_none_is_refused_by_its_name(found, change, code):
    assert code in {each for _, each in found(SOUND, change)}


def test_a_change_that_holds_itself_is_refused(found):
    """YAML says such a thing in ten letters; walking it never ends."""
    assert found(SOUND, "arguments.x=&a [*a]")


def test_the_last_change_of_a_field_counts_and_a_new_field_comes_with_it(asked):
    made = asked(SOUND, "devices=2", "devices=3", "arguments.deep.er=ok", "environment.A=7")
    assert (made.devices, made.arguments) == (3, {"deep": {"er": "ok"}})
    assert made.environment == {"A": "7"}


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=10),
    st.sampled_from(["yes", "~", "2026-01-01", "1:30", "0o7", "!!int x", "*a", "&a b", "{", "- "]),
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(
            ["devices", "chips", "elastic", "command", "deadline", "inputs", "secrets"]
        ),
        st.recursive(
            _scalars,
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_whatever_a_field_holds_it_is_taken_or_refused_with_findings(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("said") / "job.yaml"
    sound = SOUND.split("\n", 1)[1] if "command" in said else SOUND
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in said.items()]
    path.write_text(sound + "".join(lines), "utf-8")
    try:
        made = asked_of(read(path))
    except Invalid as refused:
        assert refused.findings  # noqa: PT017 - either way is right
    else:
        assert made.wall_seconds_max == 60


# --- Where outputs land --------------------------------------------------------------------------


class Server:
    """Hands over outputs; ``fails_at`` breaks off at that one."""

    def __init__(self, *, fails_at: int = -1) -> None:
        self.compute = SimpleNamespace(download=self._download)
        self.asked: list[str] = []
        self._fails_at = fails_at

    def _download(self, _: str, name: str, target: Path) -> None:
        if len(self.asked) == self._fails_at:
            raise Unavailable("client.unreachable", address="x")
        self.asked.append(name)
        target.write_text(name)


def get(server: Server, to: Path, *paths: str, force: bool = False) -> list[Path]:
    return fetched(server, "w", [quote(path, safe="") for path in paths], to, force=force)  # type: ignore[arg-type]


def inside(to: Path) -> set[str]:
    return {str(path.relative_to(to)) for path in to.rglob("*") if path.is_file()}


def test_outputs_come_into_a_folder_that_was_not_there(tmp_path):
    to = tmp_path / "a" / "b"
    get(Server(), to, "x", "out/y", "out/运河.json")
    assert inside(to) == {"x", "out/y", "out/运河.json"}


def test_what_breaks_off_leaves_nothing(tmp_path):
    to = tmp_path / "to"
    with pytest.raises(Unavailable):
        get(Server(fails_at=2), to, "a", "b", "c")
    assert list(to.iterdir()) == []


def test_what_is_there_already_is_kept_and_nothing_is_fetched(tmp_path):
    server = Server()
    (tmp_path / "b").write_text("mine")
    with pytest.raises(Conflict) as there:
        get(server, tmp_path, "a", "b")
    assert (there.value.code, server.asked) == ("cli.output_there", [])
    assert inside(tmp_path) == {"b"}


def test_force_takes_the_place_of_files_and_links_and_follows_none(tmp_path):
    to, outside = tmp_path / "to", tmp_path / "outside"
    to.mkdir()
    outside.write_text("precious")
    (to / "a").write_text("old")
    (to / "b").symlink_to(outside)
    get(Server(), to, "a", "b", force=True)
    assert (to / "a").read_text() == "a"
    assert not (to / "b").is_symlink()
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_in_the_place_of_an_output_stays_and_nothing_is_fetched(tmp_path, force):
    """With --force half of the outputs used to be there before the error."""
    (tmp_path / "b" / "mine").mkdir(parents=True)
    server = Server()
    with pytest.raises(Conflict) as there:
        get(server, tmp_path, "a", "b", "c", force=force)
    assert (there.value.code, server.asked) == ("cli.output_there", [])
    assert inside(tmp_path) == set()


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_place_of_a_folder_stays(tmp_path, force):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Conflict):
        get(Server(), tmp_path, "a", "out/b", force=force)
    assert inside(tmp_path) == {"out"}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "names", [["a", "%61"], ["a%2Fb", "a%2fb"], ["a", "a%2Fb"], ["a%2Fb", "a"]]
)
def test_names_of_a_server_that_cannot_be_there_together_are_refused(tmp_path, names, force):
    server = Server()
    with pytest.raises(Conflict) as odd:
        fetched(server, "w", names, tmp_path, force=force)  # type: ignore[arg-type]
    assert (odd.value.code, server.asked) == ("cli.output_odd", [])
    assert inside(tmp_path) == set()


@pytest.mark.parametrize(
    "name",
    ["..", "../a", "/etc/passwd", "a/../../b", "", ".", "a//b", "a\x00", "a\nb", "a\\b", "x" * 256],
    ids=ascii,
)
def test_names_that_lead_out_or_nowhere_are_refused(tmp_path, name):
    server = Server()
    with pytest.raises(Conflict) as odd:
        get(server, tmp_path / "to", name, force=True)
    assert (odd.value.code, server.asked) == ("cli.output_odd", [])
    assert not (tmp_path / "to").exists()


def test_a_target_below_a_file_is_an_error_of_the_system_and_nothing_is_fetched(tmp_path):
    (tmp_path / "file").write_text("x")
    server = Server()
    with pytest.raises((OSError, Conflict)):
        get(server, tmp_path / "file" / "to", "a")
    assert server.asked == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(min_size=1, max_size=12), unique=True, min_size=1, max_size=6))
def test_whatever_names_a_server_says_nothing_lands_outside(tmp_path_factory, names):
    above = tmp_path_factory.mktemp("above")
    to = above / "to"
    try:
        paths = get(Server(), to, *names)
    except Conflict as error:
        assert error.code == "cli.output_odd"  # noqa: PT017 - either way is right
        assert not to.exists()
        return
    assert sorted(paths) == sorted(to / name for name in names)
    assert [path.name for path in above.iterdir()] == ["to"]
