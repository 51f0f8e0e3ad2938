"""Alembic's entry: runs migrations on the connection that `yunhe.storage.upgrade` hands in."""

from __future__ import annotations

from alembic import context

from yunhe.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # One transaction for all migrations: one that is interrupted leaves the old schema whole.
    transaction_per_migration=False,
)
context.run_migrations()
