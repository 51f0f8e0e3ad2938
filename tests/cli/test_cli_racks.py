"""Nodes of pools on the command line: what reads as nodes, what is sent, what is shown."""

from __future__ import annotations

import pytest

from yunhe.api import document
from yunhe.client.wire.supply import Node

GROW, CHANGE = "POST /v1/pools/{pool}/nodes", "POST /v1/pools/{pool}/nodes/{node}/change"
POOL = "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q"
BECAUSE = ("--reason", "a second rack")
ONE = document.example(Node)


def sent(desk) -> list[dict[str, int]]:
    """The rows of the one request that was made, without what was left at nought."""
    [asked] = desk.office.asked
    return [{name: value for name, value in row.items() if value} for row in asked.body["nodes"]]


@pytest.mark.parametrize(
    ("said", "row"),
    [
        ("8x16", {"count": 8, "devices": 16}),
        ("1x1", {"count": 1, "devices": 1}),
        ("0008x016", {"count": 8, "devices": 16}),
        (
            "2x8,cpu_milli=192000,memory_mib=1024,domain=7",
            {"count": 2, "devices": 8, "cpu_milli": 192_000, "memory_mib": 1_024, "domain": 7},
        ),
    ],
)
def test_nodes_are_said_in_a_word(desk, said, row):
    assert desk("pool", "grow", POOL, "--node", said, *BECAUSE).code == 0
    assert sent(desk) == [row]
    assert desk.office.asked[0].body["reason"] == "a second rack"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "said",
    ["", "8", "x8", "8x", "8X16", "8 x 16", "-1x8", "8x1.5", "1x8,", "1x8,cpu_milli", "1x8,=5",
     "1x8,cpu_milli=-5", "1x8,cpu_milli=4000,", "1x8 ,domain=1", "1x8\n", "١x٢", "1234567x8",
     "1x8,domain=1,domain=2", "1x8,count=5", "1x8,devices=5"],
    ids=ascii,
)  # fmt: skip
def test_what_does_not_read_as_nodes_is_a_mistake_of_use_and_sent_nowhere(desk, said, lang):
    refused = desk("pool", "grow", POOL, "--node", said, *BECAUSE, lang=lang)
    assert refused.code == 2
    assert "8x16,cpu_milli=192000" in "".join(refused.err.split())
    assert desk.office.asked == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("0x8", "count"),
        ("1x0", "devices"),
        ("1x1025", "devices"),
        ("10001x1", "count"),
        ("1x8,colour=1", "colour"),
        ("1x8,domain=1000001", "domain"),
    ],
)
def test_nodes_that_cannot_be_are_refused_by_their_field(desk, said, field):
    told = desk("--json", "pool", "grow", POOL, "--node", said, *BECAUSE)
    assert (told.code, told.json["code"]) == (65, "api.invalid")
    assert [each["where"].rpartition(".")[2] for each in told.json["findings"]] == [field]
    assert desk.office.asked == []


def test_words_and_files_add_up_in_the_order_of_the_line(desk, tmp_path):
    file = tmp_path / "nodes.yaml"
    file.write_text("nodes:\n- {devices: 4, domain: 2}\n- devices: 3\n  count: 5\n")
    words = ("--node", "1x1", "--node", "2x2", "--nodes", file)
    assert desk("pool", "grow", POOL, *words, *BECAUSE, "--key", "rack-2").code == 0
    assert sent(desk) == [
        {"count": 1, "devices": 1},
        {"count": 2, "devices": 2},
        {"count": 1, "devices": 4, "domain": 2},
        {"count": 5, "devices": 3},
    ]
    assert desk.office.asked[0].headers["idempotency-key"] == "rack-2"


@pytest.mark.parametrize(
    "content",
    [b"", b"7", b"nodes", b"{}", b"nodes:", b"nodes: 3", b"- 1x8", b"[[1]]", b"- &a [*a]",
     b"\xff\xfe", b"- {devices: !!python/name:os.system x}", b"[" * 20_000,
     b"- devices: " + b"9" * 5_000, b"#" * (1 << 20) + b"\n- {devices: 1}"],
    ids=lambda content: ascii(content[:20]),
)  # fmt: skip
def test_a_file_without_nodes_is_a_mistake_of_use_and_sent_nowhere(desk, tmp_path, content):
    file = tmp_path / "nodes.yaml"
    file.write_bytes(content)
    refused = desk("pool", "grow", POOL, "--nodes", file, *BECAUSE)
    assert refused.code == 2
    assert "nodes.yaml" in refused.err
    assert "Traceback" not in refused.err
    assert desk.office.asked == []


@pytest.mark.parametrize("row", ["{}", "{devices: '8'}", "{devices: 8, name: n1}", "{1: 2}"])
def test_a_row_of_a_file_that_cannot_be_is_refused_whole(desk, tmp_path, row):
    file = tmp_path / "nodes.yaml"
    file.write_text(f"- {{devices: 1}}\n- {row}\n")
    assert desk("pool", "grow", POOL, "--nodes", file, *BECAUSE).code == 65
    assert desk.office.asked == []


def test_no_nodes_or_no_reason_is_refused_before_anything_is_sent(desk, tmp_path):
    (tmp_path / "none.yaml").write_text("[]")
    assert desk("pool", "grow", POOL, *BECAUSE).code == 65
    assert desk("pool", "grow", POOL, "--nodes", tmp_path / "none.yaml", *BECAUSE).code == 65
    assert desk("pool", "grow", POOL, "--node", "1x1").code == 2
    assert desk("pool", "grow", POOL, "--node", "1x1", "--reason", "").code == 65
    assert desk("pool", "grow", POOL, "--nodes", tmp_path / "absent.yaml", *BECAUSE).code == 2
    assert desk.office.asked == []


@pytest.mark.parametrize(("lang", "word"), [("en", "down"), ("zh", "停用")])
def test_nodes_that_came_are_shown_with_what_they_have_and_nothing_where_it_is_not_counted(
    desk, lang, word
):
    bare = {**ONE, "node": 4, "cpu_milli": 0, "memory_mib": 0, "reason": "\x1b[2Jgone\nred"}
    half = {**ONE, "node": 5, "cpu_milli": 500, "memory_mib": 1_536}
    desk.office.says(GROW, {"nodes": [ONE, bare, half]})
    shown = desk("pool", "grow", POOL, "--node", "1x1", *BECAUSE, lang=lang)
    assert shown.code == 0
    lines = shown.out.splitlines()
    first, second, third = (line.split() for line in lines if line[:1] in set("345"))
    assert first[:7] == ["3", "8", "192", "2048", "GiB", "0", word]
    assert second[:4] == ["4", "8", "0", word]
    assert third[:5] == ["5", "8", "0.5", "1.5", "GiB"]
    assert "\x1b[2J" not in shown.out
    assert desk("--json", "pool", "grow", POOL, "--node", "1x1", *BECAUSE, lang=lang).json == {
        "items": [ONE, bare, half],
        "more": False,
    }


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_folds_a_long_reason_and_loses_no_letter(desk, monkeypatch, width):
    monkeypatch.setattr("yunhe.cli.session._WIDTH_PIPED", width)
    reason = "-".join(f"w{number}" for number in range(30))
    desk.office.says(CHANGE, {"reason": reason})
    shown = desk("pool", "node", POOL, "3", "--state", "down", *BECAUSE)
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= width
    assert reason in "".join(shown.out.split())


def test_a_node_is_changed_by_its_number_and_answered_as_it_stands(desk):
    told = desk("--json", "pool", "node", POOL, "3", "--state", "gone", "--reason", "sold")
    assert (told.code, told.json) == (0, ONE)
    [asked] = desk.office.asked
    assert asked.line == f"POST /v1/pools/{POOL}/nodes/3/change"
    assert asked.body == {"state": "gone", "reason": "sold"}


@pytest.mark.parametrize(
    "line",
    [
        ("-1", "--state", "down", *BECAUSE),
        ("x", "--state", "down", *BECAUSE),
        ("1.5", "--state", "down", *BECAUSE),
        ("3", "--state", "broken", *BECAUSE),
        ("3", "--state", "Down", *BECAUSE),
        ("3", *BECAUSE),
        ("3", "--state", "down"),
    ],
    ids=" ".join,
)
def test_a_change_that_is_none_is_a_mistake_of_use_and_sent_nowhere(desk, line):
    assert desk("pool", "node", POOL, *line).code == 2
    assert desk.office.asked == []


def test_in_chinese_an_open_node_is_open_and_its_memory_is_the_machines(desk):
    shown = desk("pool", "node", POOL, "3", "--state", "down", *BECAUSE, lang="zh").out
    assert "内存" in shown
    assert "显存" not in shown
    desk.office.says(CHANGE, {"state": "open"})
    again = desk("pool", "node", POOL, "3", "--state", "open", *BECAUSE, lang="zh").out
    assert "开放" in again
    assert "未申请" not in again
