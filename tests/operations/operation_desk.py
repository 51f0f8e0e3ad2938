"""A platform in a folder, people on it, and workers of every sort, for the tests of operations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from yunhe.app import Platform
from yunhe.identity import service as identity
from yunhe.operations.task import Handler
from yunhe.operations.worker import Worker
from yunhe.storage import events, operations

PATIENCE = 90.0
"""Far more than anything takes: the machine may be busy with other tests."""


def until(condition: Callable[[], object], what: str = "the condition") -> object:
    """Wait for it, but not for ever."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come within {PATIENCE} s")


@dataclass
class Desk:
    """Shortcuts to what a test asks and looks at."""

    platform: Platform
    workers: list[Worker] = field(default_factory=list)

    @property
    def storage(self):
        return self.platform.storage

    def people(self, key: str = "office", kind: str = "operator", *roles: str):
        """An organisation and a member with these roles."""
        at_us = self.storage.clock.now_us()
        with self.storage.database.begin() as tx:
            organisation = identity.add_organisation(tx, key=key, name=key, kind=kind, at_us=at_us)
            member = identity.add_member(
                tx, key=f"{key}-1", organisation=organisation.id, name=f"{key} 一", at_us=at_us
            )
            for role in roles:
                identity.grant_role(tx, member=member.id, role=role, at_us=at_us)
        return organisation.id, member.id

    def ask(self, kind: str, key: str = "k", *, organisation="org", member="mem", **payload):
        with self.storage.database.begin() as tx:
            return operations.create(
                tx,
                kind=kind,
                key=key,
                organisation=organisation,
                member=member,
                payload=payload,
                at_us=self.storage.clock.now_us(),
            )

    def see(self, operation):
        with self.storage.database.read() as tx:
            return operations.find(tx, operation.id)

    def cancel(self, operation):
        with self.storage.database.begin() as tx:
            return operations.ask_cancel(tx, operation.id, at_us=self.storage.clock.now_us())

    def said(self, operation) -> list[str]:
        with self.storage.database.read() as tx:
            return [event.name for event in events.after(tx, operation.id, 0, limit=10_000)]

    def worker(self, handlers: Mapping[str, Handler], **options) -> Worker:
        options.setdefault("duties", ())
        made = Worker(self.platform, handlers=handlers, **options)
        self.workers.append(made)
        return made

    def started(self, handlers: Mapping[str, Handler], **options) -> Worker:
        made = self.worker(handlers, **options)
        made.start()
        return made

    def wait(self, operation, *states: str):
        """Until it is in one of the states, by default an end."""
        wanted = states or tuple(operations.ENDS)
        until(lambda: self.see(operation).state in wanted, f"{operation.kind} {wanted}")
        return self.see(operation)


class Held:
    """A handler that goes on step by step until it is let go, stopped or done."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.free = threading.Event()
        self.calls = 0
        self.left: list[str] = []

    def __call__(self, platform, task, *, progress, halt):
        self.calls += 1
        step = 0
        self.begun.set()
        try:
            while not self.free.wait(0.01):
                step += 1
                progress.step("holding", done=step)
        finally:
            self.left.append(halt())
        return {"calls": self.calls}
