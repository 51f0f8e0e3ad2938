"""`yunhe corpus-train`: an operator's own tagger of names and toxicity classifier."""

from __future__ import annotations

import os
from pathlib import Path

import click

from yunhe.cli.session import Session
from yunhe.kernel.canonical import JsonObject, sha256
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.language import Language, text

FILE = click.Path(path_type=Path)
_SEED_MAX = 2**31 - 1


def corpus_train(language: Language) -> click.Command:
    """Trains on rows that the operator may use."""

    @click.group("corpus-train", help=text("cli.corpus-train", language))
    def command() -> None:
        """Two subcommands."""

    command.add_command(_names(language))
    command.add_command(_toxicity(language))
    return command


def _shared(language: Language) -> list[click.Parameter]:
    return [
        click.Option(
            ["-o", "--output", "out"],
            type=click.Path(path_type=Path, dir_okay=False),  # told before the training
            required=True,
            metavar="WEIGHTS",
            help=text("cli.corpus-train.output", language),
        ),
        click.Option(
            ["--seed"],
            type=click.IntRange(0, _SEED_MAX),
            default=1,
            show_default=True,
            help=text("cli.corpus-train.seed", language),
        ),
    ]


def _names(language: Language) -> click.Command:
    def run(files: tuple[Path, ...], out: Path, seed: int) -> None:
        from yunhe.corpus.training import train_names  # noqa: PLC0415 - heavy

        session = Session.here()
        made, rows, names = train_names(files, seed=seed)
        digest = _written(out, made)
        answer = {"weights": str(out), "digest": digest, "rows": rows, "names": names}
        told = session.say("cli.corpus-train.trained", where=str(out), digest=digest)
        more = session.say("cli.corpus-train.named", rows=rows, names=names)
        session.answer(answer, f"{told}\n{more}")

    files = click.Argument(["files"], type=FILE, nargs=-1, required=True, metavar="FILE…")
    return click.Command(
        "names",
        params=[files, *_shared(language)],
        help=text("cli.corpus-train.names", language),
        callback=run,
    )


def _toxicity(language: Language) -> click.Command:
    def run(file: Path, out: Path, seed: int, **columns: str) -> None:
        from yunhe.corpus.training import train_toxicity  # noqa: PLC0415 - heavy

        session = Session.here()
        made, card = train_toxicity(file, **columns, seed=seed)
        digest = _written(out, made)
        told = session.say("cli.corpus-train.trained", where=str(out), digest=digest)
        answer = {"weights": str(out), "digest": digest, "card": card}
        session.answer(answer, "\n".join([told, *_measured(session, card)]))

    options = [
        click.Option(
            [f"--{name}"],
            default=usual,
            show_default=True,
            metavar=kind,
            help=text(f"cli.corpus-train.{name}", language),
        )
        for name, usual, kind in (
            ("text", "text", "COLUMN"),
            ("label", "label", "COLUMN"),
            ("toxic", "1", "LABEL"),
        )
    ]
    file = click.Argument(["file"], type=FILE, metavar="FILE")
    return click.Command(
        "toxicity",
        params=[file, *_shared(language), *options],
        help=text("cli.corpus-train.toxicity", language),
        callback=run,
    )


def _measured(session: Session, card: JsonObject) -> list[str]:
    held_out = card["held_out"]
    if not isinstance(held_out, dict):
        return []
    f1, low, high = (
        f"{held_out[name] / 10000:.3f}"
        for name in ("f1_per_10000", "f1_low_per_10000", "f1_high_per_10000")
    )
    rows = held_out["rows"]
    lines = [session.say("cli.corpus-train.measured", rows=rows, f1=f1, low=low, high=high)]
    for wish in held_out["thresholds"]:
        recall = f"{wish['recall_per_thousand'] / 10:.1f}"
        lines.append(
            session.say(
                "cli.corpus-train.wish",
                precision=wish["precision_percent"],
                threshold=wish["score_per_thousand_max"],
                recall=recall,
            )
        )
    return lines


def _written(out: Path, made: bytes) -> str:
    """Put a file in its place, whole or not at all; its digest."""
    partial = out.with_name(f"{out.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or "–"
        raise Unavailable("cli.not_written", where=str(out), reason=reason) from None
    return sha256(made)


COMMANDS = {"corpus-train": corpus_train}
