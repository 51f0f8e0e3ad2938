"""Several at once: one organisation per key, one live key per label, no half-added member."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.identity import service as identity
from yunhe.identity.domain import KINDS, Claimed, IssuedKey, Offer
from yunhe.kernel.errors import Conflict, NotAllowed, YunheError
from yunhe.storage.service import Storage

AT = 1_767_225_600_000_000


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run the calls together; what each returned or raised."""
    barrier, results = Barrier(len(calls)), [None] * len(calls)

    def run(index: int, call: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        try:
            results[index] = call()
        except YunheError as error:
            results[index] = error

    threads = [Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def add(storage: Storage, name: str = "one"):
    with storage.database.begin() as tx:
        return identity.add_organisation(tx, key="k", name=name, kind="sme", at_us=AT)


def test_the_same_organisation_added_at_once_is_one(storage: Storage) -> None:
    results = at_once(*[lambda: add(storage)] * 4)
    assert len(set(results)) == 1


def test_two_names_for_one_key_at_once_leave_one_and_a_conflict(storage: Storage) -> None:
    results = at_once(lambda: add(storage, "one"), lambda: add(storage, "two"))
    assert sum(isinstance(result, Conflict) for result in results) == 1
    [added] = [result for result in results if not isinstance(result, YunheError)]
    with storage.database.read() as tx:
        assert identity.organisation(tx, added.id) == added


def works(storage: Storage, issued: IssuedKey) -> bool:
    with storage.database.read() as tx:
        try:
            identity.authenticate(tx, issued.secret, now_us=AT)
        except NotAllowed:
            return False
    return True


def test_keys_of_one_label_issued_at_once_leave_one_that_works(storage: Storage) -> None:
    organisation = add(storage)
    with storage.database.begin() as tx:
        member = identity.add_member(
            tx, key="m", organisation=organisation.id, name="m", at_us=AT
        ).id

    def issue() -> IssuedKey:
        with storage.database.begin() as tx:
            return identity.issue_key(tx, member=member, expires_at_us=None, at_us=AT, label="plan")

    issued = at_once(*[issue] * 4)
    assert [works(storage, key) for key in issued].count(True) == 1


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(("issue", "revoke", "expire")), st.integers(0, 5), st.booleans()),
        max_size=15,
    )
)
def test_a_key_works_exactly_until_it_is_revoked_or_expires(storage: Storage, steps) -> None:
    """Each example has its own member; the model is three plain lines per step."""
    with storage.database.begin() as tx:
        organisation = identity.add_organisation(tx, key="p", name="p", kind=KINDS[0], at_us=AT).id
        member = identity.add_member(
            tx, key=repr(steps)[:150], organisation=organisation, name="p", at_us=AT
        ).id
    now_us, issued, live = AT, [], {}
    for what, number, limited in steps:
        with storage.database.begin() as tx:
            if what == "issue":
                ends_us = now_us + 10 if limited else None
                key = identity.issue_key(tx, member=member, expires_at_us=ends_us, at_us=now_us)
                issued.append(key)
                live[key.id] = ends_us
            elif what == "revoke" and issued:
                key = issued[number % len(issued)]
                identity.revoke_key(tx, key.id, at_us=now_us)
                live.pop(key.id, None)
            elif what == "expire":
                now_us += number
                live = {k: end for k, end in live.items() if end is None or now_us < end}
        for key in issued:
            with storage.database.read() as tx:
                try:
                    working = identity.authenticate(tx, key.secret, now_us=now_us).member == member
                except NotAllowed:
                    working = False
            assert working == (key.id in live)


def test_an_invitation_accepted_by_many_at_once_makes_one_member(town) -> None:
    offer = Offer(organisation=town.university, roles=frozenset({"caller"}))
    token = town.do(identity.invite, offer, by=town.actor("dean")).token

    def accept() -> Claimed:
        return town.do(identity.accept, token=token, name="guest")

    results = at_once(*[accept] * 8)
    assert sum(isinstance(result, Claimed) for result in results) == 1
    codes = {result.code for result in results if isinstance(result, YunheError)}
    assert codes <= {"identity.invitation_ended", "storage.busy"}
    assert len(town.see(identity.members, organisation=town.university)) == 3


def test_a_first_token_claimed_by_many_at_once_makes_one_operator(storage: Storage) -> None:
    token = identity.first_token(storage)

    def claim() -> Claimed:
        return identity.claim_operator(storage, token=token, organisation_name="o", name="n")

    results = at_once(*[claim] * 8)
    assert sum(isinstance(result, Claimed) for result in results) == 1
    with storage.database.read() as tx:
        assert len(identity.members_with_role(tx, "operator")) == 1


def test_starts_at_once_leave_one_token_that_works(storage: Storage) -> None:
    tokens = at_once(*[lambda: identity.first_token(storage)] * 6)

    def works(token: str) -> bool:
        try:
            identity.claim_operator(storage, token=token, organisation_name="o", name="n")
        except NotAllowed:
            return False
        return True

    assert [works(token) for token in tokens].count(True) == 1


def test_roles_that_must_stay_apart_granted_at_once_leave_one(town) -> None:
    members = [town.add(f"m{number}", town.university) for number in range(6)]
    calls = [
        (lambda member=member, role=role: town.do(identity.grant_role, member=member, role=role))
        for member in members
        for role in ("trainer", "evaluator")
    ]
    at_once(*calls)
    for member in members:
        assert len(town.see(identity.roles_of, member)) == 1
