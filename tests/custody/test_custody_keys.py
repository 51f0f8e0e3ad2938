"""Where the signing key lies, who may read it, and how it is replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448

from yunhe.custody import keys, store, verifier
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, Unavailable, YunheError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_log_has_a_private_key_in_a_private_folder_and_a_public_trust_file(log):
    assert mode(log.home / "keys") == 0o700
    assert [path.name for path in (log.home / "keys").iterdir()] == ["log.pem"]
    assert mode(log.home / "keys" / "log.pem") == 0o600
    assert mode(log.home / "trust.txt") == 0o644
    assert b"BEGIN PRIVATE KEY" in (log.home / "keys" / "log.pem").read_bytes()


def test_permissions_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        custody.create_log(tmp_path / "loose", "a.test/log")
        os.umask(0o077)
        custody.create_log(tmp_path / "tight", "a.test/log")
    finally:
        os.umask(before)
    for home in ("loose", "tight"):
        assert mode(tmp_path / home / "keys") & 0o077 == 0
        assert mode(tmp_path / home / "keys" / "log.pem") == 0o600


def test_creating_again_keeps_the_key(log):
    before = (log.home / "keys" / "log.pem").read_bytes()
    again = custody.create_log(log.home, "yunhe.test/log")
    assert again.load().id == log.signer.load().id
    assert (log.home / "keys" / "log.pem").read_bytes() == before


def test_creating_is_finished_after_a_crash_between_key_and_trust_file(log):
    key = log.signer.load().id
    (log.home / "trust.txt").unlink()
    assert custody.create_log(log.home, "yunhe.test/log").load().id == key


def test_a_home_holds_the_key_of_one_log(log):
    with pytest.raises(Conflict) as caught:
        custody.create_log(log.home, "other.test/log")
    assert caught.value.code == "custody.origin_differs"


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a#b", "日志", "a\nb", "x" * 201])
def test_a_name_that_notes_cannot_carry_is_refused(tmp_path, origin):
    with pytest.raises(Invalid) as caught:
        custody.create_log(tmp_path / "home", origin)
    assert caught.value.code == "custody.origin_invalid"
    assert not (tmp_path / "home").exists()


def test_a_trust_line_is_name_hash_and_typed_key_in_the_note_format(log):
    name, digest, encoded = log.trust().strip().split("+", 2)
    assert name == "yunhe.test/log"
    assert log.signer.load().id == f"{name}+{digest}"
    [public] = verifier.read_trust(log.trust()).values()
    assert verifier.key_text(name, public) == f"{name}+{digest}+{encoded}"


def test_the_key_hash_is_the_one_other_implementations_compute():
    # The example key in the documentation of Go's golang.org/x/mod/sumdb/note.
    line = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert list(verifier.read_trust(line)) == ["PeterNeumann+c74f20a3"]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "a+b",
        "a+00000000+AAAA",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "\x00",
    ],
)
def test_a_trust_file_with_anything_else_is_refused(log, text):
    with pytest.raises(verifier.Rejected):
        verifier.read_trust(text)
    (log.home / "trust.txt").write_text(text)
    with pytest.raises(Unavailable) as caught:
        log.signer.load()
    assert caught.value.code == "custody.trust_damaged"


def test_remarks_and_empty_lines_in_a_trust_file_are_ignored(log):
    text = f"# given to us on paper\n\n{log.trust()}\n  # end\n"
    assert verifier.read_trust(text) == verifier.read_trust(log.trust())


@pytest.mark.parametrize(
    ("name", "bits"),
    [("keys/log.pem", 0o640), ("keys/log.pem", 0o604), ("keys/log.pem", 0o620), ("keys", 0o750)],
)
def test_a_key_others_could_have_read_is_refused_with_the_command_that_helps(log, name, bits):
    (log.home / name).chmod(bits)
    with pytest.raises(NotAllowed) as caught:
        custody.open_signer(log.home)
    assert caught.value.code == "custody.key_permissions"
    assert f"chmod {'700' if name == 'keys' else '600'} {log.home / name}" in str(caught.value)


def test_a_key_of_another_owner_is_refused(log, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotAllowed) as caught:
        custody.open_signer(log.home)
    assert caught.value.code == "custody.key_owner"


def test_a_key_behind_a_link_is_refused(log, tmp_path):
    key = log.home / "keys" / "log.pem"
    key.rename(tmp_path / "elsewhere.pem")
    key.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(NotAllowed):
        custody.open_signer(log.home)


def other_key() -> bytes:
    return ed448.Ed448PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize("data", [b"", b"nonsense", other_key()], ids=["empty", "text", "ed448"])
def test_a_file_that_is_no_signing_key_is_refused(log, data):
    (log.home / "keys" / "log.pem").write_bytes(data)
    with pytest.raises(Unavailable) as caught:
        custody.open_signer(log.home)
    assert caught.value.code == "custody.key_damaged"


@pytest.mark.parametrize("name", ["keys/log.pem", "trust.txt"])
def test_a_missing_file_is_named(log, name):
    (log.home / name).unlink()
    with pytest.raises(Unavailable) as caught:
        custody.open_signer(log.home)
    assert caught.value.code == "custody.keys_missing"
    assert str(log.home / name) in str(caught.value)


def test_the_trust_file_must_hold_the_signing_keys_public_half(log, tmp_path):
    other = custody.create_log(tmp_path / "other", "yunhe.test/log")
    (log.home / "trust.txt").write_text(custody.trust(other.home))
    with pytest.raises(Unavailable) as caught:
        custody.open_signer(log.home)
    assert caught.value.code == "custody.trust_damaged"


def test_a_signer_holds_no_secret(log):
    assert "log.pem" not in repr(log.signer)
    secret = (log.home / "keys" / "log.pem").read_text().splitlines()[1]
    assert secret not in repr(log.signer)
    assert secret not in repr(log.signer.load())


# --- Rotation -------------------------------------------------------------------------------------


def rotated(log):
    """A log with a chain under the first key and one under the second."""
    before = log.chain(suffix="before")
    first_trust = log.trust()
    first = log.signer.load().id
    second = custody.rotate(log.storage, log.signer)
    after = log.chain(suffix="after")
    return before, after, first, second, first_trust


def test_rotation_replaces_the_key_and_keeps_both_trusted(log):
    before, after, first, second, first_trust = rotated(log)
    assert log.signer.load().id == second != first
    assert list(verifier.read_trust(log.trust())) == [first, second]
    assert log.trust().startswith(first_trust)
    assert [path.name for path in (log.home / "keys").iterdir()] == ["log.pem"]
    assert custody.audit(log.storage, log.trust()).ok
    assert log.verify(before["answer"]).ok
    assert log.verify(after["answer"]).ok


def test_the_change_is_recorded_and_the_old_key_signed_the_record(log):
    _, _, first, second, _ = rotated(log)
    with log.storage.database.read() as tx:
        reference = custody.reference(tx, "key.rotated", second)
        record = custody.record(tx, reference)
        index = custody.ancestors(tx, reference).entries[reference].index
        last_of_first = store.latest_by(tx, first)
        made = list(store.checkpoints(tx))
    assert record.body["old_key"] == first
    assert record.body["new_key"] == second
    assert record.body["new_public"] == log.trust().splitlines()[1]
    assert last_of_first.size == index + 1
    assert [each.key for each in made] == [first, first, second, second]
    assert made[1].root == made[2].root


def test_a_verifier_that_trusts_only_the_old_key_follows_the_change(log):
    _, after, _, _, first_trust = rotated(log)
    custody.rotate(log.storage, log.signer)
    latest = log.chain(suffix="latest")
    for reference in (after["answer"], latest["answer"]):
        verdict = custody.verify(log.receipt(reference), first_trust)
        assert verdict.ok


def test_a_verifier_that_trusts_only_the_new_key_needs_no_change(log):
    _, after, _, _, _ = rotated(log)
    only_new = log.trust().splitlines()[1]
    assert custody.verify(log.receipt(after["answer"]), only_new).ok


def test_an_old_receipt_still_verifies_after_a_change(log):
    before = log.chain()
    receipt = log.receipt(before["answer"])
    custody.rotate(log.storage, log.signer)
    assert custody.verify(receipt, log.trust()).ok
    assert receipt["rotations"] == []


def test_a_receipt_for_an_earlier_checkpoint_carries_no_later_change(log):
    before, _, _, _, first_trust = rotated(log)
    receipt = log.receipt(before["answer"], size=15)
    assert receipt["rotations"] == []
    assert custody.verify(receipt, first_trust).ok


@pytest.mark.parametrize("edit", ["old_key", "new_public", "kind", "proof", "entry_proof", "gone"])
def test_a_change_of_key_that_does_not_hold_leads_nowhere(log, edit):
    _, after, _, _, first_trust = rotated(log)
    receipt = dict(log.receipt(after["answer"]))
    [change] = receipt["rotations"]
    record = change["entry"]["record"]
    if edit == "gone":
        receipt["rotations"] = []
    elif edit == "kind":
        record["kind"] = "data.source"
    elif edit.endswith("proof"):
        holder = change["entry"] if edit == "entry_proof" else change
        holder["proof"] = [bytes(32).hex() for _ in holder["proof"]]
    else:
        record["body"][edit] = "yunhe.test/log+00000000"
    verdict = custody.verify(receipt, first_trust)
    assert not verdict.ok
    assert verdict.seal.reason in ("rotation", "not_trusted", "malformed")


def test_the_key_that_was_replaced_may_not_sign_any_more(log, tmp_path):
    log.append_plain("a")
    log.sequencer.run_once()
    old = (log.home / "keys" / "log.pem").read_bytes()
    custody.rotate(log.storage, log.signer)
    (log.home / "keys" / "log.pem").write_bytes(old)
    log.append_plain("b")
    with pytest.raises(Conflict) as caught:
        log.sequencer.run_once()
    assert caught.value.code == "custody.key_not_current"


def test_a_running_sequencer_goes_on_with_the_new_key(log):
    log.append_plain("a")
    log.sequencer.run_once()
    second = custody.rotate(log.storage, log.signer)
    log.append_plain("b")
    assert log.sequencer.run_once().key == second


@pytest.mark.parametrize("step", ["make_key", "add_trust", "install_next", "first run", "last run"])
def test_a_rotation_that_was_stopped_anywhere_is_finished_by_doing_it_again(log, monkeypatch, step):
    log.append_plain("a")
    log.sequencer.run_once()

    class Killed(Exception):
        pass

    with monkeypatch.context() as patch:
        if step.endswith("run"):
            runs = iter([None] if step == "last run" else [])
            original = custody.Sequencer.run_once

            def run_once(self):
                if next(runs, "stop") == "stop":
                    raise Killed
                return original(self)

            patch.setattr(custody.Sequencer, "run_once", run_once)
        else:
            done = getattr(keys, step)

            def stopped(*arguments):
                if step == "make_key":
                    done(*arguments)
                raise Killed

            patch.setattr(keys, step, stopped)
        with pytest.raises(Killed):
            custody.rotate(log.storage, log.signer)
    log.append_plain("b")
    assert log.sequencer.run_once().size >= 2
    new = custody.rotate(log.storage, log.signer)
    assert log.signer.load().id == new
    assert custody.audit(log.storage, log.trust()).ok
    assert log.verify(log.append_plain_signed("c")).ok


def test_a_full_disk_while_making_a_key_is_a_clear_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(YunheError) as caught:
        custody.create_log(tmp_path / "home", "a.test/log")
    assert caught.value.code == "storage.disk_full"
    assert list((tmp_path / "home" / "keys").iterdir()) == []
