"""The verifier: what it accepts as a receipt, what it does with the rest, and its life alone."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from custody_log import make_log
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from yunhe.custody import sequencer, verifier
from yunhe.custody import service as custody
from yunhe.custody.domain import Record

SOURCE = Path(verifier.__file__)


def test_trust_in_another_log_is_no_trust_in_this_one(log, tmp_path):
    known = log.chain()
    other = custody.create_log(tmp_path / "other", "yunhe.test/log")
    verdict = custody.verify(log.receipt(known["answer"]), custody.trust(other.home))
    assert (verdict.ok, verdict.links) == (False, ())
    assert verdict.seal.reason == "not_trusted"
    assert not custody.verify(log.receipt(known["answer"]), "").ok
    unreadable = custody.verify(log.receipt(known["answer"]), "nonsense")
    assert (unreadable.seal.role, unreadable.seal.reason) == ("trust", "malformed")


def test_only_the_issued_spelling_of_a_receipt_is_accepted(log):
    known = log.chain()
    receipt = log.receipt(known["answer"])
    issued = custody.receipt_bytes(receipt)
    assert custody.verify(issued, log.trust()).ok
    for spelling in (
        json.dumps(receipt, indent=1).encode(),
        json.dumps(receipt).encode(),
        issued + b"\n",
        b" " + issued,
        issued.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + issued,
        issued.replace(b'"subject":', b'"subject":"","subject":', 1),
        issued.replace("工".encode(), b"\\u5de5"),
    ):
        verdict = custody.verify(spelling, log.trust())
        assert not verdict.ok
        assert verdict.seal.reason in ("not_canonical", "malformed")


def test_a_second_spelling_of_the_same_signature_is_refused(log):
    known = log.chain()
    receipt = dict(log.receipt(known["answer"]))
    note = receipt["checkpoint"]
    assert note.endswith("=\n")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = note[-3]
    twin = letters[letters.index(last) ^ 1]  # the lowest bit of the last letter carries nothing
    receipt["checkpoint"] = note[:-3] + twin + note[-2:]
    verdict = custody.verify(receipt, log.trust())
    assert (verdict.ok, verdict.seal.reason) == (False, "malformed")


# --- Malformed receipts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5_000,
        b'{"format":1.5}',
        b'{"format":NaN}',
        b'"\\ud800"',
        b'{"format":"yunhe.receipt/2"}',
    ],
    ids=lambda data: data[:12].decode("latin-1"),
)
def test_what_is_no_receipt_is_a_verdict_and_not_a_crash(log, data):
    verdict = custody.verify(data, log.trust())
    assert (verdict.ok, verdict.seal.role, verdict.seal.reason) == (False, "receipt", "malformed")


@pytest.mark.parametrize("value", [1.5, "\ud800", {"a": float("nan")}, [b"bytes"]])
def test_a_receipt_object_without_bytes_is_a_verdict_and_not_a_crash(log, value):
    assert not custody.verify({"format": value}, log.trust()).ok


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=70)
    | st.sampled_from(["0" * 64, "data.source", "", "$", "yunhe.test/log\n1\n"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """A receipt that leads over a change of key, and the trust of one who knew the first key."""
    log = make_log(tmp_path_factory.mktemp("issued"))
    first = log.trust()
    log.chain()
    custody.rotate(log.storage, log.signer)
    known = log.chain(suffix="2")
    receipt = log.receipt(known["answer"])
    assert receipt["rotations"]
    assert custody.verify(receipt, first).ok
    return receipt, first


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_any_part_replaced_by_anything_is_a_verdict_and_not_a_crash(issued, data):
    receipt, trust = copy.deepcopy(issued[0]), issued[1]
    path = data.draw(st.sampled_from(places(receipt)))
    junk = data.draw(JUNK)
    how = data.draw(st.sampled_from(["replace", "add", "drop"]))
    if not path:
        receipt = junk
    else:
        holder = receipt
        for step in path[:-1]:
            holder = holder[step]
        if how == "replace":
            holder[path[-1]] = junk
        elif how == "drop":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[data.draw(st.text(max_size=8))] = junk
        else:
            holder.append(junk)
    verdict = custody.verify(receipt, trust)
    assert not verdict.ok or receipt == issued[0] or path == ("rotations", 0)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text("0123456789abcdefABC+/=#\n \u2014"))
@example("a+00000000+" + "A" * 44)
def test_any_text_as_trust_is_a_verdict_and_not_a_crash(issued, text):
    assert not custody.verify(issued[0], text).ok


# --- The lone file --------------------------------------------------------------------------------


def test_the_key_of_one_log_cannot_vouch_for_the_key_of_another(log, tmp_path):
    """Who is trusted for log A must not become able to speak for log B."""
    mine = log.signer.load()
    thief = verifier.key_text("b.test/log", mine.private.public_key().public_bytes_raw())
    body = {"old_key": mine.id, "new_key": thief.rpartition("+")[0], "new_public": thief}
    reference = log.append(Record("key.rotated", "thief", 1, body, {}))
    made = log.sequencer.run_once()
    receipt = dict(log.receipt(reference))
    claimed = sequencer.checkpoint_body("b.test/log", made.size, made.root, at_us=made.at_us)
    hashed = verifier.read_trust(thief).popitem()[0].rpartition("+")[2]
    signature = bytes.fromhex(hashed) + mine.private.sign(claimed.encode())
    line = f"— b.test/log {base64.b64encode(signature).decode()}"
    forged = f"{claimed}\n{line}\n"
    assert verifier.read_note(forged, verifier.read_trust(thief))[1] == (made.size, made.root)
    change = {"checkpoint": made.note, "entry": receipt["entries"][reference], "proof": []}
    receipt |= {"checkpoint": forged, "rotations": [change]}
    honest = custody.trust(custody.create_log(tmp_path / "b", "b.test/log").home)
    verdict = custody.verify(receipt, log.trust() + honest)
    assert (verdict.ok, verdict.seal.reason) == (False, "rotation")


@pytest.mark.parametrize("name", ["b.test/log", "yunhe.test/log2", "yunhe.test"])
def test_a_change_of_key_stays_within_the_name_of_the_log(log, name):
    log.chain()
    old = log.signer.load()
    line = verifier.key_text(name, bytes(31) + b"\x01")
    body = {"old_key": old.id, "new_key": line.rpartition("+")[0], "new_public": line}
    reference = log.append(Record("key.rotated", "x", 1, body, {}))
    log.sequencer.run_once()
    receipt = dict(log.receipt(reference))
    change = {"entry": receipt["entries"][reference], "proof": []}
    receipt["rotations"] = [change | {"checkpoint": receipt["checkpoint"]}]
    assert custody.verify(receipt, log.trust()).seal.reason == "rotation"


@pytest.fixture
def elsewhere(log, tmp_path) -> Path:
    """Another machine: the one file, a receipt, a trust file, an outside file, nothing else."""
    known = log.chain()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(SOURCE, folder / "verifier.py")
    (folder / "receipt.json").write_bytes(custody.receipt_bytes(log.receipt(known["answer"])))
    (folder / "trust.txt").write_text(log.trust())
    (folder / "outside.txt").write_text(log.receipt(known["answer"])["checkpoint"])
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    # -I: no PYTHONPATH, no working folder on the path; our package must not be needed.
    return subprocess.run(
        [sys.executable, "-I", "verifier.py", *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={"LC_ALL": "C"},
        check=False,
    )


def test_the_verifier_is_one_short_file_that_imports_nothing_of_ours():
    text = SOURCE.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    imported = {
        line.split()[1].split(".")[0]
        for line in text.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_copied_file_proves_a_copied_receipt(elsewhere):
    done = run(elsewhere, "receipt.json", "--trust", "trust.txt")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "PROVED"
    assert "  no outside checkpoint was compared" in lines
    assert "  ✓ subject: answer answer_1" in lines
    assert sum(line.startswith("  ✓") for line in lines) == 16


def test_the_copied_file_speaks_chinese(elsewhere):
    done = run(elsewhere, "receipt.json", "--trust", "trust.txt", "--lang", "zh")
    assert done.stdout.splitlines()[0] == "已证明"
    assert "  ✓ subject: 回答 answer_1" in done.stdout


def test_the_copied_file_compares_with_an_outside_file(elsewhere):
    arguments = ("receipt.json", "--trust", "trust.txt", "--checkpoints", "outside.txt")
    done = run(elsewhere, *arguments)
    assert done.returncode == 0
    assert "no outside checkpoint" not in done.stdout
    (elsewhere / "outside.txt").write_text("")
    done = run(elsewhere, *arguments)
    assert done.returncode == 1
    assert "the outside place lacks this checkpoint 15" in done.stdout


def test_the_copied_file_answers_in_json(elsewhere):
    done = run(elsewhere, "receipt.json", "--trust", "trust.txt", "--json")
    answer = json.loads(done.stdout)
    assert answer["ok"] is True
    assert len(answer["links"]) == 15
    assert answer["links"][0]["kind"] == "serving.answer"


@pytest.mark.parametrize(("language", "word"), [("en", "NOT PROVED"), ("zh", "未能证明")])
def test_the_copied_file_says_what_is_wrong(elsewhere, language, word):
    receipt = elsewhere / "receipt.json"
    receipt.write_bytes(receipt.read_bytes().replace(b'"keywords"', b'"keyworks"'))
    done = run(elsewhere, "receipt.json", "--trust", "trust.txt", "--lang", language)
    assert done.returncode == 1
    assert done.stdout.startswith(word)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("  ✗")]
    reason = verifier.REASONS["content"][language == "zh"]
    assert line.endswith(f"evaluation_1  {reason}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.json", "--trust", "trust.txt"),
        ("receipt.json", "--trust", "missing.txt"),
        ("receipt.json", "--trust", "trust.txt", "--checkpoints", "missing.txt"),
        ("receipt.json",),
        ("receipt.json", "--trust", "trust.txt", "--lang", "xx"),
        (),
        ("receipt.json", "--trust", "binary"),
    ],
)
def test_a_wrong_command_or_an_unreadable_file_is_status_2_without_a_traceback(
    elsewhere, arguments
):
    (elsewhere / "binary").write_bytes(b"\xff\xfe\xfd")
    done = run(elsewhere, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 14), st.integers(0, 14))
def test_two_records_with_exchanged_places_are_not_in_the_log(issued, one, other):
    receipt, trust = copy.deepcopy(issued[0]), issued[1]
    references = sorted(receipt["entries"])
    first, second = (receipt["entries"][references[at % len(references)]] for at in (one, other))
    if first is second:
        return
    first["index"], second["index"] = second["index"], first["index"]
    verdict = custody.verify(receipt, trust)
    assert sum(link.reason == "not_in_log" for link in verdict.links) == 2
