"""Every setting, declared once: key, default, unit and meaning; validated at the start."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.redaction import redacted

NOT_SETTINGS = frozenset(
    {"YUNHE_TRACE", "YUNHE_SECRETS_KEY", "YUNHE_SERVER", "YUNHE_KEY", "YUNHE_LANG"}
)
"""Variables of the same prefix that are no settings: YUNHE_TRACE shows the trace of a fault of
ours, YUNHE_SECRETS_KEY is itself a secret, the others tell the command line which server, and in
which language it speaks."""
_ADDRESSES = (
    *("checkpoints", "s3_endpoint", "public_url", "oidc_issuer", "smtp_url", "otlp_endpoint"),
)
PREFIX = "YUNHE_"
"""Environment variables are the setting's name in capitals after this."""


class Settings(BaseModel):
    """What an operator chooses; read from the environment, overridden by command-line options.

    What each setting means stands in the locale files under ``settings.<name>``, in both languages,
    so that `yunhe settings` and docs/settings.md say the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Path(".yunhe")
    database_url: str = Field(default="", repr=False)
    origin: str = Field(default="yunhe.local/log", pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,99}$")
    city: str = Field(default="local", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    checkpoints: str = ""
    threads: int = Field(default=0, ge=0, le=256)
    isolation: str = Field(default="auto", pattern=r"^(auto|bubblewrap|approved)$")

    database_connections: int = Field(default=10, ge=2, le=200)
    blobs: str = Field(
        default="", pattern=r"^$|^s3://[a-z0-9][a-z0-9.-]{2,62}(/[A-Za-z0-9._/-]*)?$"
    )
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"

    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65535)
    public_url: str = Field(default="", pattern=r"^$|^https?://[^/?#\s]+$")
    trusted_proxies: str = ""
    body_bytes_max: int = Field(default=1 << 20, ge=1 << 10)
    upload_bytes_max: int = Field(default=2 << 30, ge=1 << 10)
    upload_bytes_quota: int = Field(default=50 << 30, ge=1 << 10)
    request_seconds_max: int = Field(default=30, ge=1, le=600)
    rate_per_second: int = Field(default=50, ge=1)
    rate_burst: int = Field(default=200, ge=1)
    quota_per_day: int = Field(default=500_000, ge=1)
    waiting_max: int = Field(default=20_000, ge=1, le=1_000_000)
    session_hours: int = Field(default=12, ge=1, le=168)

    oidc_issuer: str = Field(default="", pattern=r"^$|^https?://\S+$")
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = None

    smtp_url: str = Field(default="", pattern=r"^$|^smtps?://[^/\s]+$")
    smtp_password_file: Path | None = None
    mail_from: str = ""

    outbound_allow: str = ""
    secrets_key_file: Path | None = None
    sites_file: Path | None = None
    local_commands: str = Field(default="allow", pattern=r"^(allow|approved)$")
    programmes_folder: Path | None = None
    chips_file: Path | None = None
    chip_classes_file: Path | None = None
    plan_minutes: int = Field(default=5, ge=0, le=1_440)

    idle_minutes: int = Field(default=0, ge=0, le=10_080)
    idle_cpu_percent: int = Field(default=5, ge=1, le=100)
    worker_slots: int = Field(default=1, ge=1, le=64)
    log_format: str = Field(default="text", pattern=r"^(text|json)$")
    log_level: str = Field(default="info", pattern=r"^(debug|info|warning|error)$")
    otlp_endpoint: str = Field(default="", pattern=r"^$|^https?://\S+$")

    retention_days_answers: int = Field(default=0, ge=0)
    retention_days_events: int = Field(default=30, ge=1)
    retention_days_notices: int = Field(default=180, ge=1)

    def address(self) -> str:
        """Where people and programs reach the server, without a slash at the end."""
        if self.public_url:
            return self.public_url
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}"

    def database_path(self) -> Path:
        """The SQLite file used when no address is set."""
        return self.home / "yunhe.db"


def from_environment(environment: Mapping[str, str] = os.environ, **given: object) -> Settings:
    """The settings; ``given`` (not None) wins over the environment.

    Errors: `Invalid` ``settings.invalid`` with one finding for every unknown or wrong variable.
    """
    values: dict[str, object] = {}
    findings = []
    for name, value in environment.items():
        key = name.removeprefix(PREFIX).lower()
        if key in Settings.model_fields and name.startswith(PREFIX):
            values[key] = value
        elif name.startswith(PREFIX) and name not in NOT_SETTINGS:
            findings.append(Finding(name, "settings.unknown"))
    values.update({key: value for key, value in given.items() if value is not None})
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        findings += [_finding(item) for item in error.errors(include_url=False)]
    else:
        findings += _passwords_inside(settings)
    if findings:
        raise Invalid("settings.invalid", count=len(findings), findings=findings)
    return settings


_CODES = {
    "int_parsing": "settings.not_integer",
    "int_type": "settings.not_integer",
    "int_from_float": "settings.not_integer",
    "int_parsing_size": "settings.not_integer",
    "greater_than_equal": "settings.too_small",
    "less_than_equal": "settings.too_great",
    "string_pattern_mismatch": "settings.form",
    "path_type": "settings.not_path",
}
EXAMPLES: Mapping[str, str] = {
    "origin": "example.org/log",
    "city": "CN-11",
    "isolation": "auto | bubblewrap | approved",
    "local_commands": "allow | approved",
    "blobs": "s3://bucket/prefix",
    "public_url": "https://yunhe.example.org",
    "oidc_issuer": "https://login.example.org",
    "smtp_url": "smtp://user@mail.example.org:587",
    "log_format": "text | json",
    "log_level": "debug | info | warning | error",
    "otlp_endpoint": "http://127.0.0.1:4318",
}
"""For every setting of a certain form, what one looks like, or the words there are."""


def _finding(item: ErrorDetails) -> Finding:
    """A fault in our words; never with the value, which may be a secret put in the wrong place."""
    name, limits = str(item["loc"][0]), item.get("ctx", {})
    code = _CODES.get(item["type"], "settings.bad")
    params = {
        "settings.too_small": (("least", limits.get("ge", "")),),
        "settings.too_great": (("most", limits.get("le", "")),),
        "settings.form": (("example", EXAMPLES.get(name, "")),),
    }
    return Finding(PREFIX + name.upper(), code, params.get(code, ()))


def shown(settings: Settings) -> dict[str, str]:
    """Every setting as it may be shown to whoever asks: no password inside an address."""
    return {name: redacted(str(getattr(settings, name))) for name in Settings.model_fields}


def _passwords_inside(settings: Settings) -> Iterator[Finding]:
    """Addresses are shown, logged and handed to other programs, so they must not hold one."""
    for name in _ADDRESSES:
        address = str(getattr(settings, name))
        try:
            password = urlsplit(address).password
        except ValueError:  # what is no address is found out where it is used
            continue
        if password is not None:
            code = "settings.password_in_smtp" if name == "smtp_url" else "settings.password_inside"
            yield Finding(PREFIX + name.upper(), code)
