"""Fill a home as a middling programme has it: organisations, members, keys, accounts, things.

    python benchmarks/api/home.py HOME

Prints one JSON object: the keys and ids that `api/load` asks with. The database is the setting's
(``YUNHE_DATABASE_URL``), else SQLite in the home.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from yunhe.app import Platform, open_platform
from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.identity import service as identity
from yunhe.ledger import service as ledger
from yunhe.notices import service as notices
from yunhe.settings import from_environment
from yunhe.storage import operations
from yunhe.storage.database import Transaction

ORGANISATIONS, MEMBERS, ACCOUNTS, WORKLOADS, OPERATIONS, NOTICES = 100, 10, 4, 200, 200, 200
FUNDS = 10**12
ROLES = ("administrator", "buyer")


@dataclass(frozen=True)
class Someone:
    """A member with a key."""

    organisation: str
    member: str
    secret: str


def someone(tx: Transaction, organisation: str, number: int, roles: tuple[str, ...]) -> Someone:
    at_us = 1
    made = identity.add_member(
        tx,
        key=f"{organisation}-{number}",
        organisation=organisation,
        name=f"Member {number}",
        at_us=at_us,
    )
    for role in roles:
        identity.grant_role(tx, member=made.id, role=role, at_us=at_us)
    key = identity.issue_key(tx, member=made.id, expires_at_us=None, at_us=at_us)
    return Someone(organisation, made.id, key.secret)


def fill(platform: Platform) -> dict[str, object]:
    """Everything, in few transactions; what a caller needs of it."""
    database = platform.storage.database
    with database.begin() as tx:
        operator = identity.add_organisation(
            tx, key="operator", name="Operator", kind="operator", at_us=1
        )
        desk = someone(tx, operator.id, 0, ("operator", "administrator"))
        first: list[Someone] = []
        accounts: list[list[str]] = []
        for number in range(ORGANISATIONS):
            place = identity.add_organisation(
                tx, key=f"org-{number}", name=f"University {number}", kind="university", at_us=1
            )
            first.append(someone(tx, place.id, 0, ROLES))
            for each in range(1, MEMBERS):
                someone(tx, place.id, each, ("caller",))
            own = [
                ledger.open_account(tx, owner=place.id, unit="CNY", purpose=f"cash{each}")
                for each in range(ACCOUNTS)
            ]
            for account in own:
                ledger.grant(tx, key=f"fund:{account}", account=account, amount=FUNDS, at_us=1)
            accounts.append(own)
    compute.register_pool(
        platform.storage,
        key="pool",
        provider=operator.id,
        site="hall",
        chip="h200",
        devices=8,
        price_minor_per_device_hour=1_000,
        currency="CNY",
        adapter="demonstration",
    )
    who = first[0]
    workloads = things(platform, who)
    with database.read() as tx:
        workload = workloads[0]
        operation = operations.listed(tx, organisation=who.organisation, after="", limit=1)[0].id
    return {
        "operator": desk.secret,
        "organisation": who.organisation,
        "keys": [each.secret for each in first],
        "organisations": [each.organisation for each in first],
        "accounts": accounts,
        "workload": workload,
        "operation": operation,
    }


def things(platform: Platform, who: Someone) -> list[str]:
    """Workloads that wait, operations and notices of one organisation."""
    with platform.storage.database.begin() as tx:
        for number in range(OPERATIONS):
            operations.create(
                tx,
                kind="corpus.cleanse",
                key=str(number),
                organisation=who.organisation,
                member=who.member,
                payload={},
                at_us=number + 1,
            )
        for number in range(NOTICES):
            notices.notify(
                tx,
                key=str(number),
                kind="operation_ended",
                organisation=who.organisation,
                member=who.member,
                subject=f"op_{number}",
                params={"operation": "corpus.cleanse", "outcome": "done"},
                at_us=number + 1,
            )
    return [
        compute.submit(
            platform.storage,
            WorkloadSpec(
                key=str(number),
                organisation=who.organisation,
                entry_point="fit",
                arguments={"seed": number},
                inputs={},
                chip="h200",
                devices=1,
                wall_seconds_max=600,
                cpu_seconds_max=600,
            ),
            member=who.member,
        ).id
        for number in range(WORKLOADS)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    with open_platform(from_environment(home=parser.parse_args().home)) as platform:
        print(json.dumps(fill(platform)))


if __name__ == "__main__":
    main()
