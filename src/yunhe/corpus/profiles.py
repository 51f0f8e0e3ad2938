"""Reads profiles: YAML, checked against a schema, every threshold with its source."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from yunhe.corpus.domain import Profile, StepPlan, Threshold
from yunhe.kernel.errors import Finding, Invalid

_FAULTS = {
    "extra_forbidden": "corpus.profile_key_unknown",
    "missing": "corpus.profile_key_missing",
    "int_type": "corpus.profile_no_number",
    "bool_type": "corpus.profile_no_choice",
    "string_type": "corpus.profile_no_text",
    "model_type": "corpus.profile_no_keys",
    "dict_type": "corpus.profile_no_keys",
    "list_type": "corpus.profile_no_list",
}


class _Threshold(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    value: int
    source: str
    verified: bool


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    thresholds: dict[str, _Threshold] = {}
    options: dict[str, str] = {}


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    version: int
    sample_documents: _Threshold
    steps: list[_Step]


@cache
def built_in(name: str) -> Profile:
    """The profile that comes with Yunhe.

    Errors: `Invalid` ``corpus.profile_unknown``, which names those there are.
    """
    folder = files("yunhe.corpus") / "profiles"
    there = sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml"))
    if name not in there:
        raise Invalid("corpus.profile_unknown", name=name, there=", ".join(there))
    return parse((folder / f"{name}.yaml").read_text(encoding="utf-8"), where=f"{name}.yaml")


def parse(text: str, *, where: str) -> Profile:
    """A profile from YAML.

    Errors: `Invalid` ``corpus.profile_invalid`` with every fault and the path of its field. Whether
    steps and thresholds exist is checked where the pipeline is built.
    """
    try:
        read = _Profile.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"
        finding = Finding(place, "corpus.profile_no_yaml")
        raise Invalid("corpus.profile_invalid", where=where, findings=[finding]) from None
    except ValidationError as error:
        findings = [
            Finding(
                f"{where}: {'.'.join(str(part) for part in fault['loc'])}",
                _FAULTS.get(fault["type"], "corpus.profile_field"),
                (("fault", fault["type"]),),
            )
            for fault in error.errors()
        ]
        raise Invalid("corpus.profile_invalid", where=where, findings=findings) from None
    except (ValueError, KeyError, AttributeError, RecursionError):
        # What PyYAML lets through: days there are not, numbers without end, lists without end.
        finding = Finding(where, "corpus.profile_no_yaml")
        raise Invalid("corpus.profile_invalid", where=where, findings=[finding]) from None
    return Profile(
        read.name,
        read.version,
        _threshold(read.sample_documents),
        tuple(
            StepPlan(
                step.name,
                {n: _threshold(t) for n, t in step.thresholds.items()},
                dict(step.options),
            )
            for step in read.steps
        ),
    )


def _threshold(read: _Threshold) -> Threshold:
    return Threshold(read.value, " ".join(read.source.split()), read.verified)
