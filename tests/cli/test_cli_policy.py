"""By which policy the scheduler decides, on the command line."""

from __future__ import annotations

import json

import pytest
from office import fault

from yunhe.api import document
from yunhe.app import open_platform
from yunhe.cli.main import main
from yunhe.client.wire.queue import Policy
from yunhe.compute.service import policy
from yunhe.kernel.language import text
from yunhe.settings import from_environment

ASK, CHOOSE = "GET /v1/policy", "PUT /v1/policy"
ONE = document.example(Policy)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_policies_are_listed_with_what_they_are_for_and_the_one_in_force_is_marked(desk, lang):
    desk.office.says(ASK, {**ONE, "known": list(policy.ON_PLATFORM)})
    shown = desk("policy", lang=lang)
    assert shown.code == 0, shown.err
    marked = [line for line in shown.out.splitlines() if line.startswith("*")]
    assert marked == [f"* {ONE['policy']}"]
    for name in policy.ON_PLATFORM:
        assert text(f"simulate.policy.{name}", lang)[:20] in shown.out
    desk.office.says(ASK, ONE)
    assert desk("--json", "policy", lang=lang).json == ONE


def test_another_is_chosen_by_its_name(desk):
    desk.office.says(CHOOSE, ONE)
    said = desk("--json", "policy", "steady")
    assert (said.code, said.json) == (0, ONE)
    [asked] = desk.office.asked
    assert (asked.line, asked.body) == (CHOOSE, {"policy": "steady"})


def test_what_the_server_refuses_is_told(desk):
    desk.office.refusal = (422, fault("invalid", "compute.policy_unknown"))
    refused = desk("policy", "rosy")
    assert refused.code == 65
    assert "Refused here." in refused.err


def test_the_doctor_says_which_policy_is_in_force(tmp_path, capsys):
    home = str(tmp_path / "home")
    with open_platform(from_environment({}, home=home)):
        pass
    with pytest.raises(SystemExit):
        main(["--home", home, "--json", "doctor"])
    told = json.loads(capsys.readouterr().out)
    assert "operations.doctor.policy_fine" in json.dumps(told)
    assert "yunhe" in text("operations.doctor.policy_fine", "en", policy="yunhe")
