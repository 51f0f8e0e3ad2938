#!/bin/sh
# Renew the hash-pinned locks for Linux and macOS. They name no package index.
set -eu
cd "$(dirname "$0")/.."
flags="--universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet"
# shellcheck disable=SC2086
uv pip compile pyproject.toml --group build $flags "$@" -o requirements/run.txt
# shellcheck disable=SC2086
uv pip compile pyproject.toml --group build --group dev -c requirements/run.txt $flags "$@" -o requirements/dev.txt
# shellcheck disable=SC2086
uv pip compile pyproject.toml --extra postgresql --extra s3 --extra otel --extra ray -c requirements/run.txt $flags "$@" -o requirements/extras.txt
