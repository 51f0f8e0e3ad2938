"""The conformance suite finds each single promise that an otherwise good provider breaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from yunhe.compute.providers import conformance
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.kernel.errors import NotAllowed, NotFound, Unavailable
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs


class Liar:
    """The local provider, except for one thing."""

    adapter = "local"

    def __init__(self, provider: LocalProvider) -> None:
        self.provider = provider
        self.isolation = provider.isolation

    def gaps(self):
        return self.provider.gaps()

    def run(self, job, *, blobs, progress, stopped):
        return self.provider.run(job, blobs=blobs, progress=progress, stopped=stopped)


class Mute(Liar):
    def run(self, job, **over):
        return super().run(job, **{**over, "progress": Silent()})


class Forgetful(Liar):
    def run(self, job, **over):
        return super().run(replace(job, arguments={**job.arguments, "word": "?"}), **over)


class Corrupting(Liar):
    def run(self, job, *, blobs, **over):
        outcome = super().run(job, blobs=blobs, **over)
        return replace(outcome, outputs=dict.fromkeys(outcome.outputs, blobs.put(b"x").digest))


class Boastful(Liar):
    def run(self, job, **over):
        return replace(super().run(job, **over), isolation="military-grade")


class Masked(Liar):
    def run(self, job, **over):
        return replace(super().run(job, **over), code_digest="sha256:" + "0" * 64)


class Generous(Liar):
    """Gives away the outputs of failed jobs and does not say why they failed."""

    def run(self, job, *, blobs, **over):
        outcome = super().run(job, blobs=blobs, **over)
        return replace(outcome, why=None, outputs={"half": blobs.put(b"half").digest})


class Verbose(Liar):
    def run(self, job, **over):
        outcome = super().run(job, **over)
        return replace(outcome, stdout_tail=b"x" * 10**5 + outcome.stdout_tail)


class Leaky(Liar):
    """Tells the job a secret of the platform, as inheriting the environment would."""

    def run(self, job, *, blobs, **over):
        outcome = super().run(job, blobs=blobs, **over)
        seen = blobs.put(b'{"YUNHE_TRIAL_SECRET": "seen", "PYTHONHASHSEED": "random"}')
        return replace(outcome, outputs={"environment": seen.digest})


class Careless(Liar):
    """Goes on without an input that is missing, and without an approval."""

    def run(self, job, **over):
        try:
            return super().run(job, **over)
        except (NotFound, NotAllowed):
            return super().run(replace(job, inputs={}, approved=frozenset({self.digest})), **over)

    digest = find_program(TRIAL, TRIAL_ENTRY_POINT).digest


class Broken(Liar):
    def run(self, job, **over):
        raise Unavailable("compute.launch_failed", reason="always")


CASES = {case.__name__.strip("_"): case for case in conformance._CASES}


@pytest.mark.parametrize(
    ("liar", "case", "said"),
    [
        (Mute, "good_job", ["progress was not forwarded"]),
        (Forgetful, "good_job", ["the argument did not arrive"]),
        (
            Corrupting,
            "good_job",
            [
                "the input did not arrive, or the output did not come back",
                "the argument did not arrive",
            ],
        ),
        (Boastful, "good_job", ["isolation is not as said"]),
        (Masked, "good_job", ["another program was reported"]),
        (
            Generous,
            "failing_job",
            ["failed without a reason", "outputs of a failed job were taken"],
        ),
        (Verbose, "bounded_log", ["stdout: "]),
        (
            Leaky,
            "environment",
            ["the job saw the platform's environment", "PYTHONHASHSEED is not 0"],
        ),
        (Careless, "missing_input", ["a job without its input was run"]),
        (Careless, "unapproved", ["a program that nobody approved ran without a sandbox"]),
    ],
)
def test_one_broken_promise_is_found_and_named(
    tmp_path: Path, liar: type[Liar], case: str, said: list[str]
) -> None:
    honest = LocalProvider(
        tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT}, isolation="digest-approved"
    )
    blobs = LocalBlobs(tmp_path / "blobs")
    found = {}
    for provider in (honest, liar(honest)):
        bench = conformance._Bench(provider, blobs, find_program(TRIAL, TRIAL_ENTRY_POINT).digest)
        found[provider] = list(CASES[case](bench))
    assert found.pop(honest) == []
    (broken,) = found.values()
    assert len(broken) == len(said)
    for sentence, start in zip(broken, said, strict=True):
        assert sentence.startswith(start)


def test_an_error_where_a_job_should_run_is_a_finding_and_not_the_end_of_the_suite(
    tmp_path: Path,
) -> None:
    honest = LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT})
    findings = conformance.check_provider(Broken(honest), blobs=LocalBlobs(tmp_path / "blobs"))
    assert {finding.where for finding in findings} >= set(CASES) - {"unapproved"}
    assert "unexpected error: compute.launch_failed" in findings[0].message("en")


def test_a_suite_run_twice_uses_other_job_names(tmp_path: Path) -> None:
    names: list[str] = []

    class Noting(Liar):
        def run(self, job, **over):
            names.append(job.id)
            raise Unavailable("compute.launch_failed", reason="only noting")

    honest = LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT})
    for _ in range(2):
        conformance.check_provider(Noting(honest), blobs=LocalBlobs(tmp_path / "blobs"))
    half = len(names) // 2
    assert half >= 10
    assert set(names[:half]).isdisjoint(names[half:])
