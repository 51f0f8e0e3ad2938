"""What every floor's tables share: one metadata object, names, and types that mean one thing."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, String
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every floor's ``store.py`` declares its tables on this; migrations are checked against it."""

Id = String(64)
"""An id from `yunhe.kernel.ids`."""
Digest = String(71)
"""``sha256:`` and 64 hex digits."""
Code = String(64)
"""A state, kind, role or other word from a closed list."""
Instant = BigInteger
"""Microseconds since 1970-01-01T00:00:00Z."""
Minor = BigInteger
"""An amount in the minor unit of its unit of account."""
Sequence: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")
"""A number the database counts up; SQLite counts only columns declared INTEGER."""
