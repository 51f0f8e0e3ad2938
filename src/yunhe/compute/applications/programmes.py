"""The programmes there are: those that come with the platform, and the operator's own rule files.

The operator's are read when a platform starts (`take`) and hold for it alone: its database carries
them, so that two platforms in one process know nothing of each other's. A decision keeps version
and digest of the rules it was made by, so a changed file changes nothing decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from yunhe.compute.applications.reading import SHIPPED, read, shipped
from yunhe.compute.applications.rules import RuleSet
from yunhe.compute.applications.vocabulary import shown
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.storage.blobs import explain_os_error
from yunhe.storage.database import Database, Transaction, carried

FILES_MAX = 200
"""Most rule files of one folder."""
_NAME = "programmes"


def take(database: Database, folder: Path | None) -> None:
    """Use the rule files of this folder from now on, none with ``None``. Errors: `read_folder`."""
    database.carry(**{_NAME: {} if folder is None else read_folder(folder)})


def _own(tx: Transaction) -> Mapping[str, RuleSet]:
    return cast("Mapping[str, RuleSet]", carried(tx, _NAME) or {})


def read_folder(folder: Path) -> dict[str, RuleSet]:
    """The rule sets of the files ``*.yaml`` in a folder, by id: all of them, or none.

    Errors: `Invalid` ``compute.programmes_invalid`` with every fault of every file; `Unavailable`
    when the folder or a file can't be read.
    """
    found: dict[str, RuleSet] = {}
    findings: list[Finding] = []
    try:
        texts = {path.name: path.read_bytes() for path in _files(folder, findings)}
    except OSError as error:
        raise explain_os_error(error, folder) from error
    for name, data in texts.items():
        try:
            rules = read(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            findings.append(Finding(name, "compute.rules_yaml"))
        except Invalid as refused:
            findings += [Finding(f"{name}: {f.where}", f.code, f.params) for f in refused.findings]
        else:
            if rules.id in SHIPPED or rules.id in found:
                findings.append(Finding(name, "compute.programme_twice", (("id", rules.id),)))
            found[rules.id] = rules
    if findings:
        raise Invalid("compute.programmes_invalid", folder=str(folder), findings=findings)
    return found


def _files(folder: Path, findings: list[Finding]) -> list[Path]:
    files = sorted(each for each in folder.iterdir() if each.suffix in (".yaml", ".yml"))
    if len(files) > FILES_MAX:
        findings.append(Finding("folder", "compute.inputs_too_many", (("most", FILES_MAX),)))
    return files[:FILES_MAX]


def every(tx: Transaction) -> list[RuleSet]:
    """Every rule set: the project's own first, the operator's last."""
    own = _own(tx)
    return [*shipped_ones(), *(own[name] for name in sorted(own))]


def shipped_ones() -> list[RuleSet]:
    """Those that come with the platform."""
    return [shipped(name) for name in SHIPPED]


def known(tx: Transaction, name: str) -> RuleSet | None:
    """The rule set of that name; None when it is not here, or not any more."""
    return shipped(name) if name in SHIPPED else _own(tx).get(name)


def rules_of(tx: Transaction, name: str) -> RuleSet:
    """The rule set of that name. Errors: `NotFound` ``compute.programme_unknown``."""
    found = known(tx, name)
    if found is None:
        there = ", ".join(each.id for each in every(tx))
        raise NotFound("compute.programme_unknown", programme=shown(name), known=there)
    return found
