"""Two organisations and the operator, with members in the roles that notices speak to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from yunhe.identity import service as identity
from yunhe.storage.service import Storage


@dataclass(frozen=True)
class Town:
    """Ids of everybody."""

    operator: str
    lab: str
    rival: str
    chief: str
    trainer: str
    officer: str
    stranger: str


@pytest.fixture
def town(storage: Storage) -> Town:
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()

        def organisation(name: str, kind: str) -> str:
            return identity.add_organisation(tx, key=name, name=name, kind=kind, at_us=at_us).id

        def member(organisation: str, name: str, *roles: str) -> str:
            added = identity.add_member(
                tx, key=name, organisation=organisation, name=name, at_us=at_us
            )
            for role in roles:
                identity.grant_role(tx, member=added.id, role=role, at_us=at_us)
            return added.id

        operator = organisation("operator", "operator")
        lab, rival = organisation("lab", "university"), organisation("rival", "company")
        return Town(
            operator=operator,
            lab=lab,
            rival=rival,
            chief=member(operator, "chief", "risk_officer"),
            trainer=member(lab, "trainer", "trainer"),
            officer=member(lab, "officer", "risk_officer"),
            stranger=member(rival, "stranger", "risk_officer"),
        )
