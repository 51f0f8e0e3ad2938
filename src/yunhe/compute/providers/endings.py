"""Why a job of this machine failed, as far as that shows in how its process ended."""

from __future__ import annotations

import signal

from yunhe.compute.providers import bootstrap
from yunhe.compute.providers.launcher import Ended
from yunhe.compute.providers.seam import Job
from yunhe.compute.reasons import Why


def why_failed(job: Job, ended: Ended) -> Why | None:
    """Why the job failed, or None when that is not to be seen from how its process ended."""
    cpu_ms = ended.metered.cpu_user_ms + ended.metered.cpu_system_ms
    number = ended.status - bootstrap.SIGNAL_BASE
    killed = number in (signal.SIGKILL, signal.SIGXCPU)
    if ended.cause == "outputs" or (ended.cause is None and ended.status == 0):
        return None
    reasons = (
        (
            ended.cause == "wall",
            Why("compute.failed_wall", (("wall_seconds_max", job.wall_seconds_max),)),
        ),
        (
            # The kernel's clock for the limit runs ahead of the one it reports, on a busy virtual
            # machine by some hundreds of milliseconds.
            killed and cpu_ms >= job.cpu_seconds_max * 900 - 300,
            Why("compute.failed_cpu", (("cpu_seconds_max", job.cpu_seconds_max),)),
        ),
        (
            ended.status == bootstrap.EXIT_MEMORY,
            Why("compute.failed_memory", (("memory_bytes_max", job.memory_bytes_max),)),
        ),
        (number > 0, Why("compute.failed_signal", (("signal", number),))),
    )
    exited = Why("compute.failed_exit", (("status", ended.status),))
    return next((why for holds, why in reasons if holds), exited)
