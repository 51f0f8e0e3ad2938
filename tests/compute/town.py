"""A platform of real processes on a home of its own, with somebody who works there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from server_desk import ENVIRONMENT, Process, eventually

from yunhe.app import open_platform
from yunhe.client.client import Client
from yunhe.client.wire.compute import NewWorkload
from yunhe.compute import service as compute
from yunhe.compute.limits import service as limits
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.ledger import service as ledger
from yunhe.settings import Settings

PROGRAM = (str(Path(__file__).with_name("trial_process.py")),)
ENDS = ("settled", "failed", "cancelled")


@dataclass
class Town:
    """One platform; ``api`` and ``worker`` are its processes once started."""

    folder: Path
    name: str
    stack: ExitStack
    price: int = 3_600
    keys: dict[str, str] = field(default_factory=dict)
    organisations: dict[str, str] = field(default_factory=dict)
    api: Process | None = None
    worker: Process | None = None

    def __post_init__(self) -> None:
        self.sites = self.folder / f"{self.name}-sites.toml"
        self.sites.write_text("")
        self.settings = Settings(
            home=self.folder / self.name,
            origin=self.origin,
            sites_file=self.sites,
            outbound_allow="127.0.0.1",
        )
        with open_platform(self.settings) as platform:
            now_us = platform.storage.clock.now_us()
            self._people(platform.storage, now_us)

    @property
    def origin(self) -> str:
        return f"{self.name}.example/log"

    def _people(self, storage, now_us: int) -> None:
        roles = {"operator": "operator", "provider": "administrator", "university": "trainer"}
        with storage.database.begin() as tx:
            for kind, role in roles.items():
                place = identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=now_us)
                member = identity.add_member(
                    tx, key=kind, organisation=place.id, name=kind, at_us=now_us
                )
                identity.grant_role(tx, member=member.id, role=role, at_us=now_us)
                self.organisations[kind] = place.id
                key = identity.issue_key(tx, member=member.id, expires_at_us=None, at_us=now_us)
                self.keys[kind] = key.secret
                if kind == "operator":
                    self.operator = member.id
        compute.approve_entry_point(
            storage,
            name=TRIAL,
            module=TRIAL_ENTRY_POINT.module,
            digest=find_program(TRIAL, TRIAL_ENTRY_POINT).digest,
            approved_by=self.operator,
        )

    @contextmanager
    def opened(self):
        """Its rows and artefacts, beside its processes."""
        with open_platform(self.settings) as platform:
            yield platform

    def pool(self, *, adapter: str = "local", devices: int = 2, chip: str = "cpu") -> str:
        with self.opened() as platform:
            return compute.register_pool(
                platform.storage,
                key=f"{adapter}-{chip}",
                provider=self.organisations["provider"],
                site="机房",
                chip=chip,
                devices=devices,
                price_minor_per_device_hour=self.price,
                currency="CNY",
                adapter=adapter,
            ).id

    def says(self, what: str, subject: str, *codes: str) -> None:
        """Where an organisation is, or where those are whom a pool serves."""
        with self.opened() as platform:
            limits.say(platform.storage, what, subject, codes, reason="so", by=self.operator)

    def fund(self, kind: str = "university", *, chip: str = "cpu") -> None:
        """An award of device time, and money."""
        with self.opened() as platform:
            storage, whose = platform.storage, self.organisations[kind]
            now_us = storage.clock.now_us()
            compute.award(
                storage,
                key=f"fund-{chip}",
                organisation=whose,
                chip=chip,
                device_ms=10_000_000,
                expires_at_us=now_us + 365 * DAY_US,
                awarded_by=self.operator,
            )
            with storage.database.begin() as tx:
                account = ledger.open_account(tx, owner=whose, unit="CNY", purpose="cash")
                ledger.grant(
                    tx, key=f"cash-{kind}-{chip}", account=account, amount=10**6, at_us=now_us
                )

    def neighbour(self, name: str) -> str:
        """An organisation for another platform, with an award and money; a key of it."""
        with self.opened() as platform, platform.storage.database.begin() as tx:
            now_us = platform.storage.clock.now_us()
            place = identity.add_organisation(tx, key=name, name=name, kind="company", at_us=now_us)
            member = identity.add_member(
                tx, key=name, organisation=place.id, name=name, at_us=now_us
            )
            identity.grant_role(tx, member=member.id, role="trainer", at_us=now_us)
            self.organisations[name] = place.id
            given = {"expires_at_us": None, "at_us": now_us}
            scopes = {"compute:read", "compute:write", "corpus:read", "corpus:write"}
            scopes |= {"custody:read"}
            key = identity.issue_key(tx, member=member.id, scopes=scopes, **given).secret
        self.fund(name)
        return key

    def uses(self, other: Town, site: str, *, chips: str = 'cpu = "cpu"\nh20 = "h20"') -> None:
        """Name another town in the sites file; its API must run."""
        key_file = self.folder / f"{self.name}-{site}.key"
        key_file.write_text(other.neighbour(self.name))
        key_file.chmod(0o600)
        with other.opened() as platform:
            trust = platform.trust_path.read_text()
        trust_file = self.folder / f"{self.name}-{site}.trust"
        trust_file.write_text(trust)
        table = (
            f'[{site}]\nkind = "yunhe"\naddress = "{other.url}"\nkey_file = "{key_file.name}"\n'
            f'trust_file = "{trust_file.name}"\norganisation = "{other.organisations[self.name]}"\n'
            f"[{site}.chips]\n{chips}\n"
        )
        self.sites.write_text(self.sites.read_text() + table)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "YUNHE_SITES_FILE": str(self.sites),
            "YUNHE_OUTBOUND_ALLOW": "127.0.0.1",
            "YUNHE_ORIGIN": self.origin,
        }

    def serve(self, *, port: int = 0) -> Town:
        process = Process(
            self.settings.home, "--only", "api", "--port", str(port),
            program=PROGRAM, **self.environment,
        )  # fmt: skip
        self.api = self.stack.enter_context(process).started()
        return self

    def work(self) -> Town:
        process = Process(
            self.settings.home, "--only", "worker", "--port", "0",
            program=PROGRAM, **self.environment,
        )  # fmt: skip
        self.worker = self.stack.enter_context(process).started()
        return self

    @property
    def url(self) -> str:
        assert self.api is not None
        return self.api.url

    def client(self, kind: str = "university") -> Client:
        return self.stack.enter_context(Client(self.url, self.keys[kind]))

    @cached_property
    def user(self) -> Client:
        return self.client()

    def submit(self, key: str = "job", *, action: str = "copy", **over):
        arguments = over.pop("arguments", {"action": action, "word": "运河"})
        asked = {
            "entry_point": TRIAL,
            "arguments": arguments,
            "wall_seconds_max": 60,
            "cpu_seconds_max": 60,
            "memory_bytes_max": 512 << 20,
            **over,
        }
        return self.user.compute.submit(NewWorkload(**asked), key=key)

    def see(self, workload: str):
        return self.user.compute.workload(workload)

    def until(self, workload: str, *states: str, seconds: float = 90.0):
        """The workload once it is in one of the states."""
        wanted = states or ENDS

        def there():
            found = self.see(workload)
            return found if found.state in wanted else None

        return eventually(there, seconds=seconds)

    def yard(self, site: str = "yard", *, devices: int = 2) -> Path:
        """A site whose agent fetches its work; the file with a key for that agent."""
        self.sites.write_text(
            self.sites.read_text()
            + f'[{site}]\nkind = "agent"\norganisation = "{self.organisations["provider"]}"\n'
        )
        self.pool(adapter=site, devices=devices)
        with self.opened() as platform, platform.storage.database.begin() as tx:
            now_us = platform.storage.clock.now_us()
            [member] = identity.members(tx, organisation=self.organisations["provider"])
            key = identity.issue_key(
                tx, member=member.id, expires_at_us=None, at_us=now_us, scopes={"agent"}
            ).secret
        file = self.folder / f"{site}.key"
        file.write_text(key)
        file.chmod(0o600)
        return file


class AgentProcess:
    """`yunhe agent run` as people start it."""

    def __init__(
        self, town: Town, key_file: Path, *, site: str = "yard", name: str = "one"
    ) -> None:
        home = town.folder / f"agent-{name}"
        line = [sys.executable, *PROGRAM, "--json", "--home", str(home), "agent", "run"]
        line += ["--server", town.url, "--key-file", str(key_file), "--site", site]
        self.log = town.folder / f"agent-{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*line, "--devices", "cpu=2"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=ENVIRONMENT,
                text=True,
            )
        self.folder = home / "agents" / site

    def taken(self) -> int:
        """Wait until it has the site; its fence."""
        line = self.process.stdout.readline()
        assert line, self.log.read_text("utf-8")[-3_000:]
        said = json.loads(line)
        assert "fence" in said, line
        return said["fence"]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def __enter__(self) -> AgentProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
