"""People with a command line each, and a real server that they share."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from server_desk import serving

from yunhe.api.server import Running
from yunhe.cli.main import main
from yunhe.client.client import Client
from yunhe.client.wire.compute import NewAward, NewPool
from yunhe.client.wire.entry_points import NewEntryPoint
from yunhe.client.wire.ledger import NewIssuance
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program


class Said:
    """What a command printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Person:
    """One user of the machine, with settings of their own."""

    def __init__(self, folder: Path, capsys, monkeypatch) -> None:
        self.folder = folder
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str, typed: str = "", lang: str = "en", **environment) -> Said:
        """Run a command with ``typed`` piped in."""
        with self._monkeypatch.context() as here:
            here.setenv("XDG_CONFIG_HOME", str(self.folder))
            here.setenv("COLUMNS", "100")
            for name in ("YUNHE_SERVER", "YUNHE_KEY"):
                here.delenv(name, raising=False)
            for name, value in environment.items():
                here.setenv(name, value)
            here.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
            self._capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main(["--lang", lang, *arguments])
            out, err = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    def json(self, *arguments: str, **given) -> Any:
        """The object a command answers with; it must succeed."""
        said = self("--json", *arguments, **given)
        assert said.code == 0, said.out + said.err
        return said.json

    @property
    def kept(self) -> Path:
        return self.folder / "yunhe" / "logins.json"

    @property
    def key(self) -> str:
        kept = json.loads(self.kept.read_text("utf-8"))
        return kept["keys"][kept["current"]]


@contextmanager
def server(home: Path) -> Iterator[Running]:
    with serving(home, parts=("api",)) as running:
        yield running


def people(folder: Path, capsys, monkeypatch, running: Running) -> tuple[Person, Person]:
    """An operator and the administrator of a university, both signed in by the command line."""
    operator = Person(folder / "operator", capsys, monkeypatch)
    tenant = Person(folder / "tenant", capsys, monkeypatch)
    token = running._platform.first_token()
    claim = ("login", "--server", running.url, "--claim-token", "--organisation", "Our City")
    operator.json(*claim, "--name", "Chen Example", typed=f"{token}\n")
    invited = operator.json(
        "invite", "--role", "administrator", "--role", "trainer",
        "--new-organisation", "Lakeside", "--kind", "university",
    )  # fmt: skip
    accept = ("login", "--server", running.url, "--invitation", "--name", "Li Example")
    tenant.json(*accept, typed=f"{invited['token']}\n")
    return operator, tenant


def supplied(running: Running, operator: Person, tenant: Person) -> None:
    """Devices, an award, money, and the roles of somebody who trains."""
    me = tenant.json("whoami")
    with Client(running.url, operator.key) as client:
        provider = client.identity.me().organisation.id
        pool = {"provider": provider, "site": "east-1", "chip": "cpu", "devices": 1,
                "price_minor_per_device_hour": 3_600, "currency": "CNY"}  # fmt: skip
        client.compute.add_pool(NewPool.model_validate(pool))
        organisation = me["organisation"]["id"]
        award = {"organisation": organisation, "chip": "cpu", "device_ms": 10**9,
                 "expires_in_days": 9}  # fmt: skip
        client.compute.award(NewAward.model_validate(award))
        client.ledger.issue(NewIssuance(organisation=organisation, unit="CNY", amount=100_000))
        program = find_program(TRIAL, TRIAL_ENTRY_POINT)
        client.compute.approve_entry_point(
            NewEntryPoint(name=TRIAL, module=TRIAL_ENTRY_POINT.module, digest=program.digest)
        )
