"""docs/identity.md says what the code does: roles, duties, scopes, settings and times."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from yunhe.identity import checks, duties, first_start
from yunhe.identity import service as identity
from yunhe.identity.credentials import invitations, keys
from yunhe.identity.domain import FLOORS, ROLES, Offer
from yunhe.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(params=["identity.md", "identity.zh.md"])
def page(request) -> str:
    return (DOCS / request.param).read_text("utf-8")


def rows(page: str) -> dict[str, str]:
    """The tables' rows by what their first cell names."""
    return dict(re.findall(r"^\| `([^`]+)` \|(.*)\|$", page, re.MULTILINE))


def test_every_role_stands_in_the_table_with_how_it_is_held(page):
    table = rows(page)
    assert set(ROLES) <= table.keys()
    people = next(rule for rule in identity.duty_rules() if rule.id == "people-decide")
    for role in ROLES:
        how = table[role].split("|")[-1]
        assert bool(re.search("people|由人", how)) == (role in people.roles), role
        assert bool(re.search("project|项目", how)) == (role not in ("operator", "administrator"))


def test_every_duty_rule_stands_in_the_table_with_its_roles(page):
    table = rows(page)
    for rule in duties.rules():
        named = set(re.findall(r"`([a-z_]+)`", table[rule.id]))
        if rule.id == "auditor-alone":
            assert rule.others == set(ROLES) - {"auditor", "caller"}
            assert named == {"auditor", "caller"}
        elif rule.kind == "apart":
            assert named == rule.roles | rule.others
        else:
            assert named == rule.roles
    assert {name for name in table if "-" in name} == {rule.id for rule in duties.rules()}


def test_settings_scopes_and_times_are_those_of_the_code(page):
    named = {name.lower() for name in re.findall(r"YUNHE_([A-Z_]+)", page)}
    assert {"oidc_issuer", "oidc_client_id", "public_url"} <= named <= set(Settings.model_fields)
    assert all(floor in page for floor in FLOORS)
    assert (first_start.TOKEN_HOURS, first_start.KEY_DAYS, invitations.KEY_DAYS) == (24, 90, 90)
    assert keys.RENEWAL_DAYS == 90
    assert Offer().valid_hours == 7 * 24
    assert checks.VALID_HOURS_MAX == 30 * 24
    assert identity.IDLE_SECONDS == 3_600
    assert identity.oidc.SIGN_IN_SECONDS == 600
    assert all(word in page for word in ("24", "90", "30", identity.COOKIE, "X-CSRF-Token"))


def test_the_page_says_that_the_providers_of_the_suite_are_no_real_ones(page):
    assert "oidc-provider-mock" in page
    assert re.search("Neither is a real provider|两者都不是真实的登录服务", page)
