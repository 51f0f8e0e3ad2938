"""`yunhe completion`: the line that teaches a shell to complete our commands."""

from __future__ import annotations

import click

from yunhe.kernel.language import Language, text

SHELLS = ("bash", "zsh", "fish")


def completion(language: Language) -> click.Command:
    """Prints the completion script of a shell."""

    @click.command("completion", help=text("cli.completion", language))
    @click.argument("shell", type=click.Choice(SHELLS))
    @click.pass_context
    def command(ctx: click.Context, shell: str) -> None:
        from click.shell_completion import get_completion_class  # noqa: PLC0415

        kind = get_completion_class(shell)
        if kind is not None:
            click.echo(kind(ctx.find_root().command, {}, "yunhe", "_YUNHE_COMPLETE").source())

    return command


COMMANDS = {"completion": completion}
