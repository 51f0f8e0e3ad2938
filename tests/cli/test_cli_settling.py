"""Usage and settlement on the command line, against a real server with work that was done."""

from __future__ import annotations

import pytest
from remote_desk import people, server, supplied

from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.statements import importing
from yunhe.compute.statements.domain import period_at
from yunhe.kernel.clock import iso


@pytest.fixture
def running(tmp_path):
    with server(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def done(tmp_path, capsys, monkeypatch, running):
    """An operator, a tenant, and a workload of the tenant's that ran and was paid."""
    operator, tenant = people(tmp_path, capsys, monkeypatch, running)
    supplied(running, operator, tenant)
    storage = running._platform.storage
    spec = WorkloadSpec(
        key="job",
        organisation=tenant.json("whoami")["organisation"]["id"],
        entry_point=TRIAL,
        arguments={"action": "copy", "word": "done"},
        inputs={},
        chip="cpu",
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
    )
    made = compute.submit(storage, spec)
    compute.run_next(storage, LocalProvider(tmp_path / "w", {TRIAL: TRIAL_ENTRY_POINT}))
    with storage.database.read() as tx:
        return operator, tenant, compute.workload(tx, made.id), period_at(storage.clock.now_us())


def test_usage_is_shown_saved_and_matched_on_a_terminal_in_both_languages(done, running, tmp_path):
    operator, tenant, job, month = done
    shown = tenant("usage")
    assert "1" in shown.out
    assert "HHI" in shown.out
    assert ("Real use" in shown.out, "without a rate" in shown.out) == (True, False)
    found = tenant.json("usage", "--by", "chip", "--period", month.name)
    assert found["lines"][0]["normalised"] == []
    assert found["lines"][0]["unrated_ms"] == job.usage.device_ms
    assert found["lines"][0]["reported_ms"] == job.usage.device_ms
    assert [line["group"] for line in found["lines"]] == ["cpu"]
    assert found["lines"][0]["cost_minor"] == job.usage.cost_minor
    assert tenant.json("usage", "--period", "2025-01")["lines"] == []
    assert tenant("usage", "--period", "2025-01", lang="zh").code == 0
    target = tmp_path / "focus.csv"
    assert "Saved" in tenant("usage", "--to", str(target)).out
    assert target.read_bytes().startswith(b'"BilledCost",')
    assert tenant.json("statement", "list") == {"items": [], "more": False}
    assert operator("statement", "close", month.name).code != 0  # it is not over yet
    assert operator("--json", "statement", "show", "document_none").code != 0

    provider = operator.json("whoami")["organisation"]["id"]
    line = {
        "workload": job.id,
        "device_seconds": f"{job.usage.device_ms / 1_000:.3f}",
        "price_per_device_hour": "36.00",
        "currency": "CNY",
        "amount": f"{job.usage.cost_minor / 100:.2f}",
        "ended_at": iso(month.since_us),
    }
    file = tmp_path / "said.csv"
    file.write_bytes(importing.written([line]))
    given = ("statement", "hand-in", str(file), "--provider", provider, "--period", month.name)
    agreed = operator("--json", *given)
    assert (agreed.code, agreed.json["agreed"]) == (0, 1)
    file.write_bytes(importing.written([line | {"amount": "99.00"}]))
    wrong = operator(*given, lang="zh")
    assert wrong.code == 1
    assert "99.00" in wrong.out
    assert operator.json("statement", "list", "--received")["items"][0]["lines"] == 1
    again = operator("statement", "match", agreed.json["statement"])
    assert again.code == 0

    given = ("--device-seconds", "0", "--reason", "node broke")
    assert tenant("statement", "correct", job.id, *given).code != 0
    back = operator.json("statement", "correct", job.id, *given)
    assert back["cost_minor"] == -job.usage.cost_minor
    assert operator.json("usage")["lines"][0]["cost_minor"] == 0
