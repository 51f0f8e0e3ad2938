"""Where a measure stands. Pure."""

from __future__ import annotations

from yunhe.governance.domain import Evidence, Measure, MeasureState, MeasureStatus
from yunhe.kernel.clock import DAY_US


def state_of(
    measure: Measure, latest: Evidence | None, *, released_at_us: int | None, now_us: int
) -> MeasureState:
    """The measure's state, given its latest evidence and when the version was first released.

    Evidence stays good for ``every_days`` of the measure. A measure in operation without evidence
    is asked for from the release on, within the same time.
    """
    since_us = latest.at_us if latest is not None else released_at_us
    due_at_us = None
    if measure.every_days and since_us is not None:
        due_at_us = since_us + measure.every_days * DAY_US
    late = due_at_us is not None and now_us >= due_at_us
    status: MeasureStatus
    if latest is not None:
        status = "overdue" if late else "met"
    elif measure.stage == "in_operation" and released_at_us is None:
        status = "later"
    else:
        status = "overdue" if late else "due"
    return MeasureState(
        measure=measure,
        status=status,
        due_at_us=due_at_us,
        evidence="" if latest is None else latest.digest,
        evidence_at_us=None if latest is None else latest.at_us,
    )
