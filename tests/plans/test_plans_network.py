"""Nothing is fetched: the main job runs on a machine without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plan_desk import ENVIRONMENT, ROOT, Desk, State, refusal

REACH = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=5)"
"""An address that leads nowhere (RFC 5737): without a network it fails at once."""
EXAMPLES = sorted((ROOT / "examples").glob("*/plan.yaml"))


def test_the_main_job_runs_with_the_network_cut_off(desk, finished, bubblewrap):
    cut = (bubblewrap, "--dev-bind", "/", "/", "--unshare-net")
    reached = subprocess.run([*cut, sys.executable, "-c", REACH], capture_output=True, check=False)
    assert b"unreachable" in reached.stderr  # the cut is real
    alone = Desk(desk.home, desk.tickets, desk.plan, cut)
    result = alone.result()
    assert result["verified"] is True
    for same in ("certificate_body", "model_digest", "results_digest"):
        assert result[same] == finished[1][same], same
    assert State.of(desk) == State.of(finished[0])


@pytest.mark.parametrize("plan", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_passes_its_check_and_starts_nothing(plan, tmp_path):
    desk = Desk(tmp_path / "home", tmp_path / "none.jsonl", plan)
    done = desk.call("--json", "run", str(plan), "--check")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"plan": str(plan), "ok": True}
    assert str(plan) in desk.call("--lang", "zh", "run", str(plan), "--check").stdout.replace(
        "\n", ""
    )
    assert not desk.home.exists()


@pytest.mark.parametrize("plan", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_without_its_input_says_how_to_get_one(plan, tmp_path):
    for file in plan.parent.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    alone = tmp_path / "plan.yaml"
    refused = refusal(Desk(tmp_path / "home", Path(), alone), "run", str(alone))
    assert (refused.exit_code, refused.code) == (66, "plans.no_input")
    assert "--input" in refused.told


def test_the_run_needs_no_variable_of_the_environment_but_the_path(desk, finished):
    bare = {name: ENVIRONMENT[name] for name in ("PATH",) if name in ENVIRONMENT}
    command = desk.command("--json", *desk.task())
    done = subprocess.run(command, capture_output=True, text=True, env=bare, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model_digest"] == finished[1]["model_digest"]
