"""Reads the file in which an operator names distant schedulers, and builds an adapter for each.

TOML: one table for each site; its name is what pools give as their adapter. Secrets are named by
file and never stand in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from yunhe.compute.agents.mailbox import OFFER_MINUTES, OFFER_MINUTES_MAX, Mailbox
from yunhe.compute.images import ENTRIES_MAX, entry_fault, wrapper_fault
from yunhe.compute.machine import OWN
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.remote import Remote
from yunhe.compute.providers.staged import Staged
from yunhe.compute.providers.staging import Staging
from yunhe.compute.specs import WORD
from yunhe.kernel.errors import Finding, Invalid
from yunhe.storage.blobs import explain_os_error

if TYPE_CHECKING:
    from yunhe.outbound.client import Outbound
    from yunhe.storage.service import Storage

YUNHE = "yunhe"
"""The kind of site that is another platform."""
AGENT = "agent"
"""The kind of site whose agent fetches its work from here."""
FOLLOW = "follow"
"""What a site's ``capacity`` says where its pools keep to what it has."""
_SHARED = (
    "kind",
    "capacity",
    "folder",
    "folder_there",
    "python",
    "commands",
    "chips",
    "environment",
    "images",
    "was",
    "watch",
    "queries",
)
_KEYS: Mapping[str, tuple[str, ...]] = {
    "slurm": (
        *_SHARED,
        *("address", "user", "partition", "key_file", "token_file", "account"),
        *("completions", "timezone", "container"),
    ),
    "ray": (*_SHARED, "address", "token_file", "container"),
    "kubernetes": (
        *_SHARED,
        *("kubeconfig", "context", "address", "token_file", "authority_file"),
        *("namespace", "queue", "image", "volume", "volume_folder", "run_as", "pull_secret"),
    ),
    "yunhe": (
        "kind",
        "capacity",
        "was",
        "address",
        "key_file",
        "trust_file",
        "organisation",
        "chips",
    ),
    "agent": ("kind", "capacity", "was", "organisation", "offer_minutes"),
}
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "slurm": ("address", "user", "partition", "folder", "chips"),
    "ray": ("address", "folder", "chips"),
    "kubernetes": ("image", "volume", "folder", "chips"),
    "yunhe": ("address", "key_file", "trust_file", "chips"),
    "agent": ("organisation",),
}
_TABLES = ("chips", "environment", "watch", "queries")
_LISTS = ("images", "was")
_DIGITS = 7
_FILES = (
    "kubeconfig",
    "authority_file",
    "key_file",
    "token_file",
    "trust_file",
    "completions",
    "folder",
)


@dataclass(frozen=True, slots=True)
class Site:
    """One table of the file, read."""

    name: str
    """Its name."""
    kind: str
    """``slurm``, ``ray``, ``kubernetes``, ``yunhe`` or ``agent``."""
    words: Mapping[str, str]
    """Its settings that are text; files are absolute."""
    chips: Mapping[str, str]
    """What each chip is called there."""
    environment: Mapping[str, str]
    """What programs find there besides."""
    images: tuple[str, ...] = ()
    """Registries whose images it runs."""
    was: tuple[str, ...] = ()
    """Names it had before; pools and jobs of those names are still its own."""
    watch: Mapping[str, str] = field(default_factory=dict)
    """How its Prometheus is reached; empty: nobody watches its devices."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """What is asked there for a chip, where that is not what comes with the platform."""
    beside: Path = Path()
    """Folder of the file."""

    def path(self, name: str) -> Path | None:
        """A file it names; None when it names none."""
        return Path(self.words[name]) if name in self.words else None


def read_sites(file: Path) -> tuple[Site, ...]:
    """The sites of a file, in its order; the files it names are relative to it.

    Errors: `Invalid` ``compute.sites_invalid`` with every finding; `Unavailable` when it can't be
    read.
    """
    try:
        data = tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise explain_os_error(error, file) from error
    except (ValueError, RecursionError) as error:
        finding = Finding(file.name, "compute.sites_toml", (("reason", str(error)[:200]),))
        raise Invalid("compute.sites_invalid", file=file.name, findings=[finding]) from None
    findings: list[Finding] = []
    sites = []
    for name, table in data.items():
        faults = _faults(name, table)
        findings += faults
        if not faults:
            sites.append(_site(name, table, file.resolve().parent))
    findings += _name_faults(sites)
    if findings:
        raise Invalid("compute.sites_invalid", file=file.name, findings=findings)
    # One that was renamed goes on under its old names too: jobs there are known by those.
    former = [replace(site, name=name, was=()) for site in sites for name in site.was]
    return (*sites, *former)


def _name_faults(sites: Sequence[Site]) -> Iterator[Finding]:
    taken = {site.name for site in sites}
    for site in sites:
        for name in site.was:
            if not WORD.fullmatch(name) or name in OWN or name in taken:
                params = (("value", ascii(name)[1:-1][:80]),)
                yield Finding(f"{site.name}.was", "compute.site_was", params)
            taken.add(name)


def followed(file: Path | None) -> frozenset[str]:
    """Sites whose pools keep to what they have; errors as `read_sites`."""
    sites = () if file is None else read_sites(file)
    return frozenset(site.name for site in sites if site.words.get("capacity") == FOLLOW)


def named(file: Path | None) -> frozenset[str]:
    """Every name that a site of a file goes by; errors as `read_sites`."""
    return frozenset() if file is None else frozenset(site.name for site in read_sites(file))


def _faults(name: str, table: object) -> list[Finding]:
    if not isinstance(table, dict) or not WORD.fullmatch(name) or name in OWN:
        return [Finding(name[:64], "compute.site_name")]
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        known = (("known", ", ".join(_KEYS)),)
        return [Finding(f"{name}.kind", "compute.site_kind", known)]
    found = [
        Finding(f"{name}.{key[:64]}", "compute.site_key", (("known", ", ".join(_KEYS[kind])),))
        for key in table
        if key not in _KEYS[kind]
    ]
    found += [
        Finding(f"{name}.{key}", "compute.site_needs") for key in _NEEDED[kind] if key not in table
    ]
    for key, value in table.items():
        if key in _TABLES and not isinstance(value, dict):
            found.append(Finding(f"{name}.{key}", "compute.site_table"))
            continue
        if key in _LISTS and not isinstance(value, list):
            found.append(Finding(f"{name}.{key}", "compute.site_list"))
            continue
        inside = value.values() if key in _TABLES else value if key in _LISTS else [value]
        if not all(isinstance(one, str) for one in inside):
            found.append(Finding(f"{name}.{key[:64]}", "compute.site_text"))
    found += [
        Finding(f"{name}.{key}", "compute.site_needs")
        for key in _NEEDED[kind]
        if table.get(key) in ("", {})
    ]
    return [*found, *_value_faults(name, kind, table, fine=not found)]


def _value_faults(
    name: str, kind: str, table: Mapping[str, object], *, fine: bool
) -> Iterator[Finding]:
    """Values that do not go together, or are none of those that a setting takes."""
    if kind == "slurm" and ("key_file" in table) == ("token_file" in table):
        yield Finding(f"{name}.key_file", "compute.site_token")
    if kind == "kubernetes" and ("kubeconfig" in table) == ("address" in table):
        yield Finding(f"{name}.kubeconfig", "compute.site_cluster")
    if not str(table.get("run_as", "0")).isdecimal():
        yield Finding(f"{name}.run_as", "compute.site_user")
    minutes = str(table.get("offer_minutes", "1"))
    plain = minutes.isascii() and minutes.isdecimal() and len(minutes) < _DIGITS
    if not (plain and 1 <= int(minutes) <= OFFER_MINUTES_MAX):
        most = (("most", OFFER_MINUTES_MAX),)
        yield Finding(f"{name}.offer_minutes", "compute.site_minutes", most)
    if table.get("capacity", FOLLOW) not in (FOLLOW, "fixed"):
        yield Finding(f"{name}.capacity", "compute.site_capacity")
    if fine:
        yield from _image_faults(name, kind, table)
    if fine and ("watch" in table or "queries" in table):
        from yunhe.compute.providers import watches  # noqa: PLC0415 - where there are any

        yield from watches.faults(name, kind, table)
    if fine and "timezone" in table:
        try:
            ZoneInfo(str(table["timezone"]))
        except (ValueError, OSError, KeyError):
            yield Finding(f"{name}.timezone", "compute.site_timezone")


def _image_faults(name: str, kind: str, table: Mapping[str, object]) -> Iterator[Finding]:
    entries = cast("list[str]", table.get("images", []))
    for entry in entries[:ENTRIES_MAX]:
        if entry_fault(entry):
            params = (("value", ascii(entry)[1:-1][:80]),)
            yield Finding(f"{name}.images", "compute.site_registry", params)
    if len(entries) > ENTRIES_MAX:
        yield Finding(f"{name}.images", "compute.sites_many", (("most", ENTRIES_MAX),))
    if entries and table.get("commands") != "allow":
        yield Finding(f"{name}.images", "compute.site_images_commands")
    if entries and kind != "kubernetes" and "container" not in table:
        yield Finding(f"{name}.container", "compute.site_needs")
    if "container" in table and wrapper_fault(str(table["container"])):
        place = (("place", "{image}"),)
        yield Finding(f"{name}.container", "compute.site_container", place)


def _site(name: str, table: Mapping[str, object], beside: Path) -> Site:
    words = {
        key: str(beside / value) if key in _FILES else value
        for key, value in table.items()
        if isinstance(value, str)
    }
    tables = [cast("dict[str, str]", table.get(key, {})) for key in _TABLES]
    chips, environment, watch, queries = tables
    images, was = (tuple(cast("list[str]", table.get(key, ()))) for key in _LISTS)
    kind = words["kind"]
    return Site(name, kind, words, chips, environment, images, was, watch, queries, beside)


def build(
    sites: tuple[Site, ...],
    entry_points: Mapping[str, EntryPoint],
    *,
    outbound: Callable[[], Outbound],
    storage: Storage | None = None,
    origin: str = "",
) -> tuple[Remote, ...]:
    """An adapter for each site; nothing is connected to.

    ``storage``: where agents find their work; without it their sites are left out. ``origin``: name
    of our own log.
    """
    made: list[Remote] = []
    for site in sites:
        if site.kind == YUNHE:
            made.append(_yunhe(site, outbound(), origin=origin))
        elif site.kind != AGENT:
            made.append(_watched(site, _remote(site, entry_points, outbound()), outbound()))
        elif storage is not None:
            minutes = int(site.words.get("offer_minutes", OFFER_MINUTES))
            whose = site.words["organisation"]
            made.append(Mailbox(site.name, whose, storage=storage, offer_minutes=minutes))
    return tuple(made)


def _yunhe(site: Site, outbound: Outbound, *, origin: str) -> Remote:
    from yunhe.compute.providers.yunhe import YunheOptions, YunheProvider  # noqa: PLC0415

    key_file, trust_file = site.path("key_file"), site.path("trust_file")
    assert key_file is not None and trust_file is not None  # noqa: S101, PT018 - both are needed
    options = YunheOptions(
        address=site.words["address"],
        key_file=key_file,
        trust_file=trust_file,
        chips=site.chips,
        organisation=site.words.get("organisation", ""),
        origin=origin,
    )
    return YunheProvider(site.name, options, outbound=outbound)


def _watched(site: Site, remote: Remote, outbound: Outbound) -> Remote:
    """The adapter with who watches its devices, where the site names somebody."""
    if site.watch and isinstance(remote, Staged):
        from yunhe.compute.providers.watches import watch_for  # noqa: PLC0415

        remote.watch = watch_for(site, remote, outbound)
    return remote


def _remote(site: Site, entry_points: Mapping[str, EntryPoint], outbound: Outbound) -> Remote:
    words = site.words
    staging = Staging(
        here=Path(words["folder"]),
        there=words.get("folder_there", words["folder"]),
        entry_points=entry_points,
        python=words.get("python", "python3"),
        environment=site.environment,
        commands=words.get("commands") == "allow",
        images=site.images,
        container=words.get("container", ""),
    )
    if site.kind == "slurm":
        from yunhe.compute.providers.slurm import SlurmOptions, SlurmProvider  # noqa: PLC0415

        options = SlurmOptions(
            address=words["address"],
            user=words["user"],
            partition=words["partition"],
            chips=site.chips,
            key_file=site.path("key_file"),
            token_file=site.path("token_file"),
            account=words.get("account", ""),
            completions=site.path("completions"),
            timezone=words.get("timezone", "UTC"),
        )
        return SlurmProvider(site.name, options, staging=staging, outbound=outbound)
    if site.kind == "kubernetes":
        return _kubernetes(site, staging, outbound)
    from yunhe.compute.providers.ray_jobs import RayProvider  # noqa: PLC0415

    return RayProvider(
        site.name,
        address=words["address"],
        chips=site.chips,
        staging=staging,
        outbound=outbound,
        token_file=site.path("token_file"),
    )


def _kubernetes(site: Site, staging: Staging, outbound: Outbound) -> Remote:
    from yunhe.compute.providers import kubernetes_access  # noqa: PLC0415
    from yunhe.compute.providers.kubernetes import (  # noqa: PLC0415
        KubernetesOptions,
        KubernetesProvider,
    )
    from yunhe.compute.providers.kubernetes_jobs import Card  # noqa: PLC0415

    words, authority, config = site.words, site.path("authority_file"), site.path("kubeconfig")
    if config is not None:
        access = kubernetes_access.from_kubeconfig(config, context=words.get("context", ""))
    else:
        access = kubernetes_access.Access(
            server=words["address"],
            tls=None if authority is None else kubernetes_access.trusting(authority),
            token_file=site.path("token_file"),
        )
    options = KubernetesOptions(
        access=access,
        namespace=words.get("namespace") or access.namespace or "default",
        image=words["image"],
        volume=words["volume"],
        chips={chip: Card.read(said) for chip, said in site.chips.items()},
        queue=words.get("queue", ""),
        below=words.get("volume_folder", ""),
        user=int(words["run_as"]) if "run_as" in words else None,
        pull_secret=words.get("pull_secret", ""),
    )
    return KubernetesProvider(site.name, options, staging=staging, outbound=outbound)
