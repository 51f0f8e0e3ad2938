"""What is wrong with a request, all of it at once and before anything is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from yunhe.compute.abilities import UNSEEN, Abilities
from yunhe.compute.asking import UNSAID, Ways
from yunhe.compute.domain import (
    DEVICES_MAX,
    MEMORY_BYTES_MIN,
    WALL_SECONDS_MAX,
    Pool,
    WorkloadSpec,
)
from yunhe.compute.gaps import tellable, without
from yunhe.compute.nearest import FLAT, Nodes
from yunhe.compute.needs import field_faults, supply_faults, together_faults
from yunhe.compute.providers.folder import FILE_NAME
from yunhe.kernel.canonical import INTEGER_MAX, canonical_bytes
from yunhe.kernel.errors import Finding
from yunhe.kernel.units import CURRENCIES
from yunhe.vault.domain import reference

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of chips, adapters and entry points."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""The form of a digest."""
KEY_LETTERS_MAX = 200
"""Longest idempotency key."""
_TEXT_LETTERS_MAX = 200
_ARGUMENTS_BYTES_MAX = 64 << 10
_INPUTS_MAX = 100
_SECRETS_MAX = 32
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# What the launcher sets, and what makes an interpreter, a linker or a tool load or run something.
# Outside a sandbox the operator vouches for a program's bytes, and these would change what it does.
_RESERVED = re.compile(
    r"(PATH|HOME|LANG|LANGUAGE|PWD|OLDPWD|SHELL|USER|LOGNAME|TERM|TZ|TZDIR|IFS|ENV|PS4|CDPATH"
    r"|TMP|TEMP|TMPDIR|EDITOR|VISUAL|PAGER|BROWSER|CC|CXX|NIS_PATH|LOCPATH|NLSPATH|HOSTALIASES"
    r"|RESOLV_HOST_CONF|RES_OPTIONS|MAKEFLAGS|CLASSPATH|GLIBC_TUNABLES|MALLOC_.*|GCONV_PATH|GETCONF_DIR"
    r"|LC_.*|LD_.*|DYLD_.*|PYTHON.*|BASH_.*|YUNHE_.*|OMP_.*|OPENBLAS_.*|MKL_.*|NUMEXPR_.*|NUMBA_.*"
    r"|CUDA_.*|NVIDIA_.*|ASCEND_.*|TORCH_.*|TRITON_.*|OPENSSL_.*|SSL_.*|SSLKEYLOGFILE|GIT_.*|SSH_.*"
    r"|NODE_.*|NPM_.*|PIP_.*|UV_.*|PERL.*|RUBY.*|GEM_.*|LUA_.*|_?JAVA_.*|JDK_.*|R_.*|GUILE_.*|TCL.*)",
    re.IGNORECASE,
)


def key_faults(key: str) -> Iterator[Finding]:
    """A key that cannot be kept."""
    if not key.strip() or len(key) > KEY_LETTERS_MAX or not key.isprintable():
        yield Finding("key", "compute.key_invalid", (("letters_max", KEY_LETTERS_MAX),))


def text_faults(where: str, value: str) -> Iterator[Finding]:
    """A line of text that is empty, too long, or would not show."""
    if not value.strip() or len(value) > _TEXT_LETTERS_MAX or not value.isprintable():
        yield Finding(where, "compute.text_invalid", (("letters_max", _TEXT_LETTERS_MAX),))


def word_faults(where: str, value: str) -> Iterator[Finding]:
    """A name that is not `WORD`."""
    if not WORD.fullmatch(value):
        yield Finding(where, "compute.word_invalid", (("value", value[:80]),))


def amount_faults(
    where: str, value: int, *, least: int, most: int = INTEGER_MAX
) -> Iterator[Finding]:
    """A number that is no whole number between the bounds."""
    if type(value) is not int or not least <= value <= most:
        params = (("value", str(value)[:40]), ("least", least), ("most", most))
        yield Finding(where, "compute.amount_invalid", params)


def currency_faults(currency: str) -> Iterator[Finding]:
    """A currency the platform does not know."""
    if currency not in CURRENCIES:
        params = (("value", currency[:40]), ("known", ", ".join(CURRENCIES)))
        yield Finding("currency", "compute.currency_unknown", params)


def digest_faults(where: str, digest: str) -> Iterator[Finding]:
    """Something that is not the digest of anything."""
    if not DIGEST.fullmatch(digest):
        yield Finding(where, "compute.digest_invalid", (("value", digest[:80]),))


def spec_faults(
    spec: WorkloadSpec,
    pools: Iterable[Pool],
    *,
    now_us: int = 0,
    able: Abilities = UNSEEN,
    nodes: Nodes = FLAT,
    ways: Ways = UNSAID,
    gaps: Collection[str] = (),
) -> list[Finding]:
    """Everything about a workload that no waiting would cure.

    A field that is wrong hides nothing about the others. ``gaps``: places whose value could not
    be read (`yunhe.compute.gaps`); nothing is told of them.
    """
    found = list(_field_faults(spec))
    unsound = {*gaps, *(_place(each.where) for each in found)}
    sound = without(spec, unsound)
    found += tellable(together_faults(sound), unsound)
    supply = supply_faults(
        sound, list(pools), able=able, nodes=nodes, ways=ways, now_us=now_us, gaps=unsound
    )
    found += tellable(supply, unsound)
    return tellable(found, gaps)


def _place(where: str) -> str:
    """The part of a request that is put aside: an element where fields have names, else all."""
    name, _, part = where.partition(".")
    return where if part and name in ("substitutes", "environment", "secrets", "inputs") else name


def _field_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    yield from key_faults(spec.key)
    if spec.entry_point:
        yield from word_faults("entry_point", spec.entry_point)
    if spec.workload_class != "":
        yield from word_faults("workload_class", spec.workload_class)
    yield from field_faults(spec)
    yield from _variable_faults(spec.environment, "environment")
    yield from amount_faults("devices", spec.devices, least=1, most=DEVICES_MAX)
    yield from amount_faults(
        "wall_seconds_max", spec.wall_seconds_max, least=1, most=WALL_SECONDS_MAX
    )
    yield from amount_faults("cpu_seconds_max", spec.cpu_seconds_max, least=1)
    yield from amount_faults("memory_bytes_max", spec.memory_bytes_max, least=MEMORY_BYTES_MIN)
    try:
        size = len(canonical_bytes(dict(spec.arguments)))
    except (TypeError, ValueError) as error:
        yield Finding("arguments", "compute.arguments_invalid", (("reason", str(error)[:200]),))
    else:
        if size > _ARGUMENTS_BYTES_MAX:
            params = (("bytes", size), ("bytes_max", _ARGUMENTS_BYTES_MAX))
            yield Finding("arguments", "compute.arguments_too_large", params)
    if len(spec.inputs) > _INPUTS_MAX:
        yield Finding("inputs", "compute.inputs_too_many", (("most", _INPUTS_MAX),))
    for name, digest in spec.inputs.items():
        if not FILE_NAME.fullmatch(name):
            yield Finding("inputs", "compute.input_name_invalid", (("name", ascii(name)[:80]),))
        yield from digest_faults(f"inputs.{name[:80]}", digest)
    yield from _secret_faults(spec)


def _secret_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    if len(spec.secrets) > _SECRETS_MAX:
        yield Finding("secrets", "compute.secrets_too_many", (("most", _SECRETS_MAX),))
    yield from _variable_faults(spec.secrets, "secrets")
    for variable, named in spec.secrets.items():
        where = f"secrets.{ascii(variable)[1:-1][:80]}"
        found = reference(named) if isinstance(named, str) else None
        if found is None:
            yield Finding(where, "compute.secret_invalid", (("name", ascii(named)[:80]),))
        elif found.project not in ("", spec.project):  # told as if there were none
            yield Finding(where, "vault.secret_unknown", (("name", named),))


def _variable_faults(variables: Iterable[str], part: str) -> Iterator[Finding]:
    for variable in variables:
        where = f"{part}.{ascii(variable)[1:-1][:80]}"
        if not _VARIABLE.fullmatch(variable):
            yield Finding(part, "compute.variable_invalid", (("name", ascii(variable)[:80]),))
        elif _RESERVED.fullmatch(variable):
            yield Finding(where, "compute.variable_reserved", (("name", variable),))
