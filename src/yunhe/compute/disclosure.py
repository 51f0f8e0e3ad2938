"""Hands a job the values of its secrets, and takes them out of whatever comes back of it."""

from __future__ import annotations

from dataclasses import replace

from yunhe.compute import columns, store
from yunhe.compute.providers.seam import Job, Outcome
from yunhe.compute.reasons import Why
from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.kernel.masking import Mask
from yunhe.storage.service import Storage
from yunhe.vault import service as vault
from yunhe.vault.service import Vault

BYTES_MAX = 512 << 10
"""Most bytes of all secrets of one job: what an environment holds beside everything else."""
HOPELESS = (
    "vault.secret_unknown",
    "vault.secret_damaged",
    "compute.secrets_too_large",
    "compute.command_unconfined",
    "compute.image_not_run",
    "compute.image_not_allowed",
    "compute.command_not_allowed",
    "compute.replicas_not_run",
    "compute.folder_invalid",
)
"""Faults that no further try would cure."""


def disclosed(storage: Storage, opener: Vault | None, job: Job) -> Job:
    """The job with the values of the secrets its workload names; only its provider may see them.

    Errors: `Unavailable` ``compute.secrets_unavailable`` without an ``opener``; `Invalid`
    ``compute.secrets_too_large``; those of `vault.service.reveal`.
    """
    with storage.database.read() as tx:
        row = store.row(tx, job.id)
        spec = None if row is None else columns.spec_of(row)
        if spec is None or not spec.secrets:
            return job
        if opener is None:
            raise Unavailable("compute.secrets_unavailable")
        values = vault.reveal_all(
            tx, opener, organisation=spec.organisation, references=spec.secrets.values()
        )
    secrets = {variable: values[named] for variable, named in spec.secrets.items()}
    size = sum(len(variable) + len(value) for variable, value in secrets.items())
    if size > BYTES_MAX:
        raise Invalid("compute.secrets_too_large", bytes=size, bytes_max=BYTES_MAX)
    return replace(job, secrets=secrets)


def masked(job: Job, outcome: Outcome) -> Outcome:
    """The outcome without its secrets, also where a provider forgot to mask them.

    What the job wrote into its output files is its own business and stays as it is.
    """
    mask = Mask(job.secrets.values())
    if not mask:
        return outcome
    return replace(
        outcome,
        why=masked_why(mask, outcome.why),
        stdout_tail=mask.masked(outcome.stdout_tail),
        stderr_tail=mask.masked(outcome.stderr_tail),
    )


def masked_why(mask: Mask, why: Why | None) -> Why | None:
    """The reason with every text in it masked."""
    if why is None:
        return None
    params = (
        (name, mask.text(value) if isinstance(value, str) else value) for name, value in why.params
    )
    return replace(why, params=tuple(params))
