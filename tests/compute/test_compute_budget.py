"""Any sequence of commands keeps every budget: held and used never exceed what was granted."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.providers.seam import Gap, Metered, Outcome
from yunhe.compute.reasons import Why
from yunhe.kernel.errors import Unavailable


class Scripted:
    """Reports as the test wishes and runs nothing."""

    adapter = "local"
    isolation = "none"

    def __init__(self, verdict: str, wall_ms: int) -> None:
        self._verdict = verdict
        self._metered = Metered(wall_ms, 0, 0, 0)

    def gaps(self) -> tuple[Gap, ...]:
        return ()

    def run(self, job, *, blobs, progress, stopped) -> Outcome:
        if self._verdict == "broken":
            raise Unavailable("compute.launch_failed", reason="scripted")
        why = Why("compute.failed_exit", (("status", 1),)) if self._verdict == "failed" else None
        return Outcome(self._verdict, self._metered, "none", "sha256:0", why)


numbers = st.integers(0, 5)
commands = st.one_of(
    st.tuples(st.just("pool"), numbers, st.integers(1, 4), st.integers(0, 9_999)),
    st.tuples(st.just("award"), numbers, st.integers(1, 2_000), st.integers(1, 3)),
    st.tuples(st.just("voucher"), numbers, st.integers(1, 500)),
    st.tuples(st.just("cash"), numbers, st.integers(1, 5_000)),
    st.tuples(st.just("submit"), st.integers(0, 30), st.integers(1, 900), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(
        st.just("run"),
        st.sampled_from(["succeeded", "succeeded", "failed", "stopped", "broken"]),
        st.integers(1, 1_000_000),
    ),
    st.tuples(st.just("wait"), st.integers(1, 2 * 86_400)),
)


def carry_out(city, command: tuple, made: dict[int, str]) -> None:
    name, *rest = command
    match name:
        case "pool":
            city.pool(key=f"pool{command}", devices=rest[1], price=rest[2])
        case "award":
            city.award(key=f"award{command}{city.clock.now_us()}", seconds=rest[1], days=rest[2])
        case "voucher":
            city.voucher(rest[1], key=f"voucher{command}")
        case "cash":
            city.cash(rest[1], key=f"cash{command}")
        case "submit":
            workload = city.submit(f"job{command}", wall=rest[1], devices=rest[2])
            made[rest[0]] = workload.id
        case "cancel":
            if rest[0] in made:
                compute.cancel(city.storage, made[rest[0]])
        case "run":
            with suppress(Unavailable):
                compute.run_next(city.storage, Scripted(rest[0], rest[1]))
        case "wait":
            city.clock.advance(seconds=rest[0])


@given(st.lists(commands, min_size=15, max_size=30))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_sequence_of_commands_overspends_or_loses_anything(new_city, plan: list[tuple]) -> None:
    city, made = new_city(), {}
    city.pool(devices=4, key="always", price=3_600)
    city.award(key="start", seconds=2_000, days=2)
    city.voucher(300, key="start")
    city.cash(3_000, key="start")
    for command in plan:
        carry_out(city, command, made)
        city.assert_books_are_right()
    with city.storage.database.read() as tx:
        for workload in compute.workloads(tx):
            if workload.state in ("waiting", "failed"):
                assert workload.why is not None
            if workload.state in ("settled", "cancelled"):
                assert workload.why is None
            if workload.usage is not None:
                usage = workload.usage
                most = workload.spec.devices * workload.spec.wall_seconds_max * 1_000
                assert 0 < usage.device_ms <= most
                assert usage.voucher_minor * 5 <= usage.cost_minor
                assert usage.voucher_minor + usage.cash_minor == usage.cost_minor
    for workload_id in made.values():  # everything can be wound up, and nothing stays behind
        compute.cancel(city.storage, workload_id)
    city.assert_books_are_right()
