"""How a cluster's API server is reached: a kubeconfig, or an address with a token.

A kubeconfig may name programs that make tokens; none is run. Source: the kubeconfig format,
``client.authentication.k8s.io`` left out.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Finding, Invalid
from yunhe.storage.blobs import explain_os_error

CONFIG_BYTES_MAX = 1 << 20
"""Largest kubeconfig."""
_NEVER = {
    "exec": "compute.kubeconfig_program",
    "auth-provider": "compute.kubeconfig_program",
    "username": "compute.kubeconfig_password",
    "password": "compute.kubeconfig_password",
    "insecure-skip-tls-verify": "compute.kubeconfig_insecure",
    "proxy-url": "compute.kubeconfig_proxy",
}
"""What is not followed, and the sentence that says why."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the server is and who asks."""

    server: str
    """Its address."""
    tls: ssl.SSLContext | None = None
    """Whom to trust, with our certificate if we have one; None: this machine's authorities."""
    token: str = field(default="", repr=False)
    """Fixed token."""
    token_file: Path | None = None
    """File that holds a token, read at every call: somebody renews it."""
    namespace: str = ""
    """The one the configuration names; empty: none."""

    def headers(self) -> Mapping[str, str]:
        """What every call says about who asks.

        Errors: `Unavailable` when the token's file cannot be read.
        """
        token = self.token
        if self.token_file is not None:
            try:
                token = self.token_file.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                fault = error if isinstance(error, OSError) else OSError("no ASCII text")
                raise explain_os_error(fault, self.token_file) from error
        return {"authorization": f"Bearer {token}"} if token else {}


def from_kubeconfig(file: Path, *, context: str = "") -> Access:
    """What a kubeconfig says of one of its contexts, the current one unless named.

    Errors: `Invalid` ``compute.kubeconfig_invalid`` with every finding; `Unavailable` when it can't
    be read.
    """
    try:
        raw = file.read_bytes()[: CONFIG_BYTES_MAX + 1]
        said = yaml.safe_load(raw) if len(raw) <= CONFIG_BYTES_MAX else None
    except OSError as error:
        raise explain_os_error(error, file) from error
    except (yaml.YAMLError, ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise _invalid(file, [Finding(file.name, "compute.kubeconfig_yaml")])
    name = context or _text(said.get("current-context"))
    chosen = _named(said, "contexts", name, "context")
    cluster = _named(said, "clusters", _text(chosen.get("cluster")), "cluster")
    user = _named(said, "users", _text(chosen.get("user")), "user")
    findings = [
        Finding(f"{where}.{key}", code)
        for where, part in (("cluster", cluster), ("user", user))
        for key, code in _NEVER.items()
        if part.get(key)
    ]
    server = _text(cluster.get("server"))
    if not chosen:
        findings.append(Finding("contexts", "compute.kubeconfig_context", (("name", name or "-"),)))
    elif not server:
        findings.append(Finding("cluster.server", "compute.site_needs"))
    if findings:
        raise _invalid(file, findings)
    token_file = _text(user.get("tokenFile"))
    return Access(
        server=server,
        tls=_tls(file, cluster, user),
        token=_text(user.get("token")),
        token_file=file.resolve().parent / token_file if token_file else None,
        namespace=_text(chosen.get("namespace")),
    )


def trusting(authority: Path) -> ssl.SSLContext:
    """Trust in the authorities of a file and no others.

    Errors: `Invalid` ``compute.kubeconfig_certificate``; `Unavailable` when it can't be read.
    """
    try:
        return ssl.create_default_context(cafile=str(authority))
    except ssl.SSLError:
        raise Invalid("compute.kubeconfig_certificate", file=authority.name) from None
    except OSError as error:
        raise explain_os_error(error, authority) from error


def _tls(file: Path, cluster: Mapping[str, Json], user: Mapping[str, Json]) -> ssl.SSLContext:
    """Whom the file trusts, with the user's certificate."""
    with tempfile.TemporaryDirectory() as folder:  # OpenSSL takes files only; 0700
        parts = {
            name: _bytes_of(file, part, name, Path(folder))
            for part, name in (
                (cluster, "certificate-authority"),
                (user, "client-certificate"),
                (user, "client-key"),
            )
        }
        authority = parts["certificate-authority"]
        try:
            tls = ssl.create_default_context(cafile=str(authority) if authority else None)
            certificate = parts["client-certificate"]
            if certificate is not None:
                key = parts["client-key"]
                tls.load_cert_chain(str(certificate), str(key) if key else None)
        except (ssl.SSLError, OSError):
            raise Invalid("compute.kubeconfig_certificate", file=file.name) from None
    return tls


def _bytes_of(file: Path, part: Mapping[str, Json], name: str, folder: Path) -> Path | None:
    """The file that something stands in: the one that is named, or one made of what is given."""
    given = _text(part.get(f"{name}-data"))
    if given:
        made = folder / name
        try:
            made.write_bytes(base64.b64decode(given, validate=True))
        except (binascii.Error, ValueError):
            raise Invalid("compute.kubeconfig_certificate", file=file.name) from None
        return made
    said = _text(part.get(name))
    return file.resolve().parent / said if said else None


def _named(said: Mapping[str, Json], many: str, name: str, one: str) -> Mapping[str, Json]:
    listed = said.get(many)
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(one)
            return found if isinstance(found, dict) else {}
    return {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _invalid(file: Path, findings: list[Finding]) -> Invalid:
    return Invalid("compute.kubeconfig_invalid", file=file.name, findings=findings)
