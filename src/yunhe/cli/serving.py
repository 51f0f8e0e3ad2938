"""`yunhe serve`: the gateway of this home."""

from __future__ import annotations

import json

import click

from yunhe.cli.session import Session
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language, text


def serve(language: Language) -> click.Command:
    """Starts the gateway."""

    @click.command("serve", help=text("cli.serve", language))
    @click.option(
        "--host", default="127.0.0.1", show_default=True, help=text("cli.serve.host", language)
    )
    @click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        show_default=True,
        help=text("cli.serve.port", language),
    )
    def command(host: str, port: int) -> None:
        session = Session.here()
        with session.platform() as platform:
            routes = list(platform.routes())
            if not routes:
                raise NotFound("cli.serve.nothing", home=str(platform.settings.home))
            key = platform.day_key()

            def ready(url: str) -> None:
                if session.as_json:
                    click.echo(json.dumps({"url": url, "routes": routes, "key": key}))
                    return
                click.echo(session.say("cli.serve.listening", url=url))
                click.echo(session.say("cli.serve.try"))
                question = json.dumps({"text": "路灯坏了好几天，晚上很危险。"}, ensure_ascii=False)
                for route in routes:
                    click.echo(
                        f"  curl -s {url}/v1/routes/{route}/answers "
                        f"-H 'Authorization: Bearer {key}' -d '{question}'"
                    )

            platform.serve(host=host, port=port, ready=ready)

    return command


COMMANDS = {"serve": serve}
