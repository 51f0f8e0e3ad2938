"""A platform at work in a process of its own, with secrets and people, and with mishaps.

Called as ``life.py <home> <plan> <backups>``; says on standard output what only it knows.
"""

import json
import logging
import sys
import urllib.error
import urllib.request
from pathlib import Path

from yunhe.app import open_platform
from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import YunheError
from yunhe.kernel.progress import Silent
from yunhe.ledger import service as ledger
from yunhe.operations import backup, logs
from yunhe.plans import service as plans
from yunhe.settings import from_environment
from yunhe.vault import service as vault

home, plan, backups = map(Path, sys.argv[1:])
settings = from_environment(home=str(home))
logs.configure(form=settings.log_format, level=settings.log_level)
log = logging.getLogger("yunhe.life")
secrets = json.loads(sys.stdin.readline())


def run_workload(platform, organisation, operator):
    """A workload with secrets, that lets them slip wherever it can."""
    storage, now_us = platform.storage, platform.storage.clock.now_us()
    pool = compute.register_pool(
        storage, key="p", provider=organisation, site="s", chip="cpu", devices=1, currency="CNY",
        price_minor_per_device_hour=100,
    )  # fmt: skip
    assert pool.devices == 1
    expires_at_us = now_us + DAY_US * 30
    compute.award(
        storage, key="a", organisation=organisation, chip="cpu", device_ms=10**7,
        expires_at_us=expires_at_us, awarded_by=operator,
    )  # fmt: skip
    with storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=organisation, unit="CNY", purpose="cash")
        ledger.grant(tx, key="cash", account=account, amount=10**7, at_us=now_us)
        for name, value in secrets["vault"].items():
            vault.put(
                tx, platform.vault, organisation=organisation, name=name, value=value.encode(),
                member=operator, at_us=now_us,
            )  # fmt: skip
        vault.remove(tx, organisation=organisation, name="REMOVED")
    spec = WorkloadSpec(
        key="leaky", organisation=organisation, entry_point="leaky", arguments={}, inputs={},
        chip="cpu", devices=1, wall_seconds_max=60, cpu_seconds_max=60,
        secrets={"TOKEN": "TOKEN", "DSN": "DSN"},
    )  # fmt: skip
    submitted = compute.submit(storage, spec)
    log.debug("submitted %r", submitted)
    programs = {"leaky": EntryPoint("leaky", root=Path(__file__).parent)}
    provider = LocalProvider(home / "work", programs, protected=[home])
    ended = compute.run_next(
        storage, provider, workload=submitted.id, vault=platform.vault, progress=Said()
    )
    log.info("ended %r", ended)
    print(json.dumps({"state": ended.state, "isolation": ended.usage.isolation}))  # noqa: T201


class Said:
    """Progress that is logged."""

    def step(self, what, *, done, total=None):
        """As a line."""
        log.info("step %s %s/%s", what, done, total)


def mishap(what, act):
    """What goes wrong is logged with its whole trace."""
    try:
        act()
    except (YunheError, ValueError, urllib.error.URLError, OSError) as error:
        log.exception("%s: %s", what, error)
    except Exception:
        log.exception("%s", what)


def ask(url, secret):
    """A question to the gateway."""
    request = urllib.request.Request(
        f"{url}/v1/routes/hotline/answers",
        data=json.dumps({"text": "路灯坏了好几天"}).encode(),
        headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return answer.status


def add_person(platform, name):
    """A member whose row the database refuses, with the name among its values."""
    with platform.storage.database.begin() as tx:
        identity.add_member(tx, key=None, organisation="none", name=name, at_us="soon")


with open_platform(settings) as platform:
    run = plans.prepare(platform.equipment(), plan, None, Silent())
    assert plans.execute(run)
    with platform.storage.database.read() as tx:
        operator = identity.members_with_role(tx, "operator")[0]
    run_workload(platform, operator.organisation, operator.id)
    key = platform.day_key()
    with platform.gateway() as url:
        print(json.dumps({"status": ask(url, key)}))  # noqa: T201
        mishap("a wrong key", lambda: ask(url, key[:-4] + "0000"))
        mishap("no key", lambda: ask(url, secrets["vault"]["TOKEN"]))
    with platform.storage.database.read() as tx:
        mishap(
            "unknown secret",
            lambda: vault.reveal(tx, platform.vault, organisation="x", names=["TOKEN"]),
        )
        mishap(
            "wrong key",
            lambda: vault.reveal(
                tx, vault.Vault(bytes(32)), organisation=operator.organisation, names=["TOKEN"]
            ),
        )
        mishap("unknown caller", lambda: identity.authenticate(tx, key[:-4] + "0000", now_us=1))
    with platform.storage.database.begin() as tx:
        too_long = secrets["vault"]["TOKEN"] * 10_000
        given = {"organisation": "x", "member": "m", "at_us": 1}
        mishap(
            "too long",
            lambda: vault.put(tx, platform.vault, name="A", value=too_long.encode(), **given),
        )
        mishap("odd name", lambda: vault.put(tx, platform.vault, name="", value=b"", **given))
    mishap(
        "a person that does not fit",
        lambda: add_person(platform, secrets["person"]),
    )
    old = platform.signer.load().private.private_bytes_raw()
    platform.rotate_key()
    backup.backup(platform, backups)
    print(json.dumps({"key": key, "old_signing": old.hex()}))  # noqa: T201
