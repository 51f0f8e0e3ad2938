"""Many rows in one statement, in the way that each database takes fastest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    String,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine


class _Texts(TypeDecorator[Sequence[str | None]]):
    """Texts as PostgreSQL writes an array of them.

    The driver's own way takes five times as long, and no list in which one is of a subclass.
    Source: PostgreSQL 16, 8.15.2, Array Value Input.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str | None] | None, dialect: Dialect) -> str:  # noqa: ARG002
        """The array."""
        given = value or ()
        if None in given:
            return "{" + ",".join(map(_quoted, given)) + "}"
        text = '","'.join(given)  # type: ignore[arg-type] # there is no None
        if "\\" in text or text.count('"') != 2 * (len(given) - 1):
            return "{" + ",".join(map(_quoted, given)) + "}"
        return f'{{"{text}"}}' if given else "{}"


class _Listed(TypeDecorator[Sequence[str]]):
    """Texts as SQLite's `json_each` reads them. Source: SQLite, JSON Functions And Operators."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str:  # noqa: ARG002
        """The list; what `dialect` refuses, where it refuses one of the texts."""
        given = value or ()
        if any("\0" in text for text in given):  # in the list it would be six other letters
            return "\0"
        return json.dumps(given, ensure_ascii=False)


def _quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Numbers(TypeDecorator[Sequence[int | None]]):
    """Whole numbers as PostgreSQL writes an array of them; it says itself which are too large."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[int | None] | None, dialect: Dialect) -> str:  # noqa: ARG002
        """The array."""
        written = ["NULL" if each is None else f"{each:d}" for each in value or ()]
        return "{" + ",".join(written) + "}"


class Among(ColumnElement[bool]):
    """Whether a column is one of the values given as the parameter `name`, a list of texts.

    On PostgreSQL the list travels as one array, the statement is the same for any number, and a
    table that is read whole is compared by hash. On SQLite it is one text, a list in JSON, since a
    statement of a thousand question marks takes longer to read than its rows.
    """

    type = Boolean()
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy reads it of the class
        ("column", InternalTraversal.dp_clauseelement),
        ("name", InternalTraversal.dp_string),
    ]

    def __init__(self, column: ColumnElement[str], name: str) -> None:
        self.column, self.name = column, name

    def self_group(self, against: OperatorType | None = None) -> Among:  # noqa: ARG002
        """Itself: where it stands alone SQLAlchemy would write ``= 1`` after it, past any index."""
        return self


@compiles(Among)
def _as_list(element: Among, compiler: SQLCompiler, **given: object) -> str:
    each = func.json_each(bindparam(element.name, type_=_Listed())).table_valued("value")
    return str(compiler.process(element.column.in_(select(each.c.value)), **given))


@compiles(Among, "postgresql")
def _as_array(element: Among, compiler: SQLCompiler, **given: object) -> str:
    named = select(func.unnest(_array(element.name, Text())))
    return str(compiler.process(element.column.in_(named), **given))


def _array(name: str, of: TypeEngine[Any]) -> ColumnElement[Any]:
    """The parameter `name`, a list, as an array of that type."""
    as_array = postgresql.ARRAY(of)
    if isinstance(of, String):
        return cast(bindparam(name, type_=_Texts()), as_array)
    if isinstance(of, Integer):
        return cast(bindparam(name, type_=_Numbers()), as_array)
    return bindparam(name, type_=as_array)


_FEW = 8  # rows for which a statement of their own is not worth it
_KEPT = 64  # statements of each kind
_SQLITE = sqlite.dialect()


def insert_new(tx: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows whose unique keys are new, leave the others; returns how many went in.

    *Shapes*: every row has the same columns.
    """
    if not rows:
        return 0
    # Without the option the count of an insert is lost on PostgreSQL.
    kept = {"preserve_rowcount": True}
    if _by_columns(tx, rows):
        columns = _insertion_of_new(table, tuple(rows[0]))
        given = _columns(rows, tuple(rows[0]))
        return tx.execute(columns, given, execution_options=kept).rowcount
    if _by_rows(tx, rows):
        return _sent(tx, _row_by_row(table, tuple(rows[0]), "new"), rows)
    if tx.dialect.name == "sqlite":
        statement: sqlite.Insert | postgresql.Insert = sqlite.insert(table)
    else:
        statement = postgresql.insert(table)
    values = [dict(row) for row in rows]
    inserted = tx.execute(statement.on_conflict_do_nothing(), values, execution_options=kept)
    return inserted.rowcount


def insert_many(tx: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert the rows, all of the same columns, in one statement.

    On PostgreSQL a column travels as one array, which takes a fifth of the time of row after row.
    """
    if not rows:
        return
    names = tuple(rows[0])
    if _by_columns(tx, rows):
        tx.execute(_insertion(table, names), _columns(rows, names))
    elif _by_rows(tx, rows):
        _sent(tx, _row_by_row(table, names, "insert"), rows)
    else:
        tx.execute(table.insert(), [dict(row) for row in rows])


def update_many(
    tx: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    key: str,
    where: ColumnElement[bool] | None = None,
) -> None:
    """Set columns of the rows with these keys, each to its own values, in one statement.

    *Shapes*: every row has the column `key` and the same others, which are set. ``where``: leave
    other rows of the table alone; so are those of which the key is not there. *Errors*:
    `ValueError` for a key that comes twice: the databases differ in which values would stay.
    """
    if not rows:
        return
    names = _named(table, rows, key)
    if _by_columns(tx, rows):
        tx.execute(_change(table, names, key, where), _columns(rows, names))
    elif _by_rows(tx, rows):
        _sent(tx, _row_by_row(table, names, "update", key, where), rows)
    else:
        query = _one_change(table, names, key, where)
        tx.execute(query, [{f"to_{n}": row[n] for n in names} for row in rows])


def add_many(
    tx: Connection, table: Table, rows: Sequence[Mapping[str, object]], *, key: str
) -> None:
    """As `update_many`, but each value is added to what its column holds."""
    if not rows:
        return
    names = _named(table, rows, key)
    if _by_columns(tx, rows):
        tx.execute(_addition(table, names, key), _columns(rows, names))
    elif _by_rows(tx, rows):
        _sent(tx, _row_by_row(table, names, "add", key), rows)
    else:
        query = _one_addition(table, names, key)
        tx.execute(query, [{f"to_{n}": row[n] for n in names} for row in rows])


def _named(table: Table, rows: Sequence[Mapping[str, object]], key: str) -> tuple[str, ...]:
    if len({row[key] for row in rows}) != len(rows):
        raise ValueError(f"{table.name}: a {key} comes twice")
    return tuple(rows[0])


def _by_columns(tx: Connection, rows: Sequence[Mapping[str, object]]) -> bool:
    return tx.dialect.name == "postgresql" and len(rows) > _FEW


def _by_rows(tx: Connection, rows: Sequence[Mapping[str, object]]) -> bool:
    return tx.dialect.name == "sqlite" and len(rows) > _FEW


def _sent(tx: Connection, statement: _RowByRow, rows: Sequence[Mapping[str, object]]) -> int:
    """Hand the rows to the driver as they are; how many rows of the table it changed.

    SQLAlchemy's way through its own bound parameters takes as long again as SQLite itself.
    """
    names, fixed = statement.names, statement.fixed
    if fixed:
        given = [tuple([fixed[n] if n in fixed else row[n] for n in names]) for row in rows]
    elif len(names) > 1:
        given = list(map(itemgetter(*names), rows))
    else:
        given = [(row[names[0]],) for row in rows]
    return tx.exec_driver_sql(statement.text, given).rowcount


def _columns(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> dict[str, object]:
    return {f"all_{name}": [row[name] for row in rows] for name in names}


def _given(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """What `_columns` gives, as rows."""
    arrays = [_array(f"all_{name}", _plain(table.c[name].type)) for name in names]
    typed = [Column(name, _plain(table.c[name].type)) for name in names]
    return func.unnest(*arrays).table_valued(*typed, name="given").render_derived()


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(type_, String) else type_


# Kept: putting a statement together takes longer than the database needs for it.


@lru_cache(maxsize=_KEPT)
def _insertion(table: Table, names: tuple[str, ...]) -> postgresql.Insert:
    given = select(*_given(table, names).c)
    return postgresql.insert(table).from_select(list(names), given, include_defaults=False)


@lru_cache(maxsize=_KEPT)
def _insertion_of_new(table: Table, names: tuple[str, ...]) -> postgresql.Insert:
    return _insertion(table, names).on_conflict_do_nothing()


@lru_cache(maxsize=_KEPT)
def _change(
    table: Table, names: tuple[str, ...], key: str, where: ColumnElement[bool] | None
) -> Update:
    given = _given(table, names)
    query = table.update().where(table.c[key] == given.c[key])
    query = query if where is None else query.where(where)
    return query.values({name: given.c[name] for name in names if name != key})


@lru_cache(maxsize=_KEPT)
def _addition(table: Table, names: tuple[str, ...], key: str) -> Update:
    given = _given(table, names)
    query = table.update().where(table.c[key] == given.c[key])
    return query.values({n: table.c[n] + given.c[n] for n in names if n != key})


def _one_change(
    table: Table, names: tuple[str, ...], key: str, where: ColumnElement[bool] | None
) -> Update:
    to = {name: bindparam(f"to_{name}", type_=table.c[name].type) for name in names if name != key}
    query = table.update().where(table.c[key] == bindparam(f"to_{key}"))
    query = query if where is None else query.where(where)
    return query.values(to)


def _one_addition(table: Table, names: tuple[str, ...], key: str) -> Update:
    added = {
        name: table.c[name] + bindparam(f"to_{name}", type_=table.c[name].type)
        for name in names
        if name != key
    }
    return table.update().where(table.c[key] == bindparam(f"to_{key}")).values(added)


@dataclass(frozen=True, slots=True)
class _RowByRow:
    """A statement as SQLite's driver takes it."""

    text: str
    """With a question mark for each value."""
    names: tuple[str, ...]
    """What each of them stands for: a column of the rows, or one of `fixed`."""
    fixed: Mapping[str, object]
    """What the condition compares with."""


@lru_cache(maxsize=_KEPT)
def _row_by_row(
    table: Table,
    names: tuple[str, ...],
    what: Literal["insert", "new", "update", "add"],
    key: str = "",
    where: ColumnElement[bool] | None = None,
) -> _RowByRow:
    if what == "update":
        compiled = _one_change(table, names, key, where).compile(dialect=_SQLITE)
    elif what == "add":
        compiled = _one_addition(table, names, key).compile(dialect=_SQLITE)
    else:
        new = sqlite.insert(table).on_conflict_do_nothing() if what == "new" else table.insert()
        compiled = new.compile(dialect=_SQLITE, column_keys=list(names))
    places = compiled.positiontup or ()
    given = {f"to_{name}": name for name in names} if key else {name: name for name in names}
    fixed = {name: compiled.params[name] for name in places if name not in given}
    return _RowByRow(str(compiled), tuple(given.get(name, name) for name in places), fixed)
