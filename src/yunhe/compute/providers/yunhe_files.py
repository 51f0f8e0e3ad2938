"""Files between two platforms: inputs there, outputs back, and the key that opens the other one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from yunhe.compute.providers.folder import FILE_NAME, OUTPUT_FILES_MAX
from yunhe.compute.providers.rest import shown
from yunhe.compute.providers.seam import Job
from yunhe.compute.reasons import Why
from yunhe.kernel.errors import Unavailable
from yunhe.storage.blobs import Blobs, explain_os_error

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire import forwarding as wire

OUTPUT_BYTES_MAX = 64 << 30
"""Most bytes that are fetched of what one job left there."""
KEY_BYTES_MAX = 1_024
"""More of a key's file is not read."""


def key(file: Path, *, site: str) -> str:
    """The key in a file that nobody but its owner can read.

    Errors: `Unavailable` ``compute.site_key_open`` when others can: whoever reads it can spend our
    money there. Work waits until that is mended.
    """
    try:
        with file.open("rb") as opened:
            others = os.fstat(opened.fileno()).st_mode & 0o077
            found = opened.read(KEY_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError as error:
        raise explain_os_error(error, file) from error
    if others:
        raise Unavailable("compute.site_key_open", site=site, path=str(file))
    return found


def send(client: Client, job: Job, *, blobs: Blobs) -> None:
    """Send the inputs of a job that are not there; they are released there when it is forgotten."""
    from yunhe.client.wire.forwarding import ForwardedInputs  # noqa: PLC0415 - only where work is

    if not job.inputs:
        return
    named = ForwardedInputs(digests=sorted(set(job.inputs.values())))
    for digest in client.forwarding.inputs(job.id, named).missing:
        if digest not in named.digests:  # it asks for what is none of its business
            raise Unavailable("client.digest_differs", digest=shown(digest), retryable=True)
        with tempfile.TemporaryDirectory(prefix="yunhe-forward-") as folder:
            client.uploads.send(blobs.fetch(digest, Path(folder) / "input"))


def fetch(client: Client, found: wire.Forwarded, *, blobs: Blobs) -> dict[str, str] | Why:
    """Every output, held against its digest on the way; or why none of them is taken."""
    if len(found.outputs) > OUTPUT_FILES_MAX or not all(map(FILE_NAME.fullmatch, found.outputs)):
        counts = (("found", len(found.outputs)), ("most", OUTPUT_FILES_MAX))
        return Why("compute.failed_output_count", counts)
    taken: dict[str, str] = {}
    left_bytes = OUTPUT_BYTES_MAX
    for name, digest in found.outputs.items():
        if not blobs.exists(digest):
            with tempfile.TemporaryDirectory(prefix="yunhe-forward-") as folder:
                target = Path(folder) / "output"
                try:
                    client.compute.download(
                        found.workload, name, target, bytes_max=max(left_bytes, 1)
                    )
                except Unavailable as error:
                    if error.code != "client.file_large":
                        raise
                    return Why("compute.failed_output_large", (("most", OUTPUT_BYTES_MAX),))
                left_bytes -= target.stat().st_size
                kept = blobs.put_file(target).digest
            if kept != digest:  # it changed its mind between two answers
                raise Unavailable("client.digest_differs", digest=digest, retryable=True)
        taken[name] = digest
    return taken
