"""A node's part in a swarm: how it enters, what it is there, how it leaves.

A node that belongs to a swarm runs an agent; one that is a manager too runs a manager. What it has
to remember lies on the machine's disk: its identity in `swarm/state.json`, Raft's log and snapshots
under `swarm/raft/`, the agent's tasks under `swarm/worker/`. Source: moby daemon/cluster,
swarmkit node/node.go.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any

from swarmlab.engine.credentials import Credentials
from swarmlab.engine.join import Identity, Joining, advertised, first_objects, merged
from swarmlab.engine.leave import LOCKED_LEAVE, refuse_to_leave
from swarmlab.engine.renewer import Renewer
from swarmlab.errors import (
    LOCKED,
    NOT_IN_SWARM,
    Conflict,
    NotAvailable,
    NotLeader,
    PermissionDenied,
    SwarmError,
)
from swarmlab.manager.ca.certificates import issue
from swarmlab.manager.ca.data_keys import WrongKey, unlock_key_bytes
from swarmlab.manager.manager import Manager
from swarmlab.manager.rpc_server import Gate
from swarmlab.manager.store import Change, Codec
from swarmlab.model import Cluster, Document, Node, Role, StoreObject
from swarmlab.model.messages import (
    Assignments,
    Control,
    GetRootCertificate,
    IssueCertificate,
    Issued,
    Joined,
    JoinRaft,
    Message,
    Ping,
    SessionChanged,
)
from swarmlab.raft import DamagedFile, Member, RaftNode, Storage
from swarmlab.simulation import Call, Machine, S
from swarmlab.worker.agent import Agent
from swarmlab.worker.containers import Containers

STATE_FILE, RAFT_FILES, SWARM_FILES = "swarm/state.json", "swarm/raft/", "swarm/"
EXPIRED = "Swarm certificates have expired. To replace them, leave the swarm and join again."


class SwarmNode(ABC):
    """What an engine is to a swarm; the engine itself adds containers and images."""

    containers: Containers

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = machine.name
        self.identity: Identity | None = None
        self.agent: Agent | None = None
        self.manager: Manager | None = None
        self.gate: Gate | None = None
        self.entering: Call | None = None  # an init or join that is under way
        self.credentials = Credentials(machine)
        self._fault = ""  # why the node's part in the swarm could not be taken up
        self.renewer = Renewer(self)
        self._promoting = False

    @property
    @abstractmethod
    def description(self) -> Document:
        """Docker's node description, as it is now."""

    @abstractmethod
    def changed(self, change: Change, before: StoreObject | None) -> None:
        """Something was committed; this node is a manager."""

    # -- what it shows ---------------------------------------------------------------
    @property
    def swarm_state(self) -> str:
        """inactive, pending, active, locked, or error: `swarm_error` says which."""
        if self.entering is not None:
            return "pending"
        if self.identity is None:
            return "inactive"
        if self.agent is None:
            return "locked" if self.credentials.locked else "error"
        return "active"

    @property
    def swarm_error(self) -> str:
        return {"locked": LOCKED, "error": self._fault}.get(self.swarm_state, "")

    @property
    def node_id(self) -> str:
        return self.identity.node_id if self.identity else ""

    @property
    def node_address(self) -> str:
        return self.identity.address.rsplit(":", 1)[0] if self.identity else ""

    @property
    def manager_addresses(self) -> tuple[str, ...]:
        """Where the managers are, as far as this node knows."""
        return self.identity.managers if self.identity else ()

    # -- starting ------------------------------------------------------------------------
    def boot(self) -> None:
        """Find out from the disk whether this node belongs to a swarm, and as what."""
        if STATE_FILE not in self.machine.disk:
            return
        state = json.loads(self.machine.disk.read(STATE_FILE))
        self.identity = Identity(**{**state, "managers": tuple(state["managers"])})
        if not self.credentials.locked:
            self._resume("")

    def _resume(self, unlock_key: str) -> None:
        """Take up the part in the swarm that the disk tells of, if the certificate still holds."""
        identity = self.identity
        assert identity is not None
        self.credentials.load(identity.public_key, unlock_key)
        self.credentials.show(identity.certificate, identity.root_certificate)
        try:
            self.credentials.own()
            if identity.raft_id:
                manager = Manager(self)
                manager.raft = RaftNode.restart(
                    self.machine, self._storage(), manager, raft_id=identity.raft_id
                )
                self._run_manager(manager)
        except PermissionDenied:
            self._fault = EXPIRED
        except (DamagedFile, WrongKey) as damage:
            self._fault = f"swarm component could not be started: {damage}"
        else:
            self._run_agent()

    def _storage(self) -> Storage:
        return Storage(self.machine.disk, Codec(), self.credentials.seal())

    def _save(self) -> None:
        assert self.identity is not None
        self.machine.disk.write(STATE_FILE, json.dumps(asdict(self.identity)).encode())

    def _run_manager(self, manager: Manager) -> None:
        self.manager, self.gate = manager, Gate(manager)

    def _run_agent(self) -> None:
        self.agent = Agent(self)
        self.agent.start()
        self.renewer.plan()

    def _end_manager(self) -> None:
        """No manager any more: its log and its snapshots are erased."""
        if self.manager is not None:
            self.manager.stop()
        self.manager = self.gate = None
        self.machine.disk.delete(RAFT_FILES)
        if self.identity is not None:
            self.identity.role, self.identity.raft_id = Role.WORKER.value, 0
            self._save()

    # -- messages ----------------------------------------------------------------------
    def receive(self, source: str, message: Any) -> None:
        try:
            self.credentials.admit(source, None, self._removed_ids())
        except PermissionDenied:
            return
        if isinstance(message, SessionChanged | Assignments):
            if self.agent is not None:
                self.agent.receive(message)
        elif self.manager is not None:
            self.manager.raft.receive(source, message)

    def serve(self, source: str, body: Message) -> Any:
        if isinstance(body, Ping):
            return True
        if self.gate is None:
            raise NotLeader
        if not isinstance(body, GetRootCertificate | IssueCertificate):
            self.credentials.admit(source, body, self._removed_ids())
        return self.gate.serve(source, body)

    def _removed_ids(self) -> tuple[str, ...]:
        """Nodes whose certificates are no longer good, though they would verify."""
        manager = self.manager
        if manager is None or not manager.store.tables["cluster"]:
            return ()
        return manager.store.cluster.removed_node_ids

    def control(self, method: str, *args: Any) -> Call:
        """Ask the swarm's Control API; this node has to be a manager."""
        assert self.gate is not None
        return self.gate.ask(Control(method, args))

    # -- entering a swarm ----------------------------------------------------------------
    def swarm_init(self, request: Document) -> Call:
        """A new swarm with this node as its first manager; answered with the node's id.

        `request`: Docker's InitRequest with the whole SwarmSpec in `Spec`.
        """
        if request.get("ForceNewCluster"):
            return self._force_new_cluster(request)
        address = advertised(request, self.machine)
        objects = first_objects(self.machine.simulation, request, self.description, address)
        cluster, node, _ = objects
        self.credentials.create()
        simulation, public_key = self.machine.simulation, self.credentials.public_key
        identity = self.identity = Identity(
            node_id=node.id,
            role=Role.MANAGER.value,
            cluster_id=cluster.id,
            address=address,
            root_certificate=cluster.root_certificate,
            certificate=issue(cluster, node.id, Role.MANAGER, public_key, simulation),
            public_key=public_key,
            managers=(address,),
            raft_id=simulation.rng.getrandbits(62) + 1,
        )
        self.credentials.show(identity.certificate, identity.root_certificate)
        manager = Manager(self, objects)
        member = Member(identity.raft_id, identity.node_id, address)
        manager.raft = RaftNode.first(self.machine, self._storage(), manager, member=member)
        self._save()
        self._run_manager(manager)
        self.entering = call = Call()
        self._run_agent()
        return call

    def _force_new_cluster(self, request: Document) -> Call:
        """Start again as the only manager, with everything that was committed."""
        if self.manager is None or self.identity is None or self.agent is None:
            raise NotAvailable(NOT_IN_SWARM)
        self.agent.stop()
        self.manager.stop()
        manager = Manager(self)
        raft_id = self.identity.raft_id
        manager.raft = RaftNode.restart(
            self.machine, self._storage(), manager, raft_id=raft_id, force_new_cluster=True
        )
        self._run_manager(manager)
        self.identity.managers = (self.identity.address,)
        self._save()
        self.entering = call = Call()
        call.then(self._merge_spec, request["Spec"])
        self._run_agent()
        return call

    def _merge_spec(self, entered: Call, spec: Document) -> None:
        if spec and entered.error is None and self.manager is not None:
            self.manager.write(merged, spec)

    def swarm_join(self, request: Document) -> Call:
        """Enter the swarm that `RemoteAddrs` lead to, as what `JoinToken` says."""
        joining = Joining(self, request)
        self.entering = call = Call()
        joining.begin()
        return call

    def admitted(self, identity: Identity, remote: str) -> None:
        """A manager has let this node in; a manager still needs its seat in Raft."""
        self.identity = identity
        self.credentials.show(identity.certificate, identity.root_certificate)
        self._save()
        if identity.role == Role.MANAGER:
            self._ask_for_seat(remote)
        else:
            self._run_agent()

    def _ask_for_seat(self, remote: str) -> None:
        """Ask to become a voter; when that fails, ask another manager a little later."""
        assert self.identity is not None
        machine = self.machine.peer(remote)
        body = JoinRaft(self.identity.node_id, self.identity.address)
        if machine is None or machine is self.machine:
            self._seat_refused()
        else:
            self.machine.call(machine.name, body, timeout_ns=25 * S).then(self._seated)

    def _seated(self, answer: Call) -> None:
        if self.identity is None or self.manager is not None:
            return
        if answer.error is not None:
            self._seat_refused()
            return
        joined: Joined = answer.value
        self.identity.raft_id, self.identity.role = joined.raft_id, Role.MANAGER.value
        self._save()
        manager = Manager(self)
        manager.raft = RaftNode.joining(
            self.machine, self._storage(), manager, raft_id=joined.raft_id, members=joined.members
        )
        self._promoting = False
        self._run_manager(manager)
        if self.agent is None:
            self._run_agent()

    def _seat_refused(self) -> None:
        if self.identity is not None:
            others = [m for m in self.identity.managers if m != self.identity.address]
            remote = self.machine.simulation.rng.choice(others) if others else ""
            self.machine.after(2 * S, self._ask_for_seat, remote)

    def entered(self, error: SwarmError | None) -> None:
        """The init or join under way is over."""
        call, self.entering = self.entering, None
        if call is not None and error is not None:
            self.identity = None
            self.credentials.forget()
            self.machine.disk.delete(SWARM_FILES)
            call.fail(error)
        elif call is not None:
            call.resolve(self.node_id)

    # -- living in a swarm ---------------------------------------------------------------
    def session_changed(self, node: Node, managers: tuple[str, ...], root_certificate: str) -> None:
        """The dispatcher told what the node is now, who the managers are, which root to trust."""
        identity = self.identity
        assert identity is not None
        told = managers or identity.managers, root_certificate or identity.root_certificate
        if told != (identity.managers, identity.root_certificate):
            identity.managers, identity.root_certificate = told
            self.credentials.show(identity.certificate, identity.root_certificate)
            self._save()
        if self.entering is not None:
            self.entered(None)
        promoted = node.role is Role.MANAGER and self.manager is None
        if node.role is Role.WORKER and self.manager is not None:
            self._end_manager()
        if (promoted or node.certificate_state == "rotate") and not self._promoting:
            self._promoting = True
            self.renewer.soon()

    def certified(self, issued: Issued, remote: str) -> None:
        """A new certificate came; one for a manager's role leads to a seat in Raft."""
        assert self.identity is not None
        self.identity.certificate = issued.certificate
        self.credentials.show(issued.certificate, self.identity.root_certificate)
        self._save()
        if issued.role == Role.MANAGER and self.manager is None:
            self._ask_for_seat(remote)
        else:
            self._promoting = False

    def follow_autolock(self, cluster: Cluster) -> None:
        """The unlock key was set, changed or dropped: seal the keys with it, or with none."""
        if self.manager is None or cluster.unlock_key == self.credentials.unlock_key:
            return
        if self.credentials.relock(cluster.unlock_key):
            self.machine.after(0, self.manager.raft.reseal, self.credentials.seal())

    def seat_lost(self) -> None:
        """Raft took this manager out; the agent goes on."""
        self.machine.after(0, self._end_manager)

    def swarm_unlock(self, key: str) -> Call:
        """Read the keys with the unlock key, and go on; answered once the manager runs."""
        unlock_key_bytes(key)
        if self.identity is None:
            raise NotAvailable(NOT_IN_SWARM)
        if self.swarm_state != "locked":
            raise Conflict("swarm is not locked")
        self._resume(key.strip())
        return Call().resolve()

    # -- leaving a swarm -----------------------------------------------------------------
    def swarm_leave(self, force: bool) -> Call:
        """Leave; a manager only by force. The others see it down, and a manager keeps its seat."""
        if self.identity is None and self.entering is None:
            raise NotAvailable("This node is not part of a swarm")
        call = Call()
        if self.swarm_state == "locked" and not force:
            raise NotAvailable(LOCKED_LEAVE)
        if self.manager is None or force:
            self._leave()
            return call.resolve()
        assert self.gate is not None
        self.gate.ask(Control("read", ("manager",))).then(refuse_to_leave, call)
        return call

    def _leave(self) -> None:
        if self.agent is not None:
            self.agent.leave()
        if self.manager is not None:
            self.manager.stop()
        self.agent = self.manager = self.gate = self.identity = None
        self.entering, self._promoting, self._fault = None, False, ""
        self.credentials.forget()
        self.machine.disk.delete(SWARM_FILES)
