"""A cleansing as a metered workload: the same dataset, certified together with what it used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from corpus_desk import COPY, ROWS, body, cleanse, rows_kept, sampling
from metering_desk import Desk, found, with_step

from yunhe.compute import service as compute
from yunhe.corpus import service
from yunhe.corpus.domain import Columns
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Invalid, NotFound, Unavailable, YunheError
from yunhe.storage.service import Storage

WORDS = "word,class,weight,exceptions,note\n路灯,A.1.1,1,,\n"


@pytest.fixture
def desk(storage: Storage, tmp_path: Path) -> Desk:
    return found(storage, tmp_path)


def refused(desk: Desk, asked) -> YunheError:
    with pytest.raises(YunheError) as caught:
        cleanse(desk.storage, asked)
    assert rows_kept(desk.storage) == 0
    assert caught.value.message("zh") != caught.value.message("en")
    return caught.value


def library(desk: Desk, data: str = WORDS, *, organisation: str | None = None) -> str:
    """Put a library in use; its digest."""
    digest = desk.storage.blobs.put(data.encode()).digest
    service.libraries.put(
        desk.storage,
        key=digest,
        organisation=organisation or desk.holder,
        name="words.csv",
        digest=digest,
        member="m",
    )
    return digest


def library_of(made) -> object:
    (step,) = [each for each in body(made)["pipeline"]["steps"] if each["name"] == "risk"]
    return step["data"]["library"]


def risky():
    return with_step(sampling(50), service.load_profile("zh-pretrain"), "risk")


def test_a_metered_cleansing_certifies_what_one_done_here_certifies(desk: Desk) -> None:
    asked = desk.request()
    here = cleanse(desk.storage, asked)
    there = cleanse(desk.storage, replace(desk.metered(asked), key="metered"))
    assert body(there) == body(here)
    assert body(there)["truth"] != "none given"
    assert (there.decisions_digest, there.spans_digest, there.sample_digest) == (
        here.decisions_digest,
        here.spans_digest,
        here.sample_digest,
    )


def test_its_certificate_is_linked_to_the_usage_and_a_certificate_of_old_is_not(
    desk: Desk,
) -> None:
    asked = desk.metered(desk.request())
    here = cleanse(desk.storage, desk.request(key="here"))
    there = cleanse(desk.storage, asked)
    with desk.storage.database.read() as tx:
        done = compute.workload(tx, str(asked.workload))
        metered = custody.record(tx, there.certificate_reference)
        plain = custody.record(tx, here.certificate_reference)
    assert metered.links == {"source": there.source_reference, "usage": done.reference}
    assert plain.links == {"source": here.source_reference}
    assert done.usage is not None
    assert done.usage.device_ms > 0
    assert cleanse(desk.storage, asked) == there


def test_a_sandboxed_job_reads_compiled_kernels_and_writes_none(desk: Desk) -> None:
    service.compile_kernels(_Silent())
    kept = service.metering.program().reads["NUMBA_CACHE_DIR"]
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.nb?")}
    done = desk.ran(desk.request())
    assert done.state == "settled"
    assert done.usage is not None
    # A kernel takes about a second to compile and there are dozens: none was.
    assert done.usage.cpu_ms < 6_000
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.nb?")} == before


class _Silent:
    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Say nothing."""


def test_the_library_in_use_is_what_a_cleansing_goes_by_and_is_named_by_its_digest(
    desk: Desk,
) -> None:
    library(desk, WORDS.replace("路灯", "别人的词"), organisation="org_other")
    without = cleanse(desk.storage, desk.request(key="without", profile=risky()))
    digest = library(desk)
    asked = desk.request(profile=risky())
    here = cleanse(desk.storage, asked)
    assert library_of(here) == digest
    assert library_of(without) not in (None, digest)
    there = cleanse(desk.storage, replace(desk.metered(asked), key="metered"))
    assert body(there) == body(here)
    assert cleanse(desk.storage, desk.request(key="without", profile=risky())) == without


def test_a_library_that_is_replaced_while_a_workload_runs_is_not_said_to_have_been_used(
    desk: Desk,
) -> None:
    digest = library(desk)
    asked = desk.metered(desk.request(profile=risky()))
    library(desk, WORDS.replace("路灯", "水压"))
    assert library_of(cleanse(desk.storage, asked)) == digest


def test_words_in_documents_that_stay_are_counted_by_class(desk: Desk) -> None:
    library(desk)
    made = cleanse(desk.storage, desk.request(profile=risky()))
    noticed = body(made)["statistics"]["noticed"]
    with_word = sum("路灯" in str(row["text"]) for row in [*ROWS, COPY])
    assert list(noticed) == ["risk"]
    ((reason, count),) = noticed["risk"].items()
    dropped = body(made)["statistics"]["dropped"].get("risk", {}).get(reason, 0)
    assert count > 0
    assert count + dropped <= with_word


def test_a_workload_that_is_not_over_certifies_nothing_yet(desk: Desk) -> None:
    asked = desk.request()
    error = refused(desk, replace(asked, workload=desk.submitted(asked).id))
    assert (type(error), error.code) == (Conflict, "corpus.workload_unfinished")
    assert error.retryable


def test_a_workload_of_another_cleansing_is_refused_with_all_that_differs(desk: Desk) -> None:
    asked = desk.metered(desk.request())
    other = replace(
        desk.request("other", rows=ROWS[:50]), columns=Columns("text"), workload=asked.workload
    )
    error = refused(desk, other)
    assert (type(error), error.code) == (Invalid, "corpus.workload_unfit")
    assert [each.where for each in error.findings] == [
        "arguments",
        "inputs.input",
        "inputs.truth.jsonl",
    ]
    error = refused(desk, replace(asked, profile=sampling(3)))
    assert [each.where for each in error.findings] == ["inputs.profile.yaml"]
    error = refused(desk, replace(asked, truth=None))
    assert [each.where for each in error.findings] == ["inputs.truth.jsonl"]
    error = refused(desk, replace(asked, holder="org_else"))
    assert error.code == "compute.workload_unknown"
    error = refused(desk, replace(asked, workload="workload_none"))
    assert (type(error), error.code) == (NotFound, "compute.workload_unknown")


def test_what_was_wrong_with_the_file_is_told_as_if_it_had_been_cleansed_here(desk: Desk) -> None:
    asked = desk.request(columns=Columns("no such column"), truth=None)
    here = refused(desk, asked)
    done = desk.ran(asked)
    assert done.state == "failed"
    there = refused(desk, replace(asked, workload=done.id))
    assert (there.code, there.findings) == (here.code, here.findings)


def test_a_cancelled_workload_is_no_cleansing(desk: Desk) -> None:
    asked = desk.request()
    placed = desk.submitted(asked)
    compute.cancel(desk.storage, placed.id)
    error = refused(desk, replace(asked, workload=placed.id))
    assert (type(error), error.code) == (Unavailable, "corpus.workload_failed")


def test_a_key_for_pseudonyms_is_never_handed_to_a_workload(desk: Desk) -> None:
    key = desk.folder / "key"
    key.write_bytes(b"k" * 32)
    profile = service.load_profile()
    steps = [
        replace(plan, options={"mode": "pseudonym", "key": str(key)})
        if plan.name == "personal"
        else plan
        for plan in profile.steps
    ]
    with pytest.raises(Invalid) as caught:
        desk.submitted(desk.request(profile=replace(profile, steps=tuple(steps))))
    assert caught.value.code == "corpus.key_metered"
    assert not any(
        path.read_bytes() == b"k" * 32
        for path in (desk.folder / "blobs").rglob("*")
        if path.is_file()
    )
