"""How people go: what ended opens nothing, what is erased is gone, what is old is purged."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.identity import service as identity
from yunhe.identity.domain import Offer
from yunhe.kernel.errors import Conflict, NotAllowed, NotFound
from yunhe.storage.schema import metadata

NAME, ADDRESS = "欧阳冬梅", "ouyang.dongmei@example.org"


def joined(town):
    offer = Offer(organisation=town.university, roles=frozenset({"caller"}), contact=ADDRESS)
    invited = town.do(identity.invite, offer, by=town.actor("dean"))
    claimed = town.do(identity.accept, token=invited.token, name=NAME)
    session = town.do(identity.open_session, member=claimed.member, hours=12)
    return claimed, session


def test_ending_a_membership_closes_every_way_in_and_keeps_the_name(town):
    claimed, session = joined(town)
    town.do(identity.end_member, member=claimed.member, by=town.actor("dean"))
    with pytest.raises(NotAllowed) as error:
        town.who(claimed.key.secret)
    assert error.value.code == "identity.key_revoked"
    code = town.code(identity.authenticate_session, session.secret, now_us=town.now_us)
    assert code == "identity.session_expired"
    member = town.see(identity.member, claimed.member)
    assert (member.name, member.ended_at_us) == (NAME, town.now_us)
    assert town.see(identity.roles_of, claimed.member) == frozenset()


def test_one_may_leave_and_only_administrators_send_away(town):
    claimed, _ = joined(town)
    li = town.actor("li")
    assert town.code(identity.end_member, member=claimed.member, by=li) == "identity.role_missing"
    town.do(identity.end_member, member=town.people["li"], by=li)
    assert town.see(identity.member, town.people["li"]).ended_at_us == town.now_us


def test_the_last_administrator_stays_unless_another_is_there_or_an_operator_acts(town):
    dean = town.people["dean"]
    for ask in (identity.end_member, identity.require_dispensable):
        error = town.refusal(ask, member=dean, by=town.actor("dean"))
        assert (type(error), error.code) == (Conflict, "identity.last_administrator")
    town.do(identity.require_dispensable, member=dean, by=town.actor("operator"))
    second = town.add("second", town.university, "administrator")
    town.do(identity.end_member, member=dean, by=town.actor("dean"))
    assert town.code(identity.end_member, member=second, by=town.actor("second")) == (
        "identity.last_administrator"
    )
    town.do(identity.end_member, member=second, by=town.actor("operator"))
    assert town.see(identity.member, second).ended_at_us == town.now_us


def test_erasure_leaves_a_pseudonym_and_nothing_that_leads_from_it_to_the_person(town):
    claimed, session = joined(town)
    again = Offer(organisation=town.university, roles=frozenset({"buyer"}), contact=ADDRESS)
    town.do(identity.invite, again, by=town.actor("dean"))
    for _ in range(2):
        town.do(identity.erase_member, member=claimed.member)
        town.clock.advance(seconds=1)
    member = town.see(identity.member, claimed.member)
    assert (member.id, member.name, member.contact) == (claimed.member, "", "")
    assert member.erased_at_us == member.ended_at_us == town.now_us - 2_000_000
    assert town.see(identity.keys, member=claimed.member) == []
    with town.storage.database.read() as tx:
        rows = {
            table.name: repr(tx.execute(table.select()).all())
            for table in metadata.sorted_tables
            if table.name.startswith("identity_")
        }
    assert not [name for name, said in rows.items() if NAME in said or ADDRESS in said]
    assert [name for name, said in rows.items() if claimed.member in said] == [
        "identity_invitation",
        "identity_member",
    ]
    for secret, ask in (
        (claimed.key.secret, identity.authenticate),
        (session.secret, identity.authenticate_session),
    ):
        assert town.code(ask, secret, now_us=town.now_us).endswith("_unknown")


def test_erasing_nobody_is_told(town):
    error = town.refusal(identity.erase_member, member="mem_none")
    assert isinstance(error, NotFound)


def test_purging_takes_what_ended_before_and_leaves_the_rest(town):
    claimed, session = joined(town)
    dead, live = town.key("li", expires_at_us=town.now_us + 1), town.key("li")
    revoked = town.key("li")
    town.do(identity.revoke_key, key=revoked.id)
    town.clock.advance(seconds=86_400)
    late = town.key("li")
    town.do(identity.revoke_key, key=late.id)
    before = town.now_us
    # Two keys, the session that ended after twelve hours, the invitation that was accepted.
    assert town.do(identity.purge_ended, before_us=before) == 4
    assert town.do(identity.purge_ended, before_us=before) == 0
    left = {key.id for key in town.see(identity.keys, member=town.people["li"])}
    assert left == {live.id, late.id}
    assert dead.id not in left
    assert town.who(claimed.key.secret).member == claimed.member
    assert town.see(identity.invitations) == []
    assert town.code(identity.authenticate_session, session.secret, now_us=0) == (
        "identity.session_unknown"
    )


class Life:
    """One member's ways in, and beside them a plain list of what must be dead."""

    def __init__(self, town, member: str) -> None:
        self.town, self.member = town, member
        self.opened: dict[str, int | None] = {}
        self.dead: set[str] = set()

    def step(self, what: str, number: int) -> None:
        secrets = list(self.opened)
        chosen = secrets[number % len(secrets)] if secrets else ""
        {
            "key": lambda: self.issue(None),
            "short key": lambda: self.issue(self.town.now_us + 3_600_000_000),
            "session": self.sign_in,
            "revoke": lambda: self.revoke(chosen),
            "sign out": lambda: self.sign_out(chosen),
            "wait": lambda: self.town.clock.advance(seconds=number * 700),
            "end": lambda: self.leave(identity.end_member),
            "erase": lambda: self.leave(identity.erase_member),
            "purge": lambda: self.town.do(identity.purge_ended, before_us=self.town.now_us),
        }[what]()

    def issue(self, end_us: int | None) -> None:
        with suppress(NotAllowed):  # who left gets none
            key = self.town.do(identity.issue_key, member=self.member, expires_at_us=end_us)
            self.opened[key.secret] = end_us

    def sign_in(self) -> None:
        with suppress(NotAllowed):
            session = self.town.do(identity.open_session, member=self.member, hours=2)
            self.opened[session.secret] = self.town.now_us + 2 * 3_600_000_000

    def revoke(self, secret: str) -> None:
        if secret.startswith("yk"):
            with suppress(NotFound):  # purged or erased
                self.town.do(identity.revoke_key, key="key_" + secret.split("_")[1])
            self.dead.add(secret)

    def sign_out(self, secret: str) -> None:
        if secret.startswith("ys"):
            self.town.do(identity.end_session, secret)
            self.dead.add(secret)

    def leave(self, command) -> None:
        self.town.do(command, member=self.member)
        self.dead.update(self.opened)

    def works(self, secret: str) -> bool:
        key = secret.startswith("yk")
        ask = identity.authenticate if key else identity.authenticate_session
        try:
            return self.town.see(ask, secret, now_us=self.town.now_us).member == self.member
        except NotAllowed:
            return False


NUMBERS = count()
STEPS = ("key", "short key", "session", "revoke", "sign out", "wait", "end", "erase", "purge")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), max_size=20))
def test_nothing_that_ended_ever_opens_anything_again(town, steps):
    add, key = identity.add_member, f"member {next(NUMBERS)}"
    life = Life(town, town.do(add, key=key, organisation=town.university, name="n").id)
    for what, number in steps:
        life.step(what, number)
        for secret, end_us in life.opened.items():
            over = end_us is not None and end_us <= town.now_us
            working = life.works(secret)
            assert not (working and (over or secret in life.dead))
            if secret.startswith("yk"):  # sessions may also have stood idle
                assert working == (not over and secret not in life.dead)
