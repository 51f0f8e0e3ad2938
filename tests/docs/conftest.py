"""A finished run for the commands of the documents; see tests/plans/plan_desk.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plans"))

from plan_desk import copied, finished, small_plan, tickets  # noqa: F401 (fixtures)
