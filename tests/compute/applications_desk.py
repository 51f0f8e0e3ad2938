"""People around applications, and shortcuts for what they do; all through the floor's face."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.compute import service as compute
from yunhe.compute.applications.domain import (
    Application,
    Ballot,
    Contract,
    Milestone,
    Payment,
    Proposal,
    Step,
    Window,
)
from yunhe.compute.domain import AwardStatus
from yunhe.identity import service as identity
from yunhe.kernel.clock import ManualClock
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import Balance
from yunhe.notices import service as notices
from yunhe.notices.domain import Notice
from yunhe.storage.service import Storage

VOUCHER = "beijing_vouchers"


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator with four chiefs, a firm with an applicant, and a provider."""

    storage: Storage
    clock: ManualClock
    operator: str
    chiefs: tuple[str, ...]
    firm: str
    applicant: str
    provider: str
    seller: str

    def apply(
        self,
        *,
        key: str = "key",
        programme: str = "yunhe",
        kind: str = "sme",
        organisation: str = "",
        by: str = "",
        conflicts: tuple[str, ...] = (),
        **facts: object,
    ) -> Application:
        stated = {
            "applicant_kind": kind,
            "conflict_declared": bool(conflicts),
            "devices": 1,
            "window_months": 3,
            **facts,
        }
        proposal = Proposal(
            key=key,
            programme=programme,
            organisation=organisation or self.firm,
            title="训练",
            facts={k: v for k, v in stated.items() if v is not None},
            chip="cpu",
            conflicts=conflicts,
        )
        return compute.applications.apply(self.storage, proposal, by=by or self.applicant)

    def ask(self, about: Application, *, key: str = "more", **fields: object) -> Application:
        """An extension, or with a chip or facts a change."""
        changing = "chip" in fields or "facts" in fields
        proposal = Proposal(
            **{
                "key": key,
                "programme": about.proposal.programme,
                "organisation": about.proposal.organisation,
                "title": "再要一些",
                "facts": {},
                "kind": "change" if changing else "extension",
                "concerns": about.id,
                **fields,
            }
        )
        return compute.applications.apply(self.storage, proposal, by=self.applicant)

    def claim(
        self,
        *,
        key: str = "claim",
        number: str = "HT-1",
        contract_minor: int = 100_000_000,
        claim_minor: int = 20_000_000,
        **facts: object,
    ) -> Application:
        stated = {
            "applicant_kind": "sme",
            "conflict_declared": False,
            "contract_signed": True,
            "contract_months": 12,
            "contract_covers": ["compute"],
            "contract_minor": contract_minor,
            "claim_minor": claim_minor,
            "provider_affiliated": False,
            "other_subsidy": False,
            **facts,
        }
        proposal = Proposal(
            key=key,
            programme=VOUCHER,
            organisation=self.firm,
            title="算力券",
            facts={k: v for k, v in stated.items() if v is not None},
            contract=Contract(number, self.provider),
        )
        return compute.applications.apply(self.storage, proposal, by=self.applicant)

    def grant(self, *amounts: int, key: str = "grant") -> Application:
        proposal = Proposal(
            key=key,
            programme="yunhe_grants",
            organisation=self.firm,
            title="研发",
            facts={
                "applicant_kind": "sme",
                "conflict_declared": False,
                "other_subsidy": False,
            },
            milestones=tuple(Milestone(f"第{n}步", each) for n, each in enumerate(amounts, 1)),
        )
        return compute.applications.apply(self.storage, proposal, by=self.applicant)

    def fund(self, amount_minor: int, programme: str = VOUCHER, *, key: str = "fund") -> None:
        compute.applications.fund(
            self.storage, programme, key=key, amount_minor=amount_minor, by=self.chiefs[0]
        )

    def decide(
        self,
        made: Application,
        verdict: str,
        *,
        by: str = "",
        reason: str = "因为合适",
        **part: int,
    ) -> Application:
        return compute.applications.decide(
            self.storage, made.id, verdict=verdict, reason=reason, by=by or self.chiefs[0], **part
        )

    def vote(self, made: Application, vote: str, *, by: str, hours: int = 0) -> Application:
        return compute.applications.vote(
            self.storage, made.id, vote=vote, reason="我的看法", by=by, hours=hours
        )

    def amend(self, made: Application, **facts: object) -> Application:
        return compute.applications.amend(
            self.storage, made.id, reason="补充", by=self.applicant, facts=facts
        )

    def withdraw(self, made: Application, *, by: str = "") -> Application:
        return compute.applications.withdraw(
            self.storage, made.id, reason="不需要了", by=by or self.applicant
        )

    def report(self, made: Application, *, document: str = "") -> Application:
        return compute.applications.report(
            self.storage,
            made.id,
            document=document or self.blob("report"),
            reason="完成",
            by=self.applicant,
        )

    def close(self, made: Application, accept: str) -> Application:
        return compute.applications.close(
            self.storage, made.id, accept=accept, reason="看过", by=self.chiefs[1]
        )

    def redeem(self, made: Application, number: int = 1, **evidence: str) -> Payment:
        return compute.applications.redeem(
            self.storage, made.id, number, evidence=evidence, reason="已结算", by=self.applicant
        )

    def confirm(self, made: Application, number: int = 1, *, by: str = "") -> Payment:
        return compute.applications.confirm(
            self.storage, made.id, number, reason="已收款", by=by or self.seller
        )

    def pay(
        self, made: Application, number: int = 1, *, by: str = "", verdict: str = "pay"
    ) -> Payment:
        return compute.applications.decide_payment(
            self.storage,
            made.id,
            number,
            verdict=verdict,
            reason="核对无误",
            by=by or self.chiefs[1],
        )

    def blob(self, text: str) -> str:
        return self.storage.blobs.put(text.encode()).digest

    def see(self, made: Application) -> Application:
        with self.storage.database.read() as tx:
            return compute.applications.application(tx, made.id)

    def steps(self, made: Application) -> list[Step]:
        with self.storage.database.read() as tx:
            return compute.applications.steps(tx, made.id)

    def ballots(self, made: Application) -> list[Ballot]:
        with self.storage.database.read() as tx:
            return compute.applications.ballots(tx, self.see(made))

    def windows(self, made: Application) -> list[Window]:
        with self.storage.database.read() as tx:
            return compute.applications.windows(tx, made.id)

    def payments(self, made: Application) -> list[Payment]:
        with self.storage.database.read() as tx:
            return compute.applications.payments(tx, made.id)

    def awards(self) -> list[AwardStatus]:
        with self.storage.database.read() as tx:
            return compute.awards(tx)

    def feed(self, member: str) -> list[Notice]:
        with self.storage.database.read() as tx:
            return notices.feed(tx, member)

    def balance(self, owner: str, purpose: str, unit: str = "CNY") -> Balance | None:
        with self.storage.database.read() as tx:
            found = ledger.balances(tx, owner=owner)
        return next((b for b in found if (b.purpose, b.unit) == (purpose, unit)), None)

    def assert_sound(self) -> None:
        """The ledger replays; awards and windows say the same; each rests on a decision."""
        with self.storage.database.read() as tx:
            assert ledger.replay(tx).ok
            by_award = {each.award.id: each for each in compute.awards(tx)}
            for found in compute.applications.applications(tx, limit=10_000):
                windows = compute.applications.windows(tx, found.id)
                own = sum(w.device_ms - w.moved_ms for w in windows if w.carried == 0)
                if found.proposal.kind == "new" and not any(w.carried for w in windows):
                    assert own == found.granted_ms
                assert bool(found.reference) == (
                    found.state in ("awarded", "refused", "reported", "closed")
                )
                assert not windows or found.decided_by
                for window in windows:
                    assert window.decision
                    if window.award:
                        assert by_award[window.award].award.device_ms == window.device_ms


def found_desk(storage: Storage, clock: ManualClock) -> Desk:
    now_us = clock.now_us()
    with storage.database.begin() as tx:
        places = {
            kind: identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=now_us).id
            for kind in ("operator", "provider", "sme")
        }

        def person(key: str, place: str, role: str) -> str:
            member = identity.add_member(
                tx, key=key, organisation=places[place], name=key, at_us=now_us
            ).id
            identity.grant_role(tx, member=member, role=role, at_us=now_us)
            return member

        chiefs = tuple(person(f"chief{n}", "operator", "operator") for n in range(4))
        applicant = person("applicant", "sme", "administrator")
        seller = person("seller", "provider", "administrator")
    return Desk(
        storage,
        clock,
        places["operator"],
        chiefs,
        places["sme"],
        applicant,
        places["provider"],
        seller,
    )
