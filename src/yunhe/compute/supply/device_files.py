"""Which files a program needs to reach accelerators of each maker: dated data, read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

NUMBER = "{n}"
"""Stands for the number of a device in the names of its files."""
_File = Annotated[str, Field(pattern=r"^/dev/[A-Za-z0-9_./{}-]{1,80}$")]
_Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]{1,120}$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,60}$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]


class DeviceFiles(BaseModel):
    """What is known of the devices of one maker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    told_by: Literal["nvidia-smi", "npu-smi", "files"]
    """The command that tells models apart; ``files``: devices are counted by their files."""
    each: tuple[_File, ...] = Field(min_length=1)
    """Files of one device."""
    shared: tuple[_File, ...]
    """Files that every program needs."""
    besides: tuple[_File, ...]
    """Files that it gets where they are there; of one device where they have a number."""
    visible: _Variable
    """The variable by which its libraries know which devices to use."""
    by: Literal["id", "place"]
    """What that names: the device itself, or its place among those that can be seen."""
    environment: Mapping[_Variable, _Text]
    """Variables besides."""
    reads: tuple[_Path, ...]
    """What is read as well, where it is there."""
    libraries: tuple[_Path, ...]
    """Folders with the driver's libraries, where they are there."""
    source: _Text
    """What the row rests on."""
    verified: bool = Field(strict=True)
    """Whether it was run against a real driver."""


class DeviceTable(BaseModel):
    """The whole table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: _Text
    """Of the file."""
    as_of: _Text
    """The day it was written."""
    vendors: Mapping[_Text, DeviceFiles]
    """By maker, as the catalogue of chips names them."""


@cache
def device_table() -> DeviceTable:
    """The table that comes with the platform."""
    return DeviceTable.model_validate(
        yaml.safe_load(files(__package__).joinpath("device_files.yaml").read_bytes()),
        strict=False,
    )


def files_of(vendor: str) -> DeviceFiles | None:
    """The row of a maker; None for one whose devices nothing is known of."""
    return device_table().vendors.get(vendor)
