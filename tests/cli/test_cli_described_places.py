"""Where a field that a server refuses stands in the file that described it, in whatever words."""

from __future__ import annotations

import pytest

from yunhe.cli.describing import SPEC_BYTES_MAX, read
from yunhe.kernel.errors import Finding, Invalid, NotFound

TEXT = """\
command: [sh, -c, "true"]
chips: {ascend910b: 1000, h20: 1500}
elastic:
  min: 2
  max: 8
environment:
  A: 1
  B: yes
  C: 1.5
inputs: {train: data/a}
"""


@pytest.fixture
def described(tmp_path):
    """A file's description, and places without the folder's name."""

    def make(content: str | bytes = TEXT, *changes: str):
        path = tmp_path / "job.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(path, changes)

    return make


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("command", "1:1"),
        ("command.2", "1:19"),
        ("command.7", "1:1"),
        ("chip", "2:1"),
        ("substitutes.h20", "2:27"),
        ("replicas", "5:3"),
        ("replicas_min", "4:3"),
        ("devices", "3:1"),
        ("environment.B", "8:3"),
        ("environment.Z", "6:1"),
        ("inputs.train", "10:10"),
        ("image", None),
    ],
)
def test_a_field_is_told_where_it_was_said_even_in_other_words(described, field, place):
    found = described()
    start = f"{found.path}:{place}" if place else str(found.path)
    assert found.where(field) == f"{start}: {field}"


def test_short_words_become_the_messages_own(described):
    said = described().said
    assert (said["chip"], said["substitutes"]) == ("ascend910b", {"h20": 1_500})
    assert (said["replicas_min"], said["replicas"]) == (2, 8)
    assert said["environment"] == {"A": "1", "B": True, "C": 1.5}
    assert not {"chips", "elastic"} & set(said)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("chips: {}", "cli.spec_chips"),
        ("chips: h20", "cli.spec_chips"),
        ("chips: {h20: 1000}\nchip: h20", "cli.spec_chips"),
        ("chips: {h20: 1000}\nsubstitutes: {}", "cli.spec_chips"),
        ("chips: {h20: 999}", "cli.spec_chips_first"),
        ("chips: {h20: '1000'}", "cli.spec_chips_first"),
        ("elastic: 3", "cli.spec_elastic"),
        ("elastic: {min: 1}", "cli.spec_elastic"),
        ("elastic: {min: 1, max: 2, now: 1}", "cli.spec_elastic"),
        ("elastic: {min: 1, max: 2}\nreplicas: 2", "cli.spec_elastic"),
        ("command: 'a \"b'", "cli.spec_quotes"),
        ("deadline: 2026-12-01", "cli.spec_deadline"),
    ],
)
def test_short_words_that_mean_nothing_are_told_at_their_line_and_left_out(described, line, code):
    found = described(f"project: p\n{line}\n")
    [told] = found.findings
    field = line.partition(":")[0]
    assert (told.where, told.code) == (f"{found.path}:2:1: {field}", code)
    assert field == "command" or field not in found.said


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-12-01T08:00:00Z", "2026-12-01T08:00:00+00:00"),
        ("2026-12-01 08:00:00", "2026-12-01T08:00:00+00:00"),
        ("2026-12-01T08:00:00+08:00", "2026-12-01T08:00:00+08:00"),
        ("soon", "soon"),
    ],
)
def test_a_deadline_keeps_its_moment(described, said, meant):
    assert described(f"deadline: {said}").said["deadline"] == meant


def test_findings_of_the_file_and_of_the_server_are_told_together(described):
    found = described("chips: h20\ndevices: 1\ndevices: 2\n")
    described("command: x").refuse([])  # nothing is wrong
    with pytest.raises(Invalid) as refused:
        found.refuse([Finding("x", "cli.spec_set")])
    assert [each.code for each in refused.value.findings] == [
        "cli.spec_twice", "cli.spec_chips", "cli.spec_set",
    ]  # fmt: skip
    assert refused.value.findings[0].where == f"{found.path}:3:1"


def test_changes_count_over_short_words_and_are_read_as_yaml(described):
    found = described("chips: {h20: 1000}\n", "chips={cpu: 1000}", "arguments.on=yes", "x=")
    assert (found.said["chip"], found.said["arguments"]) == ("cpu", {"on": True})
    assert found.said["x"] is None


def test_a_file_of_just_the_bound_is_read_and_one_byte_more_is_not(described):
    head = b"command: x\n#"
    assert described(head + b"y" * (SPEC_BYTES_MAX - len(head))).said["command"] == ["x"]
    with pytest.raises(Invalid) as refused:
        described(head + b"y" * (SPEC_BYTES_MAX - len(head) + 1))
    assert [each.code for each in refused.value.findings] == ["cli.spec_large"]


def test_a_folder_is_no_description(tmp_path):
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(NotFound) as refused:
            read(path)
        assert refused.value.code == "cli.no_file"


def test_numbers_of_a_command_and_of_variables_are_words_as_they_were_written(described):
    """YAML 1.1 would make 5400, 8, 255 and 29500 of them."""
    text = "command: [run, --time, 1:30:00, 010, 0xff]\nenvironment: {PORT: 29_500, B: 07, 3: 4}\n"
    said = described(text, "environment.AT=1:30:00", "environment.N=7").said
    assert said["command"] == ["run", "--time", "1:30:00", "010", "0xff"]
    wanted = {"PORT": "29_500", "B": "07", "AT": "1:30:00", "N": "7"}
    assert {name: said["environment"][name] for name in wanted} == wanted
    assert said["environment"][3] == "4"
    assert described("wall_seconds_max: 1:00:00\n").said == {"wall_seconds_max": 3_600}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("chip: h20\n\tdevices: 1\n", "2:1"),
        ("\tchip: h20\n", "1:1"),
        ("a: &x {b: 1}\nc: *x\n", "2:4"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "3:7"),
        ("? [a]\n: 1\n", "1:3"),
        ("a: !!python/object:os.system {}\n", "1:4"),
        ("%YAML 9.9\n---\na: 1\n", "1:1"),
    ],
)
def test_what_is_not_read_is_refused_where_it_stands(described, content, place):
    for start in (b"", b"\xef\xbb\xbf"):
        with pytest.raises(Invalid) as refused:
            described(start + content.encode())
        [found] = refused.value.findings
        assert found.code == "cli.spec_not_yaml"
        assert found.where.endswith(f"job.yaml:{place}")


@pytest.mark.parametrize(
    "content", [b"\xff\xfea\x00", b"devices: " + b"9" * 5_000, b"[" * 5_000, b"a: \x00"]
)
def test_bytes_that_are_no_text_and_numbers_without_end_are_refused(described, content):
    with pytest.raises(Invalid) as refused:
        described(content)
    assert [each.code for each in refused.value.findings] == ["cli.spec_not_yaml"]


def test_an_anchor_that_nobody_uses_and_a_byte_order_mark_change_nothing(described):
    plain = described("chip: h20\ndevices: 2\n")
    marked = described(b"\xef\xbb\xbfchip: &kind h20\r\ndevices: 2\r\n")
    assert marked.said == plain.said
    assert marked.marks == plain.marks


def test_keys_given_twice_are_told_at_every_depth_however_they_are_quoted(described):
    found = described("a: 1\n'a': 2\nenvironment: {X: 1, 'X': 2}\n").findings
    places = [each.where.partition("job.yaml:")[2] for each in found]
    assert (places, {each.code for each in found}) == (["2:1", "3:21"], {"cli.spec_twice"})
