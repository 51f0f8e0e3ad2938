"""Outside places: what is put there, and the rewritten history that only they find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select, update

from yunhe.custody import merkle, publishers, sequencer, store, verifier
from yunhe.custody import service as custody
from yunhe.custody.domain import Checkpoint
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Unavailable


def grow(log, place: custody.Publisher, *, rounds: int = 3) -> list[Checkpoint]:
    """Sign and publish a few times."""
    worker = custody.Sequencer(log.storage, log.signer, [place])
    made = []
    for number in range(rounds):
        log.append_plain(f"grown{number}", f"more{number}")
        log.clock.advance(seconds=70)
        made.append(worker.run_once())
    return made


def rewrite_history(log) -> None:
    """The operator changes a record, rebuilds the whole tree and signs every checkpoint again.

    It is done with the real key and with care, so nothing inside the log contradicts it.
    """
    key = log.signer.load()
    with log.storage.database.begin() as tx:
        row = tx.execute(select(store.leaf).where(store.leaf.c.subject == "evaluation_1")).one()
        entry = store.entry_of(row)
        content = entry.record.content()
        content["body"]["score"] = "0.999000"
        forged = verifier.record_hash(entry.salt, content)
        body = canonical_bytes(content["body"]).decode()
        change = update(store.leaf).where(store.leaf.c.position == row.position)
        tx.execute(change.values(body=body, reference=forged))
        replace_links(tx, {entry.reference: forged.hex()})
        rebuild(tx, key)


def replace_links(tx, renamed: dict[str, str]) -> None:
    """Every later record that names a changed one is changed as well, and so on upwards."""
    rows = tx.execute(select(store.leaf).order_by(store.leaf.c.position)).all()
    for row in rows:
        entry = store.entry_of(row)
        if entry.record is None or not set(entry.record.links.values()) & renamed.keys():
            continue
        content = entry.record.content()
        content["links"] = {role: renamed.get(to, to) for role, to in content["links"].items()}
        forged = verifier.record_hash(entry.salt, content)
        renamed[entry.reference] = forged.hex()
        change = update(store.leaf).where(store.leaf.c.position == row.position)
        links = canonical_bytes(content["links"]).decode()
        tx.execute(change.values(links=links, reference=forged))


def rebuild(tx, key) -> None:
    """Compute all nodes anew and sign every checkpoint over them, with its old time."""
    old = list(store.checkpoints(tx))
    tx.execute(store.node.delete())
    tx.execute(store.checkpoint.delete())
    frontier = merkle.Frontier()
    for row in store.leaf_rows(tx, start=0, count=100_000):
        store.add_nodes(tx, frontier.append(row.reference))
        for made in old:
            if made.size == frontier.size:
                root = frontier.root()
                body = sequencer.checkpoint_body(key.name, made.size, root, at_us=made.at_us)
                forged = Checkpoint(
                    made.number, made.size, root, made.at_us, key.id, key.sign(body)
                )
                store.add_checkpoint(tx, forged)


@pytest.fixture
def published(log, tmp_path):
    """A log with a chain whose checkpoints lie in an outside file, and the answer's reference."""
    place = custody.FilePublisher(tmp_path / "outside" / "checkpoints.txt")
    worker = custody.Sequencer(log.storage, log.signer, [place])
    log.append_plain("before")
    worker.run_once()
    known = log.chain()
    worker.run_once()
    log.append_plain("after")
    worker.run_once()
    return log, place, known


def test_a_rewritten_and_resigned_history_is_found_by_the_outside_checkpoint_alone(published):
    log, place, _ = published
    assert custody.check_outside(log.storage, [place.read()], trust=log.trust()).ok
    rewrite_history(log)
    with log.storage.database.read() as tx:
        answer = custody.reference(tx, "serving.answer", "answer_1")
        forged = custody.record(tx, custody.reference(tx, "evaluation.run", "evaluation_1"))
    assert forged.body["score"] == "0.999000"
    # Everything inside agrees: the audit, the receipt, the signature.
    assert custody.audit(log.storage, log.trust()).ok
    assert log.verify(answer).ok
    # The outside place does not.
    verdict = log.verify(answer, place.read())
    assert (verdict.ok, verdict.seal.role) == (False, "outside")
    assert verdict.seal.reason == "outside_differs"
    assert all(link.ok for link in verdict.links)
    found = custody.check_outside(log.storage, [place.read()], trust=log.trust())
    assert [problem.code for problem in found.problems] == ["custody.outside_differs"] * 2
    assert found.checkpoints == 3


def test_a_rewritten_history_that_grew_since_is_found_as_well(published):
    log, place, _ = published
    rewrite_history(log)
    log.append_plain("later")
    log.sequencer.run_once()
    with log.storage.database.read() as tx:
        answer = custody.reference(tx, "serving.answer", "answer_1")
    assert custody.audit(log.storage, log.trust()).ok
    assert log.verify(answer, place.read()).seal.reason == "outside_unknown"
    found = custody.check_outside(log.storage, [place.read()], trust=log.trust())
    assert {problem.code for problem in found.problems} == {"custody.outside_differs"}


def test_a_log_that_was_cut_back_is_found(published):
    log, place, _ = published
    with log.storage.database.begin() as tx:
        tx.execute(store.leaf.delete().where(store.leaf.c.leaf_index >= 16))
        tx.execute(store.node.delete().where(store.node.c.number >= 31))
        tx.execute(store.checkpoint.delete().where(store.checkpoint.c.size > 16))
    assert custody.audit(log.storage, log.trust()).ok
    found = custody.check_outside(log.storage, [place.read()], trust=log.trust())
    assert [problem.code for problem in found.problems] == ["custody.outside_longer"]


def test_an_honest_log_continues_every_outside_checkpoint(published):
    log, place, known = published
    first = place.read()
    grow(log, place, rounds=6)
    found = custody.check_outside(log.storage, [first, place.read()], trust=log.trust())
    assert found.ok
    assert found.checkpoints == 3 + 9
    assert log.verify(known["answer"], place.read()).ok


def test_checkpoints_of_both_keys_are_continued_after_a_rotation(published):
    log, place, known = published
    custody.rotate(log.storage, log.signer, [place])
    grow(log, place, rounds=1)
    assert custody.check_outside(log.storage, [place.read()], trust=log.trust()).ok
    assert log.verify(known["answer"], place.read()).ok


def test_an_outside_checkpoint_for_an_older_size_is_met_by_a_receipt_for_that_size(published):
    log, place, known = published
    then = place.read()
    log.append_plain("later")
    log.sequencer.run_once()
    assert log.verify(known["answer"], then).seal.reason == "outside_unknown"
    receipt = log.receipt(known["answer"], size=17)
    assert custody.verify(receipt, log.trust(), [then]).ok


def test_a_place_that_holds_two_roots_for_one_size_is_evidence_of_a_fork(published):
    log, place, known = published
    honest = log.receipt(known["answer"])
    before = place.read()
    rewrite_history(log)
    with log.storage.database.read() as tx:
        forged = store.latest(tx).note
    verdict = custody.verify(honest, log.trust(), [before, forged])
    assert (verdict.ok, verdict.seal.reason) == (False, "outside_differs")


def test_nothing_outside_is_no_agreement(published, tmp_path):
    log, _, known = published
    for text in ("", "nonsense", "yunhe.test/log\n17\n"):
        found = custody.check_outside(log.storage, [text], trust=log.trust())
        assert [problem.code for problem in found.problems] == ["custody.outside_empty"]
        assert not log.verify(known["answer"], text).ok
    assert not custody.check_outside(log.storage, [], trust=log.trust()).ok


def test_an_outside_checkpoint_nobody_trusted_signed_is_reported(published, tmp_path):
    log, place, _ = published
    other = custody.create_log(tmp_path / "other", "yunhe.test/log")
    found = custody.check_outside(log.storage, [place.read()], trust=custody.trust(other.home))
    assert {problem.code for problem in found.problems} == {"custody.outside_unsigned"}


def test_a_log_without_the_nodes_a_proof_needs_is_reported(published):
    log, place, _ = published
    with log.storage.database.begin() as tx:
        tx.execute(store.node.delete())
    found = custody.check_outside(log.storage, [place.read()], trust=log.trust())
    assert "custody.log_damaged" in {problem.code for problem in found.problems}
    assert all(problem.message("zh") for problem in found.problems)


# --- The file -------------------------------------------------------------------------------------


def test_the_file_only_grows_and_holds_every_checkpoint_in_order(log, tmp_path):
    path = tmp_path / "outside" / "checkpoints.txt"
    place = custody.FilePublisher(path)
    worker = custody.Sequencer(log.storage, log.signer, [place])
    assert place.read() == ""
    before, made = b"", None
    for number in range(4):
        log.append_plain(f"s{number}")
        made = worker.run_once()
        now = path.read_bytes()
        assert now.startswith(before)
        assert len(now) > len(before)
        before = now
    assert [note["size"] for note in verifier.NOTE.finditer(place.read())] == list("1234")
    place.publish(made.note)
    assert path.read_bytes() == before


def test_a_half_written_end_does_not_spoil_what_follows(log, tmp_path):
    path = tmp_path / "checkpoints.txt"
    place = custody.FilePublisher(path)
    first, second, third = grow(log, place)
    for cut in range(1, len(first.note.encode()) - 1, 7):
        path.write_bytes(second.note.encode()[:cut])
        place.publish(third.note)
        assert [note[0] for note in verifier.NOTE.finditer(place.read())] == [third.note]


def test_a_file_that_cannot_be_written_is_a_clear_error(log, tmp_path):
    (tmp_path / "folder").write_text("a file where a folder should be")
    place = custody.FilePublisher(tmp_path / "folder" / "checkpoints.txt")
    with pytest.raises(Unavailable) as caught:
        grow(log, place, rounds=1)
    assert str(tmp_path / "folder") in str(caught.value)
    with pytest.raises(Unavailable):
        custody.FilePublisher(tmp_path).read()


# --- The git repository ---------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def bare(tmp_path) -> Path:
    """A local bare repository that refuses rewriting."""
    folder = tmp_path / "outside.git"
    folder.mkdir()
    git(folder, "init", "--quiet", "--bare", ".")
    git(folder, "config", "receive.denyNonFastForwards", "true")
    return folder


def test_each_checkpoint_is_a_commit_on_top_of_the_one_before(log, bare):
    place = custody.GitPublisher(bare)
    made = grow(log, place)
    assert git(bare, "rev-list", "--count", "checkpoints") == "3"
    assert git(bare, "show", "checkpoints:checkpoint") == made[-1].note.strip()
    assert git(bare, "show", "checkpoints~2:checkpoint") == made[0].note.strip()
    assert "Yunhe custody" in git(bare, "log", "-1", "--format=%an", "checkpoints")
    sizes = [note["size"] for note in verifier.NOTE.finditer(place.read())]
    assert sizes == ["6", "4", "2"]
    assert custody.check_outside(log.storage, [place.read()], trust=log.trust()).ok


def test_publishing_the_same_checkpoint_again_makes_no_commit(log, bare):
    place = custody.GitPublisher(bare)
    [made] = grow(log, place, rounds=1)
    place.publish(made.note)
    custody.Sequencer(log.storage, log.signer, [custody.GitPublisher(bare)]).run_once()
    assert git(bare, "rev-list", "--count", "checkpoints") == "1"


def test_nothing_published_yet_is_an_empty_text(bare):
    assert custody.GitPublisher(bare).read() == ""


def test_a_repository_that_cannot_be_reached_is_a_clear_error(log, tmp_path):
    place = custody.GitPublisher(tmp_path / "nowhere.git")
    with pytest.raises(Unavailable) as caught:
        grow(log, place, rounds=1)
    assert caught.value.code == "custody.publish_failed"
    assert "nowhere.git" in str(caught.value)
    assert log.sequencer.run_once() is None  # the log itself has grown


def test_a_machine_without_git_is_a_clear_error(bare, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable) as caught:
        custody.GitPublisher(bare).read()
    assert "git" in str(caught.value)


def test_git_is_not_led_astray_by_the_surroundings():
    outer = {
        "GIT_DIR": "/elsewhere",
        "GIT_INDEX_FILE": "x",
        "HOME": "/home/a",
        "SSH_AUTH_SOCK": "s",
    }
    inner = publishers._environment(outer)
    assert "GIT_DIR" not in inner
    assert (inner["HOME"], inner["SSH_AUTH_SOCK"]) == ("/home/a", "s")
    assert inner["GIT_TERMINAL_PROMPT"] == "0"
