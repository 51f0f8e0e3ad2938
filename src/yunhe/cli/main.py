"""The `yunhe` command: finds the language, then loads only the module of the command asked for."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence

import click

import yunhe.cli.help  # noqa: F401 (makes help speak both languages)
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.kernel.language import CHOICE, LANGUAGES, Language, from_environment, text

LOCAL = {
    "run": "running",
    "report": "running",
    "clean": "cleaning",
    "trace": "tracing",
    "rejects": "rejecting",
    "kernels": "cleaning",
    "tables": "supervising",
    "keywords": "supervising",
    "corpus-train": "training",
    "simulate": "simulating",
    "verify": "verifying",
    "verifier": "verifying",
    "serve": "serving",
    "up": "up",
    "doctor": "doctor",
    "sites": "sites",
    "accounts": "looking",
    "log": "looking",
    "secrets": "sealing",
    "backup": "backing",
    "restore": "backing",
    "settings": "looking",
    "completion": "completing",
}
"""Commands that work on the home folder of this machine, and the module that holds each."""
REMOTE = {
    "login": "entering",
    "logout": "entering",
    "whoami": "entering",
    "members": "people",
    "invite": "people",
    "keys": "people",
    "organisations": "cities",
    "cities": "cities",
    "upload": "sending",
    "pool": "pooling",
    "chips": "chips",
    "award": "awarding",
    "submit": "submitting",
    "outputs": "submitting",
    "service": "scaling",
    "workloads": "working",
    "operations": "working",
    "cancel": "working",
    "queue": "queueing",
    "weights": "weighing",
    "policy": "weighing",
    "why": "queueing",
    "logs": "queueing",
    "exec": "executing",
    "develop": "executing",
    "balance": "balances",
    "usage": "settling",
    "statement": "settling",
    "agent": "agent",
    "notices": "sending",
    "review": "reviewing",
    "datasheet": "datasheets",
    "sources": "supervising",
}
"""Commands that ask a server over HTTP."""
COMMANDS = {**LOCAL, **REMOTE}
"""Each command and the module that holds it, in the order of the help."""


def language_of(arguments: Sequence[str]) -> Language:
    """``--lang`` among the arguments wins over the locale; help is built in that language."""
    for index, argument in enumerate(arguments):
        value = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and index + 1 < len(arguments):
            value = arguments[index + 1]
        if value in LANGUAGES:
            return "zh" if value == "zh" else "en"
    return from_environment()


_IN_FRONT = frozenset({"--home", "--json", "--lang"})
"""Options that every command has, but only in front of its name."""


class LazyGroup(click.Group):
    """A group whose commands are imported when asked for, so that help stays fast."""

    def __init__(self, language: Language) -> None:
        """``language`` is the one all help is written in."""
        self.language = language
        super().__init__(
            "yunhe",
            help=text("cli.yunhe", language),
            epilog=text("cli.exit_codes", language),
            context_settings={"help_option_names": ["-h", "--help"]},
            params=[
                click.Option(["--home"], type=click.Path(), help=text("cli.home", language)),
                click.Option(
                    ["--lang"], type=click.Choice(LANGUAGES), help=text("cli.lang", language)
                ),
                click.Option(["--json", "as_json"], is_flag=True, help=text("cli.json", language)),
                click.Option(
                    ["--version"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_version,
                    help=text("cli.version", language),
                ),
            ],
            callback=_remember,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (the library's)
        """In the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (the library's)
        cmd_name: str,
    ) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"yunhe.cli.{COMMANDS[cmd_name]}")
        command = module.COMMANDS[cmd_name](self.language)
        return command if isinstance(command, click.Command) else None

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 (the library's)
        formatter: click.HelpFormatter,
    ) -> None:
        """The list of commands from the locale file, without importing any of them."""
        both = ("secrets list", "secrets put", "secrets remove")
        sections = {"cli.commands.local": LOCAL, "cli.commands.remote": [*REMOTE, *both]}
        for heading, names in sections.items():
            with formatter.section(text(heading, self.language)):
                shorts = [f"cli.{name.replace(' ', '.')}.short" for name in names]
                told = [text(short, self.language) for short in shorts]
                formatter.write_dl(list(zip(names, told, strict=True)))


def _remember(home: str | None, lang: str | None, *, as_json: bool) -> None:
    context = click.get_current_context()
    language: Language = (
        context.command.language if isinstance(context.command, LazyGroup) else "en"
    )
    context.obj = {"home": home, "language": language, "as_json": as_json, "lang": lang}


def _show_version(ctx: click.Context, _: click.Parameter, value: object) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 (only this option needs it)

        click.echo(f"yunhe {version('yunhe')}")
        ctx.exit()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a failure is a message and an exit code, or a JSON object, no trace."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What is imported stays; looking through it for garbage again and again takes 4 % of a run,
    # and once more at the end a third of a second.
    gc.set_threshold(50_000, 20, 100)
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Chinese still shows the rest
    language = language_of(given)
    chosen = os.environ.get(CHOICE, "")
    if chosen not in ("", *LANGUAGES):
        known = ", ".join(LANGUAGES)
        said = text(
            "cli.language_unknown", language, name=CHOICE, value=ascii(chosen)[:40], known=known
        )
        click.echo(said, err=True)
    try:
        code = _answer(given, language)
        sys.stdout.flush()
    except BrokenPipeError:
        code = 0  # whoever read our output has had enough
        _drop_output()
    except OSError as error:
        code = Unavailable.exit_code
        _drop_output()
        click.echo(f"{error.strerror}", err=True)
    sys.exit(code)


def _drop_output() -> None:
    """Let the interpreter's own flush at exit go nowhere: it would only fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(given: Sequence[str], language: Language) -> int:
    as_json = "--json" in given
    try:
        # Outside its standalone mode the library returns the code of `Context.exit`.
        return int(LazyGroup(language).main(given, "yunhe", standalone_mode=False) or 0)
    except click.ClickException as wrong:
        if isinstance(wrong, click.NoSuchOption) and wrong.option_name in _IN_FRONT:
            option = wrong.option_name
            wrong = click.UsageError(text("cli.in_front", language, option=option), wrong.ctx)
        if as_json:
            _say_json("usage", "cli.usage_wrong", wrong.format_message())
        else:
            wrong.show()
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        if as_json:
            _say_json("interrupted", "cli.interrupted", text("cli.interrupted", language))
        else:
            click.echo(text("cli.interrupted", language), err=True)
        return 130
    except YunheError as error:
        return _fail(error, language, as_json=as_json)
    except Exception as error:  # the edge: a person must never meet a bare trace
        if isinstance(error, OSError):
            raise
        # Only now, as every start would pay for it: what fails may have secrets in its words.
        from yunhe.kernel.redaction import redacted  # noqa: PLC0415

        if os.environ.get("YUNHE_TRACE"):
            click.echo(redacted("".join(traceback.format_exception(error))), err=True, nl=False)
            return 1
        said = redacted(f"{type(error).__name__}: {error}")[:500]
        return _fail(YunheError("cli.unexpected", said=said), language, as_json=as_json)


def _fail(error: YunheError, language: Language, *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(error.as_json(language), ensure_ascii=False, sort_keys=True))
    else:
        click.echo(error.message(language), err=True)
    return error.exit_code


def _say_json(kind: str, code: str, message: str) -> None:
    click.echo(json.dumps({"kind": kind, "code": code, "message": message}, ensure_ascii=False))
