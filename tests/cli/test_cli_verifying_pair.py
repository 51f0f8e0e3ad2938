"""Two receipts of one use, ours and the other platform's: both must hold and tell of the same."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from yunhe.custody import service as custody
from yunhe.custody import store as custody_store
from yunhe.custody.domain import Record
from yunhe.custody.publishers import FilePublisher
from yunhe.custody.sequencer import Sequencer
from yunhe.kernel.canonical import sha256

assert custody_store  # its tables must be known before the database is made
WHOSE = {"organisation": "org_a", "chip": "cpu"}
THEIRS = {"device_ms": 9_000, "cost_minor": 9, "unit": "CNY"}


class Pair:
    """Two logs in one database's folder each, and the files an auditor gets."""

    def __init__(self, storage, folder) -> None:
        self.storage, self.folder = storage, folder
        self.signer = custody.create_log(folder / "log", "both.example/log")
        self.trust = folder / "trust"
        self.trust.write_text(custody.trust(folder / "log"))

    def record(self, subject: str, **body) -> tuple[str, bytes]:
        now_us = self.storage.clock.now_us()
        with self.storage.database.begin() as tx:
            award = custody.append(tx, Record("compute.award", f"award-{subject}", 1, WHOSE, {}))
            links = {"award": award}
            made = custody.append(
                tx, Record("compute.usage", subject, now_us, {**WHOSE, **body}, links)
            )
        Sequencer(self.storage, self.signer, [FilePublisher(self.folder / "out")]).run_once()
        receipt = custody.receipt_bytes(custody.receipt(self.storage, made))
        (self.folder / subject).write_bytes(receipt)
        return made, receipt

    def ours(self, subject: str, theirs: tuple[str, bytes], **over) -> None:
        named = {"remote_reference": theirs[0], "remote_receipt": sha256(theirs[1])}
        figures = {f"remote_{name}": value for name, value in THEIRS.items()}
        self.record(subject, **{"device_ms": 9_000, **named, **figures, **over})

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = ["--lang", "en", "verify", str(self.folder / "ours"), "--trust", str(self.trust)]
        code = f"from yunhe.cli.main import main; main({[*line, *arguments]!r})"
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )

    def both(self, theirs: str = "theirs") -> subprocess.CompletedProcess[str]:
        trust = ["--remote-trust", str(self.trust)]
        return self.verify("--remote", str(self.folder / theirs), *trust)


@pytest.fixture
def pair(storage, tmp_path) -> Pair:
    return Pair(storage, tmp_path)


def test_two_receipts_that_tell_of_the_same_use_hold_together(pair) -> None:
    pair.ours("ours", pair.record("theirs", **THEIRS))
    done = pair.both()
    assert done.returncode == 0, done.stdout
    assert done.stdout.rstrip().endswith("with the same figures.")


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"remote_device_ms": 9_001}, "remote_device_ms"),
        ({"remote_cost_minor": 8}, "remote_cost_minor"),
        ({"remote_receipt": "sha256:" + "0" * 64}, "remote_receipt"),
    ],
)
def test_figures_that_differ_between_the_two_are_named(pair, over, field) -> None:
    pair.ours("ours", pair.record("theirs", **THEIRS), **over)
    done = pair.both()
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith(f"does not tell of the second: {field}.")


def test_the_receipt_of_another_use_is_not_the_second_half(pair) -> None:
    pair.ours("ours", pair.record("theirs", **THEIRS))
    pair.record("other", **THEIRS)
    done = pair.both("other")
    assert done.returncode == 1
    assert "remote_receipt, remote_reference" in done.stdout


def test_a_second_receipt_that_was_changed_does_not_hold(pair) -> None:
    _, receipt = theirs = pair.record("theirs", **THEIRS)
    pair.ours("ours", theirs)
    (pair.folder / "theirs").write_bytes(receipt.replace(b"9000", b"9001"))
    done = pair.both()
    assert done.returncode == 1
    assert "with the same figures" not in done.stdout


def test_half_a_pair_is_asked_for_whole(pair) -> None:
    pair.ours("ours", pair.record("theirs", **THEIRS))
    done = pair.verify("--remote", str(pair.folder / "theirs"))
    assert done.returncode != 0
    assert "--remote-trust" in done.stderr
    assert json.loads((pair.folder / "theirs").read_bytes())["subject"]
