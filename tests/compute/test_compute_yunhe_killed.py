"""Two real platforms, killed while one runs the other's work: it ends once and is paid once."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import town as towns
from cable import Cable
from server_desk import eventually
from town import Town

from yunhe.cli.main import main
from yunhe.client.client import Client
from yunhe.compute import service as compute
from yunhe.compute.forwarding import service as forwarding
from yunhe.compute.remote import service as remote
from yunhe.kernel.errors import Conflict, NotFound
from yunhe.ledger import service as ledger

pytestmark = pytest.mark.slow


class Pair:
    """A nation that hands work to a city over a cable, and what befalls them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack = stack
        self.nation, self.city = Town(folder, "nation", stack), Town(folder, "city", stack)
        self.city.pool()
        self.city.serve()
        self.nation.serve()
        self.nation.uses(self.city, "harbour")
        self.cable = stack.enter_context(Cable(self.city.url))
        sites = self.nation.sites
        sites.write_text(sites.read_text().replace(self.city.url, self.cable.url))
        self.nation.pool(adapter="harbour")
        self.nation.fund()
        self.key = (folder / "nation-harbour.key").read_text()
        self.nation.work()

    def until_there(self, job: str, *states: str) -> None:
        """Wait until the city's own rows, which nobody need serve, say that it is in a state."""
        whose = self.city.organisations["nation"]
        with self.city.opened() as platform:

            def found() -> bool:
                with platform.storage.database.read() as tx:
                    there = forwarding.look(tx, organisation=whose, jobs=[f"{job}-1"])
                return any(one.state in states for one in there)

            eventually(found, seconds=90)

    def until(self, workload: str, *states: str):
        """The nation's workload once its rows, which cost nobody an answer, say so."""
        with self.nation.opened() as platform:

            def found() -> bool:
                with platform.storage.database.read() as tx:
                    one = compute.workload(tx, workload)
                return one.state in (states or towns.ENDS)

            eventually(found, seconds=90)
        return self.nation.see(workload)

    def kill(self, town: Town, *which: str) -> None:
        for name in which:
            getattr(town, name).end(signal.SIGKILL)

    def serve_city(self) -> None:
        self.city.serve()
        self.cable.lead_to(self.city.url)

    def until_missed(self) -> None:
        """Wait until the nation has noticed that it can't reach the city."""
        with self.nation.opened() as platform:

            def failed() -> bool:
                with platform.storage.database.read() as tx:
                    seen = remote.site(tx, "harbour")
                return seen is not None and seen.failures > 0

            eventually(failed, seconds=60)

    def joined(self, done) -> int:
        """Hold both records of a job against each other; what the city charged."""
        body = self.nation.user.custody.record(done.reference).body
        assert body["device_ms"] == done.usage.device_ms <= body["remote_device_ms"]
        return body["remote_cost_minor"]

    def receipt(self, reference: str) -> bytes | None:
        """Ours of a record; None until the log is signed."""
        try:
            return self.nation.user.custody.receipt(reference)
        except Conflict:
            return None

    def verify(self, done) -> None:
        """As anybody does who has both receipts and both trust files."""
        nation, folder = self.nation, self.nation.folder
        body = nation.user.custody.record(done.reference).body
        ours, theirs = folder / "ours.json", folder / "theirs.json"
        ours.write_bytes(eventually(lambda: self.receipt(done.reference), seconds=60))
        with nation.opened() as platform:
            theirs.write_bytes(platform.storage.blobs.read(body["remote_receipt"]))
        line = ["verify", str(ours)]
        for option, town in (("--trust", nation), ("--remote-trust", self.city)):
            file = folder / f"{town.name}.trust"
            with town.opened() as platform:
                file.write_text(platform.trust_path.read_text())
            line += [option, str(file)]
        with pytest.raises(SystemExit) as ended:
            main([*line, "--remote", str(theirs)])
        assert ended.value.code in (0, None)


def earned(town: Town) -> int:
    """What the provider of a town was paid, after its ledger was replayed."""
    with town.opened() as platform, platform.storage.database.read() as tx:
        assert ledger.replay(tx).ok
        assert not ledger.holds_open(tx)
        lines = ledger.balances(tx, owner=town.organisations["provider"])
    return sum(line.available for line in lines if line.unit == "CNY")


@pytest.fixture
def pair(tmp_path, monkeypatch):
    monkeypatch.setattr(towns, "PROGRAM", (str(Path(__file__).with_name("hasty_process.py")),))
    with ExitStack() as stack:
        yield Pair(tmp_path, stack)


def test_killed_on_either_side_at_any_point_a_job_ends_once_and_is_paid_once(pair) -> None:
    nation, city = pair.nation, pair.city
    data = nation.folder / "data"
    data.write_bytes(b"goods" * 1_000)
    digest = nation.user.uploads.send(data).digest

    # Taken over there and not begun: both are killed. The network is cut, and the city does the
    # work meanwhile; nobody serves there, so that nobody hears of it before it is over.
    first = nation.submit("first", inputs={"data": digest})
    pair.until_there(first.id, "placed", "waiting")
    pair.kill(nation, "worker")
    pair.kill(city, "api")
    pair.cable.cut()
    nation.work()
    city.work()
    pair.until_there(first.id, "settled")
    pair.until_missed()
    pair.serve_city()
    pair.cable.join()
    done = pair.until(first.id)
    assert (done.state, done.outputs["data.copy"]) == ("settled", digest), done.why
    costs = [pair.joined(done)]
    pair.verify(done)

    # It runs there, and the workers of both sides are killed.
    second = nation.submit("second", action="endure", wall_seconds_max=600)
    pair.until_there(second.id, "running")
    pair.until(second.id, "running")
    pair.kill(nation, "worker")
    pair.kill(city, "worker")
    city.work()
    nation.work()
    nation.user.compute.cancel(second.id)
    ended = pair.until(second.id)
    assert ended.state == "cancelled", ended.why
    if ended.usage is not None:
        costs.append(pair.joined(ended))

    # Nothing was paid twice, and nothing that was sent over stays in anybody's quota.
    assert earned(city) == sum(costs)
    assert earned(nation) == done.usage.cost_minor + (ended.usage.cost_minor if ended.usage else 0)

    with Client(city.url, pair.key) as client:

        def released() -> bool:
            try:
                client.uploads.get(digest)
            except NotFound:
                return True
            return False

        assert eventually(released, seconds=60)
