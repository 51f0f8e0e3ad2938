"""`yunhe pool plan`, and what the doctor and the figures say of a plan."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from remote_desk import people, server, supplied

from yunhe.app import open_platform
from yunhe.cli import planned, pooling
from yunhe.cli.session import Session
from yunhe.client.wire.planning import Plan
from yunhe.compute import service as compute
from yunhe.compute.planning import store
from yunhe.compute.planning.domain import ChipLine, Made, PoolLine
from yunhe.kernel.clock import SECOND_US
from yunhe.operations import metrics
from yunhe.operations.checks import running as checks
from yunhe.operations.duties import standing
from yunhe.settings import Settings

MADE = Made(
    number=0,
    at_us=0,
    until_us=0,
    state="sound",
    reason="",
    cpu_us=20_000,
    classes=3,
    served_ppm=15_990_000,
    bound_ppm=16_000_000,
    reached_ppm=12_000_000,
    gap_ppm=625,
    chips=(ChipLine("ascend910b", 16, 12, 40, 16_000, 998_800), ChipLine("cpu", 2, 0, 0, 0, 0)),
    pools=(PoolLine("pool_a", "ascend910b", 16, 16_000, 998_800), PoolLine("p", "cpu", 2, 0, 0)),
)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_operator_sees_the_plan_and_a_tenant_does_not(tmp_path, capsys, monkeypatch, lang):
    home = tmp_path / "home"
    with server(home) as running:
        operator, tenant = people(tmp_path, capsys, monkeypatch, running)
        supplied(running, operator, tenant)
        assert operator.json("pool", "plan")["state"] == "none"
        assert operator("pool", "plan", lang=lang).code == 0
        with open_platform(Settings(home=home)) as platform:
            now_us = platform.storage.clock.now_us()
            late = replace(MADE, at_us=now_us, until_us=now_us + 900 * SECOND_US)
            with platform.storage.database.begin() as tx:
                store.keep(tx, late, None)
        told = operator.json("pool", "plan")
        assert (told["state"], told["followed"], told["bound_ppm"]) == ("sound", True, 16_000_000)
        assert [chip["wanted"] for chip in told["chips"]] == [40, 0]
        shown = operator("pool", "plan", lang=lang)
        assert shown.code == 0
        for said in ("ascend910b", "pool_a", "75.0 %", "16.0", "12.0", "1.00", "0.06 %"):
            assert said in shown.out
        assert max(map(len, shown.out.splitlines())) <= 100
        assert tenant("pool", "plan").code != 0


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "failed", "reason": "solver_4"}, "solver_4"),
        ({"state": "sound"}, {"en": "too old", "zh": "已过期"}),
        ({"state": "empty", "chips": [], "pools": []}, {"en": "nothing", "zh": "没有"}),
    ],
)
def test_a_plan_that_is_not_followed_says_why(capsys, lang, change, said):
    example = Plan.model_config["json_schema_extra"]["example"]
    found = Plan.model_validate({**example, "followed": False, **change})
    planned._show(Session(lang, None, as_json=False), found)
    expected = said if isinstance(said, str) else said[lang]
    assert expected in capsys.readouterr().out


def test_the_command_stands_among_the_others_of_its_group():
    assert "plan" in pooling.COMMANDS["pool"]("en").commands


@pytest.fixture
def told(tmp_path):
    """What the doctor says, and the figures, after a plan was kept."""
    with open_platform(Settings(home=tmp_path)) as platform:

        def tell(made: Made | None, **settings: int) -> tuple[str, dict[str, float]]:
            now_us = platform.storage.clock.now_us()
            with platform.storage.database.begin() as tx:
                if made is not None:
                    ages = {"at_us": now_us + made.at_us, "until_us": now_us + made.until_us}
                    store.keep(tx, replace(made, **ages), None)
                assert made is None or compute.planning.latest(tx) is not None
                families = list(metrics._plan(tx, now_us))
            chosen = Settings(home=tmp_path, **settings)
            subject = SimpleNamespace(settings=chosen, tables=lambda: platform)
            [found] = checks.plan(subject)
            figures = {each.name: each.samples[0].value for each in families}
            assert found.message("en") != found.message("zh")
            assert bool(found.advice("en")) == (found.state == "warning")
            return found.code.rpartition(".")[2], figures

        yield tell


MINUTE_US = 60 * SECOND_US


def test_the_doctor_and_the_figures_tell_how_a_plan_stands(told):
    assert told(None) == ("plan_none", {})
    young = replace(MADE, at_us=-MINUTE_US, until_us=9 * MINUTE_US)
    code, figures = told(young)
    assert code == "plan_fine"
    assert figures["yunhe_compute_plan_followed"] == 1
    assert figures["yunhe_compute_plan_bound_devices"] == 16
    assert figures["yunhe_compute_plan_reached_devices"] == 12
    assert figures["yunhe_compute_chip_scarcity"] == pytest.approx(0.9988)
    code, figures = told(replace(young, at_us=-9 * MINUTE_US, until_us=-MINUTE_US))
    assert code == "plan_old"
    assert figures["yunhe_compute_plan_followed"] == 0
    assert figures["yunhe_compute_plan_age_seconds"] >= 9 * 60
    code, figures = told(replace(young, state="failed", reason="solver_1"))
    assert code == "plan_ignored"
    assert set(figures) == {"yunhe_compute_plan_followed", "yunhe_compute_plan_age_seconds"}
    assert told(young, plan_minutes=0)[0] == "plan_none"


def test_without_minutes_no_plan_is_made(tmp_path):

    for minutes, made in ((0, []), (7, [420.0])):
        settings = Settings(home=tmp_path / str(minutes), plan_minutes=minutes)
        with open_platform(settings) as platform:
            every = [d.every_seconds for d in standing(platform) if d.name == "compute.plan"]
            assert every == made
            for duty in standing(platform):
                if duty.name == "compute.plan":
                    duty.work()
                    with platform.storage.database.read() as tx:
                        kept = compute.planning.latest(tx)
                    assert kept is not None
                    assert kept.state == "empty"
