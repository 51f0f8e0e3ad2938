"""Organisations, members and roles: added once, checked whole, told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.identity import checks
from yunhe.identity import service as identity
from yunhe.identity.domain import KINDS, ROLES, Member, Organisation
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from yunhe.kernel.language import LANGUAGES, texts
from yunhe.storage.service import Storage

AT = 1_767_225_600_000_000


def add_university(storage: Storage, *, key: str = "fudan") -> Organisation:
    with storage.database.begin() as tx:
        return identity.add_organisation(tx, key=key, name="示范大学", kind="university", at_us=AT)


def add_li(storage: Storage, organisation: Organisation) -> Member:
    with storage.database.begin() as tx:
        return identity.add_member(
            tx, key="li", organisation=organisation.id, name="李雷", at_us=AT
        )


def test_an_organisation_added_twice_is_one_organisation(storage: Storage) -> None:
    first, second = add_university(storage), add_university(storage)
    assert first == second
    with storage.database.read() as tx:
        assert identity.organisation(tx, first.id) == first


def test_a_member_added_twice_is_one_member(storage: Storage) -> None:
    university = add_university(storage)
    first, second = add_li(storage, university), add_li(storage, university)
    assert first == second
    with storage.database.read() as tx:
        assert identity.member(tx, first.id) == first


def test_the_same_member_key_in_two_organisations_is_two_members(storage: Storage) -> None:
    one, other = add_university(storage), add_university(storage, key="tongji")
    assert add_li(storage, one).id != add_li(storage, other).id


def test_a_key_used_for_something_else_is_a_conflict_and_changes_nothing(storage: Storage) -> None:
    university = add_university(storage)
    li = add_li(storage, university)
    with pytest.raises(Conflict, match=r"fudan"), storage.database.begin() as tx:
        identity.add_organisation(tx, key="fudan", name="示范大学", kind="company", at_us=AT)
    with pytest.raises(Conflict) as error, storage.database.begin() as tx:
        identity.add_member(tx, key="li", organisation=university.id, name="韩梅梅", at_us=AT)
    assert error.value.code == "identity.differs"
    with storage.database.read() as tx:
        assert identity.organisation(tx, university.id).kind == "university"
        assert identity.member(tx, li.id).name == "李雷"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_organisation_can_be_added(storage: Storage, kind: str) -> None:
    with storage.database.begin() as tx:
        added = identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=AT)
        assert identity.organisation(tx, added.id).kind == kind


def test_all_faults_of_an_organisation_are_found_at_once(storage: Storage) -> None:
    with pytest.raises(Invalid) as error, storage.database.begin() as tx:
        identity.add_organisation(tx, key=" ", name="x\n" * 200, kind="bank", at_us=AT)
    found = [(finding.where, finding.code) for finding in error.value.findings]
    assert found == [
        ("key", "identity.empty"),
        ("name", "identity.too_long"),
        ("name", "identity.unprintable"),
        ("kind", "identity.kind_unknown"),
    ]


def test_all_faults_of_a_member_and_a_role_are_found_at_once(storage: Storage) -> None:
    with pytest.raises(Invalid) as error, storage.database.begin() as tx:
        identity.add_member(tx, key="", organisation="org_none", name="\ud800", at_us=AT)
    assert [finding.code for finding in error.value.findings] == [
        "identity.empty",
        "identity.unprintable",
        "identity.organisation_unknown",
    ]
    with pytest.raises(Invalid) as error, storage.database.begin() as tx:
        identity.grant_role(tx, member="mem_none", role="emperor", at_us=AT)
    assert [finding.where for finding in error.value.findings] == ["member", "role"]


def test_a_role_is_required_only_of_those_who_lack_it(storage: Storage) -> None:
    li = add_li(storage, add_university(storage))
    with storage.database.begin() as tx:
        identity.grant_role(tx, member=li.id, role="buyer", at_us=AT)
        identity.grant_role(tx, member=li.id, role="buyer", at_us=AT + 1)
        identity.grant_role(tx, member=li.id, role="trainer", at_us=AT)
    with storage.database.read() as tx:
        assert identity.roles_of(tx, li.id) == {"buyer", "trainer"}
        identity.require(tx, li.id, "buyer")
        for role in set(ROLES) - {"buyer", "trainer"}:
            with pytest.raises(NotAllowed) as error:
                identity.require(tx, li.id, role)
            assert error.value.code == "identity.role_missing"
            assert role in error.value.message("zh")


def test_a_member_nobody_knows_has_no_role(storage: Storage) -> None:
    with storage.database.read() as tx:
        assert identity.roles_of(tx, "mem_none") == frozenset()
        with pytest.raises(NotAllowed):
            identity.require(tx, "mem_none", "auditor")


def test_unknown_ids_are_not_found(storage: Storage) -> None:
    with storage.database.read() as tx:
        with pytest.raises(NotFound) as error:
            identity.organisation(tx, "org_none")
        assert error.value.code == "identity.organisation_unknown"
        with pytest.raises(NotFound) as error:
            identity.member(tx, "mem_none")
        assert error.value.code == "identity.member_unknown"


def test_a_members_name_shows_in_no_representation_or_error(storage: Storage) -> None:
    university = add_university(storage)
    li = add_li(storage, university)
    assert "李雷" not in repr(li)
    with pytest.raises(Conflict) as error, storage.database.begin() as tx:
        identity.add_member(tx, key="li", organisation=university.id, name="韩梅梅", at_us=AT)
    said = error.value.message("zh") + repr(error.value)
    assert "李雷" not in said
    assert "韩梅梅" not in said


def test_every_text_exists_in_both_languages_with_the_same_parameters() -> None:
    english, chinese = (texts("identity", language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for code in english:
        assert _holes(english[code]) == _holes(chinese[code]), code


def _holes(sentence: str) -> set[str]:
    return {part.split("}")[0] for part in sentence.split("{")[1:]}


@given(st.text(max_size=300))
def test_a_name_is_either_accepted_or_refused_with_a_reason(name: str) -> None:
    findings = checks.text("name", name)
    fine = bool(name.strip()) and len(name) <= 200 and name.isprintable()
    assert (findings == []) == fine
    assert all(finding.message("zh") != finding.code for finding in findings)


def test_members_are_found_by_their_role_in_the_order_they_got_it(storage):
    with storage.database.begin() as tx:
        home = identity.add_organisation(tx, key="o", name="Office", kind="operator", at_us=0).id
        first, second, other = (
            identity.add_member(tx, key=key, organisation=home, name=key, at_us=0).id
            for key in ("one", "two", "three")
        )
        identity.grant_role(tx, member=second, role="caller", at_us=2)
        identity.grant_role(tx, member=first, role="caller", at_us=1)
        identity.grant_role(tx, member=other, role="auditor", at_us=0)
        assert [m.id for m in identity.members_with_role(tx, "caller")] == [first, second]
        assert identity.members_with_role(tx, "buyer") == []
