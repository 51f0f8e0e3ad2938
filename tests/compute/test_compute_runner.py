"""From placed to settled: metered, captured, recorded, and paid exactly once, whatever happens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from yunhe.compute import runner
from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.seam import Gap, Metered
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.errors import NotFound, Unavailable
from yunhe.ledger import service as ledger


class Metering:
    """The local provider with instruments that show what the test wants."""

    adapter = "local"

    def __init__(self, provider: LocalProvider, *, wall_ms: int) -> None:
        self._provider = provider
        self._metered = Metered(wall_ms, 1_200, 34, 5_000_000)
        self.isolation = provider.isolation

    def gaps(self) -> tuple[Gap, ...]:
        return self._provider.gaps()

    def run(self, job, **over):
        return replace(self._provider.run(job, **over), metered=self._metered)


class Failing:
    """A provider that cannot run anything."""

    adapter = "local"
    isolation = "digest-approved"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def gaps(self) -> tuple[Gap, ...]:
        return ()

    def run(self, job, **_):
        raise self._error


def test_a_workload_is_metered_captured_recorded_and_its_outputs_are_kept(city, local) -> None:
    city.submit(devices=2, wall=100)
    settled = compute.run_next(city.storage, Metering(local, wall_ms=54_321))
    # 2 devices × 54.321 s at 36.00 an hour: 108.642 → 1.09 CNY, of which 0.21 by voucher.
    assert settled.state == "settled"
    assert settled.why is None
    assert (settled.held_device_ms, settled.held_minor) == (0, 0)
    usage = settled.usage
    assert (usage.device_ms, usage.wall_ms, usage.cpu_ms) == (108_642, 54_321, 1_234)
    assert (usage.cost_minor, usage.voucher_minor, usage.cash_minor) == (109, 21, 88)
    assert (usage.currency, usage.isolation) == ("CNY", local.isolation)
    assert city.storage.blobs.read(settled.outputs["word"]) == b"done"
    assert city.storage.blobs.exists(settled.log)
    assert city.balance(city.university, "device:cpu", "award") == (891_358, 0)
    assert city.balance(city.university, "CNY", "cash") == (99_912, 0)
    assert city.balance(city.university, "voucher:CNY", "voucher") == (9_979, 0)
    assert city.balance(city.provider, "device:cpu", "delivered") == (108_642, 0)
    assert city.balance(city.provider, "CNY", "cash") == (88, 0)
    assert city.balance(city.provider, "voucher:CNY", "voucher") == (21, 0)
    city.assert_books_are_right()
    with city.storage.database.read() as tx:
        (award,), (voucher,) = compute.awards(tx), compute.vouchers(tx)
        assert (award.used_ms, award.held_ms, award.left_ms) == (108_642, 0, 891_358)
        assert (voucher.used_minor, voucher.left_minor) == (21, 9_979)
        assert ledger.holds_open(tx) == []
    assert compute.run_next(city.storage, local) is None


def test_the_custody_record_names_award_input_code_and_outputs(city, local) -> None:
    award = city.award()
    with city.storage.database.begin() as tx:
        source = custody.append(tx, Record("data.source", "src", 1, {"digest": "sha256:00"}, {}))
    data = city.storage.blobs.put(b"train").digest
    workload = city.submit(inputs={"train": data}, input_reference=source)
    settled = compute.run_next(city.storage, local)
    with city.storage.database.read() as tx:
        record = custody.record(tx, settled.reference)
        postings = {line.transfer for line in ledger.entries_of(tx, city.university)}
    assert (record.kind, record.subject) == ("compute.usage", workload.id)
    assert record.links == {"award": award.reference, "input": source}
    body = record.body
    assert body["organisation"] == city.university
    assert body["provider"] == city.provider
    assert body["pool"] == settled.pool
    assert body["spec_digest"] == settled.spec_digest
    assert body["input_digests"] == [data]
    assert body["output_digests"] == [settled.outputs[name] for name in sorted(settled.outputs)]
    assert body["outcome"] == "settled"
    assert body["device_ms"] == settled.usage.device_ms
    assert body["cost_minor"] == settled.usage.cost_minor
    assert body["voucher_minor"] == settled.usage.voucher_minor
    assert body["unit"] == "CNY"
    assert body["isolation"] == local.isolation
    assert body["code_digest"] == settled.usage.code_digest
    assert {body["transfer"], body["device_transfer"]} <= postings


def test_the_receipt_of_a_workload_proves_it_down_to_its_award(city, local, tmp_path: Path) -> None:
    city.submit()
    settled = compute.run_next(city.storage, local)
    signer = custody.create_log(tmp_path, "yunhe.test/log")
    custody.Sequencer(city.storage, signer).run_once()
    receipt = custody.receipt(city.storage, settled.reference)
    verdict = custody.verify(receipt, custody.trust(tmp_path))
    assert verdict.ok
    assert [link.kind for link in verdict.links] == ["compute.usage", "compute.award"]


def test_a_run_over_its_wall_time_is_charged_at_most_the_hold(city, local) -> None:
    city.submit(wall=10)
    settled = compute.run_next(city.storage, Metering(local, wall_ms=10_800))
    assert (settled.usage.wall_ms, settled.usage.device_ms) == (10_800, 10_000)
    assert settled.usage.cost_minor == 10
    city.assert_books_are_right()


def test_a_workload_on_two_awards_uses_up_the_one_that_expires_first(city, local) -> None:
    sooner = city.award(seconds=50, key="sooner", days=2)
    later = city.award()
    city.submit(wall=100)
    settled = compute.run_next(city.storage, Metering(local, wall_ms=60_000))
    with city.storage.database.read() as tx:
        used = {status.award.id: (status.used_ms, status.held_ms) for status in compute.awards(tx)}
        links = custody.record(tx, settled.reference).links
    assert used == {sooner.id: (50_000, 0), later.id: (10_000, 0)}
    assert links == {"award": sooner.reference, "award_2": later.reference}
    city.assert_books_are_right()


def test_a_free_pool_settles_without_money(bare_city, local) -> None:
    bare_city.pool(price=0)
    bare_city.award()
    bare_city.approve_trial()
    bare_city.submit()
    settled = compute.run_next(bare_city.storage, local)
    assert (settled.state, settled.usage.cost_minor) == ("settled", 0)
    with bare_city.storage.database.read() as tx:
        body = custody.record(tx, settled.reference).body
    assert body["transfer"] == body["device_transfer"] != ""
    bare_city.assert_books_are_right()


def test_what_a_job_used_is_paid_even_when_it_fails_by_its_own_fault(city, local) -> None:
    city.submit(arguments={"action": "fail"})
    failed = compute.run_next(city.storage, Metering(local, wall_ms=3_000))
    assert failed.state == "failed"
    assert failed.why.code == "compute.failed_exit"
    assert (failed.usage.device_ms, failed.usage.cost_minor) == (3_000, 3)
    assert failed.outputs == {}
    assert city.balance(city.provider, "CNY", "cash") == (3, 0)  # 20 % of 3 rounds to no voucher
    with city.storage.database.read() as tx:
        body = custody.record(tx, failed.reference).body
    assert (body["outcome"], body["output_digests"]) == ("failed", [])
    assert city.submit(arguments={"action": "fail"}) == failed
    city.assert_books_are_right()


def test_the_end_of_one_workload_places_the_next(city, local) -> None:
    city.submit("first", devices=2)
    second = city.submit("second", devices=2)
    assert second.state == "waiting"
    compute.run_next(city.storage, local)
    assert city.see(second).state == "placed"
    assert compute.run_next(city.storage, local).id == second.id


def test_an_unused_rest_of_a_hold_admits_what_waited_for_budget(city, local) -> None:
    city.submit("first", wall=900)
    second = city.submit("second", wall=900)
    assert second.why.code == "compute.waiting_award"
    compute.run_next(city.storage, Metering(local, wall_ms=50_000))
    assert city.see(second).state == "placed"
    city.assert_books_are_right()


def test_the_oldest_is_run_first_unless_one_is_named(city, local) -> None:
    first, second = city.submit("first"), city.submit("second")
    assert compute.run_next(city.storage, local, workload=second.id).id == second.id
    assert compute.run_next(city.storage, local).id == first.id
    assert compute.run_next(city.storage, local, workload=first.id) is None
    with pytest.raises(NotFound):
        compute.run_next(city.storage, local, workload="workload_nobody")


def test_a_workload_that_waits_is_not_run(city, local) -> None:
    waiting = city.submit(wall=2_000)
    assert compute.run_next(city.storage, local, workload=waiting.id) is None
    assert city.see(waiting).attempts == 0


def test_a_provider_of_another_kind_takes_nothing(city, local) -> None:
    workload = city.submit()
    other = Failing(AssertionError("must not be asked"))
    other.adapter = "slurm"
    assert compute.run_next(city.storage, other) is None
    assert city.see(workload).state == "placed"


def test_money_that_arrived_meanwhile_is_noticed_by_the_next_run(bare_city, local) -> None:
    bare_city.pool()
    bare_city.award()
    bare_city.approve_trial()
    waiting = bare_city.submit()
    bare_city.cash()
    assert compute.run_next(bare_city.storage, local, workload=waiting.id).state == "settled"


def test_when_the_provider_fails_nothing_is_paid_and_it_is_tried_again(city, local) -> None:
    workload = city.submit()
    broken = Failing(Unavailable("compute.launch_failed", reason="no machine"))
    with pytest.raises(Unavailable):
        compute.run_next(city.storage, broken)
    placed = city.see(workload)
    assert (placed.state, placed.why.code) == ("placed", "compute.launch_failed")
    assert placed.held_device_ms == 100_000
    city.assert_books_are_right()
    assert compute.run_next(city.storage, local).state == "settled"
    assert city.see(workload).attempts == 2


def test_after_too_many_failures_of_the_provider_it_is_given_up_unpaid(city) -> None:
    workload = city.submit()
    broken = Failing(Unavailable("compute.launch_failed", reason="no machine"))
    for _ in range(runner.PROVIDER_FAILURES_MAX - 1):
        with pytest.raises(Unavailable):
            compute.run_next(city.storage, broken)
    failed = compute.run_next(city.storage, broken)
    assert (failed.id, failed.state) == (workload.id, "failed")
    assert failed.why.code == "compute.launch_failed"
    assert (failed.usage, failed.reference) == (None, None)
    assert city.balance(city.university, "device:cpu", "award") == (1_000_000, 0)
    assert compute.run_next(city.storage, broken) is None
    city.assert_books_are_right()


def test_a_full_disk_of_the_platform_counts_against_nobody(city, local) -> None:
    city.submit()
    full = Failing(Unavailable("storage.disk_full", where="/", free_bytes=0))
    for _ in range(runner.PROVIDER_FAILURES_MAX + 1):
        with pytest.raises(Unavailable):
            compute.run_next(city.storage, full)
    assert compute.run_next(city.storage, local).state == "settled"


def test_an_input_that_was_lost_is_an_error_and_the_workload_stays(city, local) -> None:
    digest = city.storage.blobs.put(b"data").digest
    workload = city.submit(inputs={"data": digest})
    city.storage.blobs.path(digest).unlink()
    with pytest.raises(NotFound) as caught:
        compute.run_next(city.storage, local)
    assert caught.value.code == "storage.blob_missing"
    assert city.see(workload).state == "placed"


def test_an_unapproved_program_waits_with_nothing_held_until_it_is_approved(
    bare_city, tmp_path: Path
) -> None:
    bare_city.pool()
    bare_city.award()
    bare_city.cash()
    strict = LocalProvider(
        tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT}, isolation="digest-approved"
    )
    bare_city.submit()
    waiting = compute.run_next(bare_city.storage, strict)
    assert (waiting.state, waiting.held_device_ms) == ("waiting", 0)
    assert waiting.why.code == "compute.entry_point_not_approved"
    assert "sha256:" in waiting.why.message("zh")
    bare_city.assert_books_are_right()
    # It does not block others, and it is not tried again for nothing.
    assert compute.reconsider(bare_city.storage) == 0
    assert compute.run_next(bare_city.storage, strict) is None
    bare_city.approve_trial()
    assert bare_city.see(waiting).state == "placed"
    settled = compute.run_next(bare_city.storage, strict)
    assert (settled.state, settled.usage.isolation) == ("settled", "digest-approved")
    bare_city.assert_books_are_right()


def test_an_approval_for_other_bytes_does_not_help(bare_city, tmp_path: Path) -> None:
    bare_city.pool()
    bare_city.award()
    bare_city.cash()
    strict = LocalProvider(
        tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT}, isolation="digest-approved"
    )
    workload = bare_city.submit()
    compute.approve_entry_point(
        bare_city.storage,
        name=TRIAL,
        module=TRIAL_ENTRY_POINT.module,
        digest="sha256:" + "0" * 64,
        approved_by=bare_city.operator,
    )
    compute.run_next(bare_city.storage, strict)
    assert bare_city.see(workload).why.code == "compute.entry_point_not_approved"


def test_the_log_keeps_the_end_of_what_the_program_said(city, local) -> None:
    city.submit(arguments={"action": "chatter"})
    settled = compute.run_next(city.storage, local)
    log = city.storage.blobs.read(settled.log)
    assert log.count(b"the very last words") == 2
    assert len(log) < 150_000


def test_reports_can_be_made_from_json_alone(city, local) -> None:
    city.submit(wall=2_000)
    with city.storage.database.read() as tx:
        (waiting,) = compute.workloads(tx)
    shown = json.loads(json.dumps(waiting.why.as_json()))
    assert shown["code"] == "compute.waiting_award"
    assert shown["changes"][0]["params"]["missing"] == 1_000_000
