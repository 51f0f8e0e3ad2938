"""Organisations, members and roles."""

from __future__ import annotations

from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.plans.run import Run


def people(run: Run) -> JsonObject:
    """Enter everybody the plan names; the same plan's people are the same in every run."""
    plan, now_us = run.plan, run.storage.clock.now_us()
    with run.storage.database.begin() as tx:
        organisations = {
            name: identity.add_organisation(
                tx, key=f"{plan.name}/{name}", name=item.name, kind=item.kind, at_us=now_us
            ).id
            for name, item in plan.organisations.items()
        }
        members = {}
        for name, item in plan.members.items():
            organisation = organisations[item.organisation]
            members[name] = identity.add_member(
                tx, key=name, organisation=organisation, name=item.name, at_us=now_us
            ).id
            for role in item.roles:
                identity.grant_role(tx, member=members[name], role=role, at_us=now_us)
        identity.require(tx, members[plan.operator], "operator")
    return {"organisations": organisations, "members": members}
