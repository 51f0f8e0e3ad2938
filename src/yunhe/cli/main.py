"""The `yunhe` command: finds the language, then loads only the module of the command asked for."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence

import click

import yunhe.cli.help  # noqa: F401 (makes help speak both languages)
from yunhe.kernel.errors import YunheError
from yunhe.kernel.language import LANGUAGES, Language, from_environment, text

COMMANDS = {
    "run": "running",
    "report": "running",
    "verify": "verifying",
    "verifier": "verifying",
    "serve": "serving",
    "accounts": "looking",
    "log": "looking",
    "settings": "looking",
    "completion": "completing",
}
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
        with formatter.section(text("cli.commands", self.language)):
            formatter.write_dl(
                [(name, text(f"cli.{name}.short", self.language)) for name in COMMANDS]
            )


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
    """Run the command line; every expected failure is a message and an exit code, never a trace."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    language = language_of(given)
    try:
        # Outside its standalone mode the library returns the code of `Context.exit`.
        sys.exit(LazyGroup(language).main(given, prog_name="yunhe", standalone_mode=False))
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(text("cli.interrupted", language), err=True)
        sys.exit(130)
    except YunheError as error:
        if "--json" in given:
            click.echo(json.dumps(error.as_json(language), ensure_ascii=False, sort_keys=True))
        else:
            click.echo(error.message(language), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has had enough; a second failure at exit would only be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
