"""`yunhe clean` and `yunhe kernels`: cleansing on this machine, without a platform."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import click

from yunhe.cli.session import Session, said_after
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.corpus.cleaning import Asked

FILE = click.Path(path_type=Path)
FAULTY = 3
"""Exit code when the output is whole, but some files or rows of the input could not be read."""
REJECTS_DAYS = 30
"""How long rejects may be kept where nothing else is said."""
_DAYS_MAX = 3650
_DOCUMENTS_MAX = 1000
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (("-o", "--output", "out"), {"type": FILE, "metavar": "OUT"}),
    (("--profile",), {"metavar": "NAME|FILE", "default": "zh-pretrain", "show_default": True}),
    (("--text",), {"metavar": "COLUMN", "default": "text", "show_default": True}),
    (("--label",), {"metavar": "COLUMN"}),
    (("--id", "name"), {"metavar": "COLUMN"}),
    (("--input-format",), {"metavar": "FORMAT"}),
    (
        ("--format", "form"),
        {"type": click.Choice(["parquet", "jsonl.zst"]), "default": "parquet"},
    ),
    (("--threads",), {"type": click.IntRange(1, 256), "metavar": "N"}),
    (("--ray",), {"metavar": "ADDRESS|local"}),
    (("--memory",), {"metavar": "SIZE", "default": "2GB", "show_default": True}),
    (("--source",), {"metavar": "NAME"}),
    (("--holder",), {"metavar": "ORG"}),
    (("--licence",), {"metavar": "LICENCE"}),
    (("--synthetic",), {"is_flag": True}),
    (("--keep-rejects",), {"type": FILE, "metavar": "KEYFILE"}),
    (("--rejects-days",), {"type": click.IntRange(1, _DAYS_MAX), "default": REJECTS_DAYS}),
    (("--explain",), {"is_flag": True}),
    (("--dry-run",), {"type": click.IntRange(1, _DOCUMENTS_MAX), "metavar": "N"}),
    (("--show-text",), {"is_flag": True}),
)


def clean(language: Language) -> click.Command:
    """Cleanses files into a folder."""
    params: list[click.Parameter] = [click.Argument(["inputs"], nargs=-1, metavar="INPUT…")]
    for names, settings in _OPTIONS:
        long = next(name for name in names if name.startswith("--"))
        said = text(f"cli.clean.{long[2:].replace('-', '_')}", language)
        params.append(click.Option(list(names), help=said, **settings))  # type: ignore[arg-type]
    return click.Command(
        "clean",
        params=[*params, *said_after(language)],
        help=text("cli.clean", language),
        epilog=text("cli.clean.exit_codes", language),
        callback=_clean,
    )


class _Given(TypedDict):
    """What the command line was told, by the names of its parameters."""

    inputs: tuple[str, ...]
    out: Path | None
    profile: str
    text: str
    label: str | None
    name: str | None
    input_format: str | None
    form: Literal["parquet", "jsonl.zst"]
    threads: int | None
    ray: str | None
    memory: str
    source: str | None
    holder: str | None
    licence: str | None
    synthetic: bool
    keep_rejects: Path | None
    rejects_days: int
    explain: bool
    dry_run: int | None
    show_text: bool


def _clean(**given: Unpack[_Given]) -> None:
    session, asked = Session.here(), _asked(given)
    if given["explain"]:
        _explain(session, asked)
    elif not asked.inputs:
        raise click.UsageError(session.say("cli.clean.no_input"))
    elif given["dry_run"]:
        _try(session, asked, given["dry_run"], show_text=given["show_text"])
    elif given["out"] is None:
        raise click.UsageError(session.say("cli.clean.no_output"))
    else:
        _cleanse(session, asked)


def _asked(given: _Given) -> Asked:
    from yunhe.corpus.cleaning import Asked  # noqa: PLC0415
    from yunhe.corpus.domain import Columns  # noqa: PLC0415

    key, rejects = given["keep_rejects"], None
    if key is not None:
        rejects = (key, datetime.now(UTC).date() + timedelta(days=given["rejects_days"]))
    source: dict[str, str | bool | None] = {
        "name": given["source"],
        "holder": given["holder"],
        "licence": given["licence"],
        "synthetic": given["synthetic"],
    }
    if given["source"]:  # licence and terms are as told here: no register was asked for them
        source["registered"] = "not_asked"
    return Asked(
        given["inputs"],
        given["input_format"],
        Columns(given["text"], given["label"], given["name"]),
        given["profile"],
        given["out"] or Path(),
        format=given["form"],
        threads=given["threads"] or len(os.sched_getaffinity(0)),
        ray=given["ray"],
        memory=given["memory"],
        rejects=rejects,
        source={key: value for key, value in source.items() if value},
    )


def _explain(session: Session, asked: Asked) -> None:
    from yunhe.cli import explained  # noqa: PLC0415
    from yunhe.corpus import cleaning  # noqa: PLC0415

    profile, steps, digest = cleaning.told(asked)
    session.answer(explained.profile_json(profile, steps, digest))
    if not session.as_json:
        explained.show_profile(session, profile, steps, digest)


def _try(session: Session, asked: Asked, documents: int, *, show_text: bool) -> None:
    from yunhe.cli import explained  # noqa: PLC0415
    from yunhe.corpus import cleaning  # noqa: PLC0415

    there = cleaning.found(asked)
    explained.show_tried(
        session, cleaning.tried(asked, there, documents=documents), show_text=show_text
    )


def _cleanse(session: Session, asked: Asked) -> None:
    from yunhe.cli import cleansed  # noqa: PLC0415
    from yunhe.corpus import cleaning  # noqa: PLC0415

    there = cleaning.found(asked)
    shown = cleansed.Rate(session)
    try:
        done = cleaning.cleanse(asked, there, progress=shown)
    finally:
        shown.close()
    if not (done.repeated and (asked.out / "datasheet.html").exists()):
        cleaning.write_datasheet(asked.out, session.language)
    cleansed.show(session, asked, there, done)
    if done.faults or done.unread or there.findings:
        click.get_current_context().exit(FAULTY)


def kernels(language: Language) -> click.Command:
    """Compiles the kernels ahead of the first use."""
    return click.Command(
        "kernels",
        params=said_after(language),
        help=text("cli.kernels", language),
        callback=_kernels,
    )


def _kernels() -> None:
    from yunhe.cli.cleansed import Rate  # noqa: PLC0415
    from yunhe.corpus import cleaning  # noqa: PLC0415

    session = Session.here()
    shown = Rate(session)
    count = cleaning.compile_kernels(
        lambda done, total, _: shown.step("corpus.kernels", done=done, total=total)
    )
    shown.close()
    session.answer({"kernels": count}, session.say("cli.kernels.ready", count=count))


COMMANDS = {"clean": clean, "kernels": kernels}
