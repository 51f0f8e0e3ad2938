"""The face of the operations floor: work, health, figures and traces of a process."""

from __future__ import annotations

from yunhe.operations import systemd, traces
from yunhe.operations.health import Health
from yunhe.operations.metrics import CONTENT_TYPE, Metrics
from yunhe.operations.worker import Worker

__all__ = ["CONTENT_TYPE", "Health", "Metrics", "Worker", "systemd", "traces"]
