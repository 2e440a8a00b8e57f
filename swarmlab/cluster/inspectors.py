"""Inspectors of a simulated cluster: disks, links, who trusts which root, who can read a secret.

None of them prints a secret, a key or a token.
"""

from __future__ import annotations

import json
import pickle
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swarmlab.cluster.calls import checked
from swarmlab.cluster.copies import copy_of
from swarmlab.cluster.interface import AnyCluster, NodeName
from swarmlab.cluster.simulated_state import is_simulated
from swarmlab.errors import LabError, PermissionDenied
from swarmlab.manager.ca.certificates import verify
from swarmlab.manager.ca.data_keys import KEY_BYTES, KEY_FILE, NONCE_BYTES, KeyFile, Seal, WrongKey
from swarmlab.manager.ca.join_tokens import digest_of
from swarmlab.manager.store import StoreCodec
from swarmlab.model import Secret
from swarmlab.raft import DamagedFile, Storage
from swarmlab.simulation import EPOCH_NS, MS, InFlight, Machine, S, Simulation
from swarmlab.strings import N_, _, number, seconds
from swarmlab.units import Duration, nanoseconds
from swarmlab.views.html import Callout, ShownAs, Table, only_simulated

if TYPE_CHECKING:
    from swarmlab.cluster.simulated_state import Simulated

HEX_BYTES = 16
PACKETS_MAX, PACKET_HEX_BYTES = 12, 10  # shown
WAL = "swarm/raft/wal"
LOCKED_NOTE = N_("Autolock is on: the data key is sealed with the unlock key, which is on no disk.")
OPEN_NOTE = N_(
    "Autolock is off: the key that sealed the log lies beside it in clear, so the seal doesn't "
    "protect it from anyone who has this disk."
)

ROTATION_NOTE = N_(
    "The leader makes a new key every 12 hours, and when it becomes the leader; the oldest of the "
    "three goes. Nodes encrypt with the middle one: all can read it, also those that have not got "
    "the newest yet. The numbers left out are those of the keys of encrypted overlay networks."
)


def _sealing(name: str, data: bytes) -> str:
    if name.startswith("swarm/raft/"):
        return _("with the data key")
    if name == KEY_FILE:
        return _("with the unlock key") if json.loads(data)["sealed"] else _("no")
    return _("no")


def readable(machine: Machine) -> list[str]:
    """The secrets that can be read by someone who has this machine's disk and nothing else.

    A removed secret is among them until its log entries are compacted.
    """
    disk, offline = copy_of(machine.disk), Simulation()  # the thief's own computer
    keys = KeyFile(disk, offline)
    if WAL not in disk or keys.locked:
        return []
    try:
        stored: Any = Storage(disk, StoreCodec(), Seal(keys.read()[1], offline)).load()
    except (DamagedFile, WrongKey):
        return []
    objects = [*(stored.snapshot.data if stored.snapshot else ())]
    for entry in stored.entries:
        if isinstance(entry.data, list | tuple):
            objects += [change.object for change in entry.data]
    sizes = {secret.name: len(secret.data) for secret in objects if isinstance(secret, Secret)}
    return [_("{name} ({size} bytes)", name=name, size=size) for name, size in sizes.items()]


def disk(cluster: Simulated, name: str) -> Table:
    """The files on one node's disk: size, what seals them, and their first bytes.

    The first bytes of the key file are not shown.
    """
    files = cluster.machine(name).disk
    rows = []
    for path in files.names():
        data = files.read(path)
        first_bytes = _("(keys)") if path == KEY_FILE else data[:HEX_BYTES].hex(" ")
        path = re.sub("(?<=/)[0-9a-f]{64}", lambda id: id[0][:12], path)  # as `docker ps` has it
        rows.append((path, number(len(data), ","), _sealing(path, data), first_bytes))
    sealed = any(row[2] == _("with the unlock key") for row in rows)
    secrets = ", ".join(readable(cluster.machine(name))) or _("no secret")
    notes = [_(LOCKED_NOTE if sealed else OPEN_NOTE)] if WAL in files else []
    notes.append(_("This disk alone gives away: {secrets}.", secrets=secrets))
    heads = _("file"), _("bytes"), _("sealed"), _("begins with")
    return Table(_("{name}'s disk", name=name), heads, tuple(rows), tuple(notes))


def trust(cluster: Simulated) -> Table:
    """Which root each node trusts, and the role and expiry of the certificate it presents."""
    rows = []
    for name in cluster.names:
        machine = cluster.machine(name)
        if not machine.trusts:
            rows.append((name, "-", "-", "-", _("in no swarm") if machine.up else _("down")))
            continue
        try:
            peer = verify(machine.presents, machine.trusts, cluster.now_ns)
        except PermissionDenied as refusal:
            rows.append((name, digest_of(machine.trusts)[:12], "-", "-", str(refusal.args[0])))
            continue
        until = datetime.fromtimestamp((EPOCH_NS + peer.not_after_ns) // S, UTC)
        root = digest_of(machine.trusts)[:12]
        rows.append((name, root, peer.role.value, f"{until:%Y-%m-%d %H:%M}", _("valid")))
    heads = (_("node"), _("trusts root"), _("certificate says"), _("valid until"), _("now"))
    return Table(_("Who trusts whom"), heads, tuple(rows))


@checked
def eavesdrop(
    cluster: AnyCluster, one: NodeName, other: NodeName, duration: Duration = "3s"
) -> Table | Callout:
    """Listen to the link between two nodes: what passes, as someone without the session's key
    sees it, and as its two ends do: `eavesdrop(cluster, "m1", "w1")`. Lesson: 08_tls_and_ca.

    Simulated nodes hand over objects. Here each is encoded, and sealed with a key made for this.
    """
    if not is_simulated(cluster):
        return only_simulated(
            _("On a real link, `tcpdump port 2377` shows as much as a thief sees.")
        )
    simulation = Simulation(cluster.now_ns)
    session = Seal(simulation.random_bytes(KEY_BYTES), simulation)
    flights: dict[tuple[int, int], InFlight] = {}
    for _ms in range(nanoseconds(duration) // MS):  # no message takes less than one
        cluster.run("1ms")
        for flight in cluster.in_flight():
            if {flight.source, flight.target} == {one, other}:
                flights.setdefault((id(flight.message), flight.arrives_ns), flight)
    rows = []
    for flight in [*flights.values()][:PACKETS_MAX]:
        sealed = session.seal(pickle.dumps(flight.message))
        seen = sealed[NONCE_BYTES:][:PACKET_HEX_BYTES].hex(" ")
        seen = _("{size:,} bytes: {seen} …", size=len(sealed), seen=seen)
        when, ends = seconds(flight.arrives_ns / S, 2), f"{flight.source} → {flight.target}"
        rows.append((when, ends, seen, _contents(flight.message)))
    title = _("On the link between {one} and {other}", one=one, other=other)
    heads = _("when"), _("from, to"), _("without the key"), _("with it")
    return Table(title, heads, tuple(rows))


class MessagesInFlight(ShownAs, list[InFlight]):
    """The messages on their way between nodes, the soonest first; they print as a table.

    `cluster.in_flight()[0].target`. Lesson: 05_quorum.
    """

    @property
    def shown_as(self) -> Table:
        rows = [
            (seconds(sent.arrives_ns / S, 3), sent.source, sent.target, _contents(sent.message))
            for sent in self
        ]
        heads = _("arrives at"), _("from"), _("to"), _("message")
        return Table(
            _("{n} message in flight", "{n} messages in flight", n=len(self)), heads, tuple(rows)
        )


def _contents(message: Any) -> str:
    """What a message is, in few words, and the names of the secrets in it."""
    body = getattr(message, "body", message)  # of a call
    kind = _("answer") if hasattr(message, "value") else type(body).__name__
    secrets = ", ".join(secret.name for secret in getattr(body, "secrets", ()))
    return f"{kind}: {secrets}" if secrets else kind


def network_keys(cluster: Simulated) -> Table:
    """The keys with which each node encrypts and decrypts gossip, by their numbers."""
    rows = []
    for name in cluster.names:
        engine = cluster.engine(name)
        if engine is None or not engine.cluster_id:
            rows.append((name, "-", "-"))
            continue
        keyring = engine.network.db.keyring
        rows.append((name, ", ".join(map(str, keyring.times)), str(keyring.primary)))
    heads = _("node"), _("can decrypt with keys"), _("encrypts with key")
    return Table(_("Keys of the gossip"), heads, tuple(rows), (_(ROTATION_NOTE),))


def who_can_read(cluster: Simulated, name: str) -> Table:
    """Where the bytes of a secret are now, and why."""
    rows: list[tuple[str, str, str]] = []
    secret: Secret | None = None
    for node in cluster.names:
        engine = cluster.engine(node)
        manager = engine.manager if engine is not None else None
        stored = manager.store.named(Secret, name) if manager is not None else None
        if stored is not None:
            secret = stored
            rows.append((node, _("Raft's log, on disk"), _("a manager keeps everything; sealed")))
            rows.append((node, _("the manager's memory"), _("a manager knows every secret")))
    if secret is None:
        raise LabError("there is no secret {name!r} on any manager that is up", name=name)
    for node in cluster.names:
        rows += _on_worker(node, cluster.engine(node), secret)
    return Table(_("Where {name} is", name=name), (_("node"), _("place"), _("why")), tuple(rows))


def _on_worker(node: str, engine: Any, secret: Secret) -> list[tuple[str, str, str]]:
    """Where a node's agent and containers hold a secret."""
    if engine is None or engine.agent is None:
        return []
    rows = []
    if secret.id in engine.agent.executor.dependencies.secrets:
        rows.append((node, _("the agent's memory"), _("a task here refers to it")))
    # The files of a container that has ended are gone: their tmpfs was unmounted.
    for container in engine.containers.all():
        if not container.running:
            continue
        for path, file in sorted(container.files.items()):
            if path.startswith("/run/secrets/") and file.data == secret.data:
                rows.append((node, f"{container.name}:{path}", _("mounted from memory (tmpfs)")))
    return rows
