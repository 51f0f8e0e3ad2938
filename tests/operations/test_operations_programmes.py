"""The operator's own rule files: taken at the start, or the start is refused; doctor looks too."""

from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.app import Platform, look_into, open_platform
from yunhe.compute import service as compute
from yunhe.compute.applications import reading
from yunhe.compute.applications.domain import Proposal
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid, YunheError
from yunhe.operations.checks import choices
from yunhe.operations.checks.findings import Subject
from yunhe.settings import Settings, from_environment

OWN = "city_hours"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "programmes"
    made.mkdir()
    text = reading._shipped("yunhe").replace("id: yunhe\n", f"id: {OWN}\n")
    (made / "city.yaml").write_text(text, "utf-8")
    return made


def examined(settings: Settings) -> list[tuple[str, str]]:
    with look_into(settings) as platform:
        subject = Subject(settings, platform, {})
        try:
            return [(found.state, found.code) for found in choices.programmes(subject)]
        except YunheError as error:
            return [("failed", error.code)]


def known(platform: Platform) -> list[str]:
    with platform.storage.database.read() as tx:
        return [each.id for each in compute.applications.programmes(tx)]


def apply_once(storage, programme: str) -> None:
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()
        firm = identity.add_organisation(tx, key="f", name="f", kind="sme", at_us=at_us).id
        member = identity.add_member(tx, key="m", organisation=firm, name="m", at_us=at_us).id
    facts = {"applicant_kind": "sme", "device_hours": 2_000}
    proposal = Proposal("k", programme, firm, "训练", facts, chip="cpu")
    compute.applications.apply(storage, proposal, by=member)


def test_the_folder_is_a_setting_like_any_other(tmp_path: Path, folder: Path):
    variables = {"YUNHE_PROGRAMMES_FOLDER": str(folder)}
    settings = from_environment(variables, home=tmp_path / "home")
    assert settings.programmes_folder == folder
    assert Settings(home=tmp_path).programmes_folder is None


def test_a_platform_starts_with_its_programmes_and_the_next_one_without(
    tmp_path: Path, folder: Path
):
    home = tmp_path / "home"
    with open_platform(Settings(home=home, programmes_folder=folder)) as platform:
        assert known(platform)[-1] == OWN
        apply_once(platform.storage, OWN)
        with open_platform(Settings(home=tmp_path / "other")) as beside:
            assert OWN not in known(beside)
            assert known(platform)[-1] == OWN
    with open_platform(Settings(home=home)) as platform:
        assert OWN not in known(platform)


def test_a_wrong_rule_file_stops_the_start_with_every_fault(tmp_path: Path, folder: Path):
    (folder / "a.yaml").write_text("id: 5\n")
    (folder / "b.yaml").write_text("[")
    settings = Settings(home=tmp_path / "home", programmes_folder=folder)
    with pytest.raises(Invalid) as refused, open_platform(settings):
        pass
    assert refused.value.code == "compute.programmes_invalid"
    files = {finding.where.split(":")[0] for finding in refused.value.findings}
    assert files == {"a.yaml", "b.yaml"}
    assert examined(settings) == [("failed", "compute.programmes_invalid")]


def test_doctor_says_that_a_programme_under_way_is_gone(tmp_path: Path, folder: Path):
    home = tmp_path / "home"
    settings = Settings(home=home, programmes_folder=folder)
    with open_platform(settings) as platform:
        apply_once(platform.storage, OWN)
    assert examined(settings) == [("ok", "operations.doctor.programmes_fine")]
    (folder / "city.yaml").unlink()
    assert examined(settings) == [("warning", "operations.doctor.programmes_gone")]
    assert examined(Settings(home=home)) == [("warning", "operations.doctor.programmes_gone")]
