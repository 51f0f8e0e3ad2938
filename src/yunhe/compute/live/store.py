"""Output as it comes, commands and their input, in rows that any process may read from an offset.

Rows rather than files: server, worker and a second worker need not share a disk, what is read is
what was committed, and a claim that was lost can't write beside the one that replaced it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import RowMapping, delete, func, select, tuple_, update

from yunhe.compute.live.domain import CHUNK_BYTES, KEPT_BYTES, READ_BYTES, Asked, Exec, Piece
from yunhe.compute.live.tables import chunk_table, exec_table, input_table, place_table
from yunhe.compute.tables import workload_table
from yunhe.kernel.canonical import Json, canonical_bytes, sha256
from yunhe.storage import dialect, events
from yunhe.storage.database import Transaction

OPEN = ("asked", "running")
"""States of commands that are not over."""
_TOGETHER = 200
_chunk = chunk_table.c
_exec = exec_table.c


def end_of(tx: Transaction, subject: str) -> int:
    """How many bytes it has said so far, those left out among them."""
    row = tx.execute(
        select(_chunk.start, _chunk.size)
        .where(_chunk.subject == subject)
        .order_by(_chunk.start.desc())
        .limit(1)
    ).one_or_none()
    return 0 if row is None else int(row.start + row.size)


def append(
    tx: Transaction, subject: str, pieces: Iterable[Piece], *, start: int, at_us: int
) -> int:
    """Keep what was said from ``start`` on and let go of what is too old; returns the new end.

    What is there already stays as it is, so the same may be appended twice.
    """
    rows: list[dict[str, object]] = []
    for piece in pieces:
        for part in _parts(piece):
            rows.append(
                {
                    "subject": subject,
                    "start": start,
                    "size": part.size,
                    "stream": part.stream,
                    "data": part.data,
                    "at_us": at_us,
                }
            )
            start += part.size
    dialect.insert_new(tx, chunk_table, rows)
    tx.execute(
        delete(chunk_table).where(
            _chunk.subject == subject, _chunk.start + _chunk.size <= start - KEPT_BYTES
        )
    )
    return start


def _parts(piece: Piece) -> Iterable[Piece]:
    if piece.left_out:
        return [piece]
    return [
        Piece(piece.stream, piece.data[at : at + CHUNK_BYTES])
        for at in range(0, len(piece.data), CHUNK_BYTES)
    ]


def read(tx: Transaction, subject: str, offset: int, *, limit: int = READ_BYTES) -> list[Piece]:
    """What was said from ``offset`` on, at most about ``limit`` bytes; gaps say how long they are.

    An offset beyond the end gives nothing.
    """
    found: list[Piece] = []
    given = 0
    rows = tx.execute(
        select(chunk_table)
        .where(_chunk.subject == subject, _chunk.start + _chunk.size > offset)
        .order_by(_chunk.start)
        .limit(max(limit // CHUNK_BYTES, 1) * 8)
    )
    for row in rows:
        if row.start > offset:
            found.append(Piece(row.stream, b"", left_out=row.start - offset))
            offset = row.start
        skipped = offset - row.start
        if len(row.data) < row.size:
            piece = Piece(row.stream, b"", left_out=row.size - skipped)
        else:
            piece = Piece(row.stream, bytes(row.data[skipped:]))
        found.append(piece)
        offset += piece.size
        given += len(piece.data)
        if given >= limit:
            break
    return found


def place(tx: Transaction, job: str, stream: str) -> int:
    """How far a distant job's stream was published."""
    query = select(place_table.c.offset).where(
        place_table.c.job == job, place_table.c.stream == stream
    )
    return int(tx.execute(query).scalar_one_or_none() or 0)


def set_place(tx: Transaction, job: str, stream: str, offset: int) -> None:
    """It was published so far."""
    row = {"job": job, "stream": stream, "offset": offset}
    if not dialect.insert_new(tx, place_table, [row]):
        tx.execute(
            update(place_table)
            .where(place_table.c.job == job, place_table.c.stream == stream)
            .values(offset=offset)
        )


def add_exec(tx: Transaction, exec_id: str, asked: Asked, *, at_us: int) -> None:
    """Keep a command that was asked for, unless it is there."""
    words: list[Json] = list(asked.command)
    said = canonical_bytes(words)
    row = {
        "id": exec_id,
        "workload": asked.workload,
        "organisation": asked.organisation,
        "member": asked.member,
        "command": said.decode(),
        "command_digest": sha256(said),
        "tty": int(asked.tty),
        "rows": asked.rows,
        "columns": asked.columns,
        "closes": int(asked.closes),
        "state": "asked",
        "end_asked": 0,
        "input_done": 0,
        "taken": 0,
        "at_us": at_us,
        "seen_us": at_us,
    }
    dialect.insert_new(tx, exec_table, [row])


def exec_row(tx: Transaction, exec_id: str) -> RowMapping | None:
    """One command."""
    query = select(exec_table).where(_exec.id == exec_id)
    return tx.execute(query).mappings().one_or_none()


def open_rows(tx: Transaction, workload: str) -> Sequence[RowMapping]:
    """The commands of a workload that are not over, in the order in which they were asked for."""
    query = (
        select(exec_table)
        .where(_exec.workload == workload, _exec.state.in_(OPEN))
        .order_by(_exec.at_us, _exec.id)
    )
    return tx.execute(query).mappings().all()


def execs(tx: Transaction, workload: str, *, after: str, limit: int) -> list[Exec]:
    """A page of a workload's commands, by id."""
    query = (
        select(exec_table)
        .where(_exec.workload == workload, _exec.id > after)
        .order_by(_exec.id)
        .limit(limit)
    )
    return with_figures(tx, [exec_of(row) for row in tx.execute(query).mappings()])


def with_figures(tx: Transaction, found: Sequence[Exec]) -> list[Exec]:
    """The commands with how much they said and were given; two questions for all of them."""
    names = [each.id for each in found]
    end = func.max(_chunk.start + _chunk.size)
    said_of = select(_chunk.subject, end).where(_chunk.subject.in_(names)).group_by(_chunk.subject)
    given_of = (
        select(input_table.c.exec, func.max(input_table.c.seq))
        .where(input_table.c.exec.in_(names))
        .group_by(input_table.c.exec)
    )
    said = {row[0]: int(row[1]) for row in tx.execute(said_of)}
    given = {row[0]: int(row[1]) for row in tx.execute(given_of)}
    return [
        replace(
            each,
            said_bytes=said.get(each.id, 0),
            input_last=given.get(each.id, 0) or each.input_done,
        )
        for each in found
    ]


def count_open(tx: Transaction, workload: str) -> int:
    """How many commands of a workload are not over."""
    query = select(func.count()).where(_exec.workload == workload, _exec.state.in_(OPEN))
    return int(tx.execute(query).scalar_one())


def exec_of(row: RowMapping) -> Exec:
    """The command of a row."""
    return Exec(
        id=row["id"],
        workload=row["workload"],
        organisation=row["organisation"],
        member=row["member"],
        command_digest=row["command_digest"],
        tty=bool(row["tty"]),
        closes=bool(row["closes"]),
        state=row["state"],
        why=row["why"],
        status=row["status"],
        at_us=row["at_us"],
        ended_at_us=row["ended_at_us"],
        input_done=row["input_done"],
    )


def change_exec(tx: Transaction, exec_id: str, **values: object) -> None:
    """Write some columns of a command."""
    tx.execute(update(exec_table).where(_exec.id == exec_id).values(**values))


def over(tx: Transaction, exec_id: str, *, why: str | None, status: int | None, at_us: int) -> bool:
    """A command has ended, or was refused; its input is let go of. False when it was over."""
    ended = tx.execute(
        update(exec_table)
        .where(_exec.id == exec_id, _exec.state.in_(OPEN))
        .values(
            state="ended" if why is None or status is not None else "refused",
            why=why,
            status=status,
            command="",
            ended_at_us=at_us,
        )
    ).rowcount
    tx.execute(delete(input_table).where(input_table.c.exec == exec_id))
    return bool(ended)


def note(tx: Transaction, exec_id: str, *, at_us: int) -> None:
    """Write down, for good, how a command stands now: who, where, the digest of its words."""
    row = exec_row(tx, exec_id)
    if row is None:
        return
    said: dict[str, Json] = {
        "exec": exec_id,
        "member": row["member"],
        "command_digest": row["command_digest"],
        "status": row["status"],
        "why": row["why"],
    }
    events.append(tx, stream=row["workload"], name=f"exec.{row['state']}", body=said, at_us=at_us)


def add_input(tx: Transaction, exec_id: str, seq: int, content: dict[str, Json]) -> None:
    """Keep a piece of input, once."""
    row = {"exec": exec_id, "seq": seq, "content": canonical_bytes(content).decode()}
    dialect.insert_new(tx, input_table, [row])


def inputs(tx: Transaction, exec_id: str, *, after: int) -> list[dict[str, Json]]:
    """Pieces of input behind a number, in order, without a gap."""
    query = (
        select(input_table)
        .where(input_table.c.exec == exec_id, input_table.c.seq > after)
        .order_by(input_table.c.seq)
    )
    found = []
    for row in tx.execute(query):
        if row.seq != after + 1:
            break  # the piece before it is still on its way
        after = row.seq
        found.append({**json.loads(row.content), "seq": row.seq})
    return found


def input_taken(tx: Transaction, exec_id: str, seq: int) -> None:
    """The command has every piece up to that number."""
    tx.execute(
        update(exec_table).where(_exec.id == exec_id, _exec.input_done < seq).values(input_done=seq)
    )
    tx.execute(delete(input_table).where(input_table.c.exec == exec_id, input_table.c.seq <= seq))


def forget(tx: Transaction, *, before_us: int, limit: int) -> int:
    """Remove output that is older, the oldest first, and how many pieces went."""
    old = (
        select(_chunk.subject, _chunk.start)
        .where(_chunk.at_us < before_us)
        .order_by(_chunk.at_us)
        .limit(limit)
    )
    rows = tx.execute(old).all()
    gone = 0
    for at in range(0, len(rows), _TOGETHER):
        keys = [(row.subject, row.start) for row in rows[at : at + _TOGETHER]]
        gone += tx.execute(
            delete(chunk_table).where(tuple_(_chunk.subject, _chunk.start).in_(keys))
        ).rowcount
    return gone


def forget_execs(tx: Transaction, *, before_us: int, limit: int) -> int:
    """Remove commands that were over before then; what the events say of them stays."""
    old = select(_exec.id).where(_exec.ended_at_us < before_us).order_by(_exec.ended_at_us)
    names = list(tx.execute(old.limit(limit)).scalars())
    for at in range(0, len(names), _TOGETHER):
        part = names[at : at + _TOGETHER]
        tx.execute(delete(chunk_table).where(_chunk.subject.in_(part)))
        tx.execute(delete(exec_table).where(_exec.id.in_(part)))
    return len(names)


def forget_place(tx: Transaction, job: str) -> None:
    """A distant job has ended, and all it said is published."""
    tx.execute(delete(place_table).where(place_table.c.job == job))


def close_ended(tx: Transaction, ends: Sequence[str], *, at_us: int, limit: int) -> list[str]:
    """Commands that are open though their workload has ended: its worker died. They end here."""
    query = (
        select(_exec.id)
        .join(workload_table, workload_table.c.id == _exec.workload)
        .where(_exec.state.in_(OPEN), workload_table.c.state.in_(ends))
        .order_by(_exec.id)
        .limit(limit)
    )
    found = list(tx.execute(query).scalars())
    for exec_id in found:
        over(tx, exec_id, why="compute.exec_ended_with_work", status=None, at_us=at_us)
        note(tx, exec_id, at_us=at_us)
    return found
