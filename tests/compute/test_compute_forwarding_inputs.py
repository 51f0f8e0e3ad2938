"""Files that another platform sends for a job: they count while it needs them, and not for ever."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.forwarding import service as forwarding
from yunhe.kernel.errors import NotFound, YunheError
from yunhe.storage import uploads

LOG = "nation.example/log"


class Border:
    """A city to which a nation's university hands work."""

    def __init__(self, city) -> None:
        self.city, self.storage, self.whose = city, city.storage, city.university
        self.over: set[str] = set()

    def upload(self, data: bytes, *, member: str = "member_nation") -> str:
        blob = self.storage.blobs.put(data)
        with self.storage.database.begin() as tx:
            uploads.keep(
                tx,
                organisation=self.whose,
                member=member,
                digest=blob.digest,
                size_bytes=blob.size_bytes,
                at_us=1,
            )
            forwarding.sent_by_hand(tx, organisation=self.whose, member=member, digest=blob.digest)
        return blob.digest

    def expect(self, job: str, *digests: str, member: str = "member_nation") -> list[str]:
        with self.storage.database.begin() as tx:
            return forwarding.expect(
                tx, organisation=self.whose, member=member, job=job, digests=digests
            )

    def send(self, job: str, *files: bytes, member: str = "member_nation") -> dict[str, str]:
        """Ask what is wanted and send it, as an adapter does; names and digests."""
        digests = [self.storage.blobs.put(data).digest for data in files]
        missing = self.expect(job, *digests, member=member)
        for data, digest in zip(files, digests, strict=True):
            if digest in missing:
                self.upload(data, member=member)
        return {f"f{number}": digest for number, digest in enumerate(digests)}

    def hand(self, job: str, inputs: dict[str, str], *, member: str = "member_nation"):
        spec = self.city.spec(job, inputs=inputs)
        return forwarding.take(
            self.storage, spec, job=job, member=member, origin=LOG, here="city/log"
        )

    def cancel(self, job: str) -> None:
        forwarding.cancel(self.storage, organisation=self.whose, job=job)

    def forget(self, job: str) -> None:
        forwarding.forget(self.storage, organisation=self.whose, job=job)

    def used(self) -> int:
        with self.storage.database.read() as tx:
            return uploads.used(tx, self.whose)


@pytest.fixture
def border(city) -> Border:
    return Border(city)


def test_what_a_settled_job_was_sent_counts_no_more_and_its_record_stays(border, local) -> None:
    inputs = border.send("job-1", b"goods", b"more")
    border.hand("job-1", inputs)
    assert border.used() == 9
    compute.run_next(border.storage, local)
    border.forget("job-1")
    assert border.used() == 0
    with border.storage.database.read() as tx:
        [found] = forwarding.look(tx, organisation=border.whose, jobs=["job-1"])
    assert (found.state, found.forgotten) == ("settled", True)
    border.forget("job-1")  # asked twice
    assert border.used() == 0


def test_what_was_sent_for_a_job_that_never_came_goes_with_its_bytes(border) -> None:
    inputs = border.send("job-1", b"goods")
    assert border.storage.blobs.exists(inputs["f0"])
    border.cancel("job-1")
    border.forget("job-1")
    assert border.used() == 0
    assert not border.storage.blobs.exists(inputs["f0"])
    with pytest.raises(NotFound):
        border.forget("job-1")


def test_a_send_that_was_killed_half_way_is_released_whole(border) -> None:
    first, second = (border.storage.blobs.put(data).digest for data in (b"one", b"two"))
    assert border.expect("job-1", first, second) == sorted([first, second])
    border.upload(b"one")  # and killed before the other
    assert border.expect("job-1", first, second) == [second]  # whoever comes after sends the rest
    border.upload(b"two")
    border.cancel("job-1")
    border.forget("job-1")
    assert border.used() == 0


def test_what_two_jobs_share_stays_until_the_second_is_over(border) -> None:
    inputs = border.send("job-1", b"goods")
    assert border.send("job-2", b"goods") == inputs
    for job in ("job-1", "job-2"):
        border.hand(job, inputs)
    for job, left in (("job-1", 5), ("job-2", 0)):
        border.cancel(job)
        border.forget(job)
        assert border.used() == left


def test_what_the_organisation_sent_itself_is_never_taken_from_it(border) -> None:
    mine = border.upload(b"my own", member="member_person")
    assert border.expect("job-1", mine) == []
    border.hand("job-1", {"f0": mine})
    border.cancel("job-1")
    border.forget("job-1")
    assert border.used() == 6


def test_what_a_person_asked_work_on_meanwhile_stays(border) -> None:
    inputs = border.send("job-1", b"goods")
    border.hand("job-1", inputs)
    border.city.submit("by hand", inputs=inputs)
    border.cancel("job-1")
    border.forget("job-1")
    assert border.used() == 5


def test_what_a_person_sends_while_a_job_has_it_too_is_theirs_from_then_on(border) -> None:
    inputs = border.send("job-1", b"goods")
    border.hand("job-1", inputs)
    border.upload(b"goods", member="member_person")
    assert border.send("job-2", b"goods") == inputs
    border.hand("job-2", inputs)
    for job in ("job-1", "job-2"):
        border.cancel(job)
        border.forget(job)
    assert border.used() == 5


@pytest.mark.parametrize("order", [("job-1", "job-2"), ("job-2", "job-1")], ids="-".join)
def test_who_sends_for_the_other_platform_may_change_between_two_jobs(border, order) -> None:
    border.send("job-1", b"goods", member="member_nation")
    border.send("job-2", b"goods", member="member_successor")
    for job, left in zip(order, (5, 0), strict=True):
        border.cancel(job)
        border.forget(job)
        assert border.used() == left


@pytest.mark.parametrize("came", [True, False], ids=["came", "never-came"])
def test_what_is_sent_after_a_job_was_forgotten_goes_when_its_sender_hears_of_that(
    border, came
) -> None:
    inputs = border.send("job-1", b"goods")
    if came:
        border.hand("job-1", inputs)
    border.cancel("job-1")
    border.forget("job-1")
    border.upload(b"goods")  # by a driver that slept, and lost its site meanwhile
    border.send("job-2", b"more")
    assert border.used() == 9
    late = border.hand("job-1", inputs)
    assert (late.state, late.forgotten, border.used()) == ("cancelled", True, 4)


@pytest.mark.parametrize("how", ["another job", "another member", "a workload"])
def test_what_comes_too_late_for_one_job_stays_where_somebody_else_has_use_for_it(
    border, how
) -> None:
    inputs = border.send("job-1", b"goods")
    border.cancel("job-1")
    border.forget("job-1")
    if how == "another job":
        border.send("job-2", b"goods")
    elif how == "another member":
        border.upload(b"goods", member="member_person")
    else:
        border.upload(b"goods")
        border.city.submit("by hand", inputs=inputs)
    border.hand("job-1", inputs)
    assert border.used() == 5


@pytest.mark.parametrize("how", ["cancel", "forget"])
def test_nothing_more_is_sent_for_a_job_that_nobody_wants(border, how) -> None:
    inputs = border.send("job-1", b"goods")
    border.hand("job-1", inputs)
    border.cancel("job-1")
    if how == "forget":
        border.forget("job-1")
    late = border.storage.blobs.put(b"late").digest
    assert border.expect("job-1", late) == []


def test_another_organisation_neither_learns_nor_loses_anything(border, new_city) -> None:
    digest = border.send("job-1", b"goods")["f0"]
    with border.storage.database.begin() as tx:
        stranger = {"organisation": border.city.provider, "member": "member_other"}
        assert forwarding.expect(tx, job="job-1", digests=[digest], **stranger) == [digest]
    forwarding.forget(border.storage, organisation=border.city.provider, job="job-1")
    assert border.used() == 5
    assert border.storage.blobs.exists(digest)


FILES = {"sha256:" + hashlib.sha256(data).hexdigest(): data for data in (b"a", b"bb", b"cccc")}
STEPS = st.tuples(
    st.sampled_from(["send", "late", "hand", "cancel", "forget"]),
    st.integers(1, 3),
    st.sets(st.sampled_from(list(FILES.values())), min_size=1),
)


def act(border, wanted, what: str, job: str, files) -> None:
    if what == "send":
        inputs = border.send(job, *sorted(files))
        if job not in border.over:  # else it was told that nothing is wanted
            wanted.setdefault(job, inputs)
    elif what in ("hand", "late") and job in wanted:
        if what == "late":  # as one who asked before all the others did
            for data in files & {FILES[each] for each in wanted[job].values()}:
                border.upload(data)
        border.hand(job, wanted[job])
    elif what in ("cancel", "forget"):
        border.over.add(job)
        border.cancel(job)
        if what == "forget":
            border.forget(job)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEPS, max_size=14))
def test_when_every_job_is_forgotten_nothing_counts_and_before_nothing_needed_is_gone(
    new_city, steps
) -> None:
    border, wanted = Border(new_city()), dict[str, dict[str, str]]()
    border.city.award(seconds=10**6)
    border.upload(b"own", member="member_person")
    for what, number, files in steps:
        job = f"job-{number}"
        try:
            act(border, wanted, what, job, files)
        except YunheError:
            continue
        with border.storage.database.read() as tx:
            waiting = [one for one in compute.workloads(tx) if one.state == "waiting"]
        for one in waiting:
            assert all(border.storage.blobs.exists(each) for each in one.spec.inputs.values())
    for number in (1, 2, 3):
        border.cancel(f"job-{number}")
        try:
            border.forget(f"job-{number}")
        except NotFound:
            continue
    assert border.used() == 3
