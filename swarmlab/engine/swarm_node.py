"""A node's membership in a swarm: join, certificates, roles, unlock, leave.

Every member runs an agent; a manager also runs a manager. What survives a restart is on the
machine's disk: the identity in `swarm/state.json`, Raft's log and snapshots under `swarm/raft/`,
the agent's tasks under `swarm/worker/`. Source: moby daemon/cluster, swarmkit node/node.go.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from swarmlab import errors
from swarmlab.engine import join
from swarmlab.engine.credentials import Credentials
from swarmlab.engine.leave import LOCKED_LEAVE, fail_leave
from swarmlab.engine.renewer import Renewer
from swarmlab.manager.ca.certificates import issue
from swarmlab.manager.ca.data_keys import WrongKey, unlock_key_bytes
from swarmlab.manager.manager import Manager
from swarmlab.manager.rpc_server import RpcServer
from swarmlab.manager.store import Change, StoreCodec
from swarmlab.model import Cluster, Document, ManagerStatus, Role, StoreObject, messages
from swarmlab.raft import DamagedFile, Member, RaftNode, Storage
from swarmlab.simulation import Call, Machine, S
from swarmlab.worker.agent import Agent
from swarmlab.worker.containers import Containers

STATE_FILE, RAFT_FILES, SWARM_FILES = "swarm/state.json", "swarm/raft/", "swarm/"
ROLE_CHANGE_NS = 16 * S  # how long a former manager waits to be told that it is a worker
EXPIRED = "Swarm certificates have expired. To replace them, leave the swarm and join again."


class SwarmNode(ABC):
    """An engine as a member of a swarm; `daemon.Engine` adds containers and images."""

    containers: Containers

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = machine.name
        self.identity: join.Identity | None = None
        self.agent: Agent | None = None
        self.manager: Manager | None = None
        self.rpc_server: RpcServer | None = None
        self.pending_call: Call | None = None  # an init or join in progress
        self.credentials = Credentials(machine)
        self._fault = ""  # why the agent or the manager could not be started
        self.renewer = Renewer(self)
        self._promoting = self._ready = False

    @property
    @abstractmethod
    def description(self) -> Document:
        """Docker's node description, as it is now."""

    @abstractmethod
    def changed(self, change: Change, before: StoreObject | None) -> None:
        """A change was committed; this node is a manager."""

    # -- state ---------------------------------------------------------------
    @property
    def swarm_state(self) -> str:
        """inactive, pending, active, locked, or error: then `swarm_error` is the reason.

        From its start until its first session with a leader a member is pending.
        """
        if self.pending_call is not None or (self.agent is not None and not self._ready):
            return "pending"
        if self.identity is None:
            return "inactive"
        if self.agent is None:
            return "locked" if self.credentials.locked else "error"
        return "active"

    @property
    def swarm_error(self) -> str:
        return {"locked": errors.LOCKED, "error": self._fault}.get(self.swarm_state, "")

    @property
    def node_id(self) -> str:
        return self.identity.node_id if self.identity else ""

    @property
    def node_address(self) -> str:
        return self.identity.address.rsplit(":", 1)[0] if self.identity else ""

    @property
    def manager_addresses(self) -> tuple[str, ...]:
        """Addresses of the managers, as far as this node knows.

        It reaches its own manager within the machine, whatever address it advertises.
        """
        if self.identity is None:
            return ()
        advertised = self.identity.address if self.manager is not None else ""
        own = f"{self.machine.address}:{advertised.rpartition(':')[2]}"
        return tuple(own if a == advertised else a for a in self.identity.managers)

    # -- starting ------------------------------------------------------------------------
    def boot(self) -> None:
        """Read from the disk whether this node is a member of a swarm, and start what it runs."""
        if STATE_FILE not in self.machine.disk:
            return
        state = json.loads(self.machine.disk.read(STATE_FILE))
        self.identity = join.Identity(**{**state, "managers": tuple(state["managers"])})
        if not self.credentials.locked:
            self._start_from_disk("")

    def _start_from_disk(self, unlock_key: str) -> None:
        """Start the agent, and the manager of a manager, if the certificate is still valid."""
        identity = self.identity
        assert identity is not None
        self.credentials.load(identity.public_key, unlock_key)
        self.credentials.present(identity.certificate, identity.root_certificate)
        try:
            self.credentials.own_peer()
            if identity.raft_id:
                self._run_manager(self._storage())
        except errors.PermissionDenied:
            self._fault = EXPIRED
        except (DamagedFile, WrongKey) as damage:
            self._fault = f"swarm component could not be started: {damage}"
        else:
            self._run_agent()

    def _save(self) -> None:
        """Write the identity to the disk, and present its certificate from now on."""
        assert self.identity is not None
        self.credentials.present(self.identity.certificate, self.identity.root_certificate)
        self.machine.disk.write(STATE_FILE, json.dumps(asdict(self.identity)).encode())

    def _storage(self) -> Storage:
        return Storage(self.machine.disk, StoreCodec(), self.credentials.seal())

    def _run_manager(
        self, storage: Storage, objects: Iterable[StoreObject] = (), members: Iterable[Member] = ()
    ) -> None:
        """Run a manager with the Raft log in `storage`; see Manager and RaftNode."""
        assert self.identity is not None
        manager, raft_id = Manager(self, objects), self.identity.raft_id
        manager.raft = RaftNode(self.machine, storage, manager, raft_id=raft_id, members=members)
        self.manager, self.rpc_server = manager, RpcServer(manager)

    def _run_agent(self) -> None:
        self.agent = Agent(self)
        self.agent.start()
        self.renewer.schedule()

    def _stop_manager(self) -> None:
        """Become a worker: Raft's log and snapshots are erased."""
        if self.manager is not None:
            self.manager.stop()
        self.manager = self.rpc_server = None
        self.machine.disk.delete(RAFT_FILES)
        if self.identity is not None:
            self.identity.role, self.identity.raft_id = Role.WORKER.value, 0
            self._save()

    # -- messages ----------------------------------------------------------------------
    def receive(self, source: str, message: Any) -> None:
        try:
            self.credentials.authorize(source, None, self._removed_ids())
        except errors.PermissionDenied:
            return
        if isinstance(message, messages.SessionChanged | messages.Assignments):
            if self.agent is not None:
                self.agent.receive(message)
        elif self.manager is not None:
            self.manager.raft.receive(source, message)

    def serve(self, source: str, body: messages.Message) -> Any:
        if isinstance(body, messages.Ping):
            return True
        if self.rpc_server is None:
            raise errors.NotLeader
        if not isinstance(body, messages.GetRootCertificate | messages.IssueCertificate):
            self.credentials.authorize(source, body, self._removed_ids())
        return self.rpc_server.serve(source, body)

    def _removed_ids(self) -> tuple[str, ...]:
        """Nodes removed from the swarm: their certificates are refused, though they verify."""
        manager = self.manager
        if manager is None or not manager.store.tables["cluster"]:
            return ()
        return manager.store.cluster.removed_node_ids

    # -- init and join ----------------------------------------------------------------
    def swarm_init(self, request: Document) -> Call:
        """Start a swarm with this node as its first manager; the call returns the node's id.

        `request`: Docker's InitRequest, all fields filled in.
        """
        if request.get("ForceNewCluster"):
            return self._force_new_cluster(request)
        address = join.advertised_address(request, self.machine)
        objects = join.first_objects(self.machine.simulation, request, self.description, address)
        cluster, node, _ = objects
        self.credentials.create()
        simulation, public_key = self.machine.simulation, self.credentials.public_key
        self.identity = identity = join.Identity(
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
        self._save()
        storage = self._storage()
        storage.bootstrap([Member(identity.raft_id, identity.node_id, address)])
        self._run_manager(storage, objects)
        self.pending_call = call = Call()
        self._run_agent()
        return call

    def _force_new_cluster(self, request: Document) -> Call:
        """Restart as the only manager, with everything that was committed."""
        if self.manager is None or self.identity is None or self.agent is None:
            raise errors.NotAvailable(errors.NOT_IN_SWARM)
        self.agent.shutdown()
        self.manager.stop()
        storage = self._storage()
        storage.force_new_cluster(self.identity.raft_id)
        self._run_manager(storage)
        self.identity.managers = (self.identity.address,)
        self._save()
        self.pending_call = call = Call()
        call.then(self._merge_spec, request["Spec"])
        self._run_agent()
        return call

    def _merge_spec(self, init: Call, spec: Document) -> None:
        if spec and init.error is None and self.manager is not None:
            self.manager.write(join.merge_cluster_spec, spec)

    def swarm_join(self, request: Document) -> Call:
        """Join the swarm of the managers at `RemoteAddrs`; `JoinToken` decides the role."""
        accepted, failed = self._join_accepted, self._finish_join
        operation = join.JoinOperation(self.machine, self.credentials, request, accepted, failed)
        self.pending_call = call = Call()
        operation.start(call)
        return call

    def _join_accepted(self, identity: join.Identity, remote: str) -> None:
        """A manager issued the certificate; a manager still has to join the Raft group."""
        self.identity = identity
        self._save()
        if identity.role == Role.MANAGER:
            self._join_raft(remote)
        else:
            self._run_agent()

    def _join_raft(self, remote: str) -> None:
        """Ask the manager at `remote` to become a voter; on failure retry with another one."""
        assert self.identity is not None
        target, reply = self.machine.peer(remote), Call().fail(errors.Unavailable())
        body = messages.JoinRaft(self.identity.node_id, self.identity.address)
        if target is not None and target is not self.machine:
            reply = self.machine.call(target.name, body, timeout_ns=25 * S)
        reply.then(self._raft_joined)

    def _raft_joined(self, reply: Call) -> None:
        if self.identity is None or self.manager is not None:
            return
        if reply.error is not None:
            others = [a for a in self.identity.managers if a != self.identity.address]
            remote = self.machine.simulation.rng.choice(others) if others else ""
            self.machine.after(2 * S, self._join_raft, remote)
            return
        joined: messages.Joined = reply.value
        self.identity.raft_id, self.identity.role = joined.raft_id, Role.MANAGER.value
        self._save()
        self._promoting = False
        storage = self._storage()
        storage.erase()  # the leader sends the log
        self._run_manager(storage, members=joined.members)
        if self.agent is None:
            self._run_agent()

    def _finish_join(self, error: errors.SwarmError | None = None) -> None:
        """The init or join in progress succeeded, or failed with `error`."""
        call, self.pending_call = self.pending_call, None
        if call is not None and error is not None:
            self.identity = None
            self.credentials.forget()
            self.machine.disk.delete(SWARM_FILES)
            call.fail(error)
        elif call is not None:
            call.resolve(self.node_id)

    # -- membership ---------------------------------------------------------------
    def session_changed(self, session: messages.SessionChanged) -> None:
        """The dispatcher sent this node's object, the managers' addresses and the root to trust."""
        identity, node = self.identity, session.node
        assert identity is not None
        root = session.root_certificate or identity.root_certificate
        news = session.managers or identity.managers, root
        if news != (identity.managers, identity.root_certificate):
            identity.managers, identity.root_certificate = news
            self._save()
            self._refresh_agent()
        self._ready = True
        self._finish_join()
        promoted = node.role is Role.MANAGER and self.manager is None
        if node.role is Role.WORKER and self.manager is not None:
            self._stop_manager()
        changed = self._certified_manager is not (node.role is Role.MANAGER)
        if (promoted or changed or node.certificate_state == "rotate") and not self._promoting:
            self._promoting = True
            self.renewer.renew_now()

    def certificate_renewed(self, issued: messages.Issued, remote: str) -> None:
        """Use the new certificate; a node promoted by it joins the Raft group."""
        assert self.identity is not None
        self.identity.certificate = issued.certificate
        self._save()
        if issued.role == Role.MANAGER and self.manager is None:
            self._join_raft(remote)
        else:
            self._promoting = False
            self._refresh_agent()

    def _refresh_agent(self) -> None:
        """What it reports of its certificate may have changed."""
        if self.agent is not None:
            self.machine.after(0, self.agent.refresh)

    def update_autolock(self, cluster: Cluster) -> None:
        """Seal the keys with the cluster's unlock key, or with none, if that has changed."""
        if self.manager is None or cluster.unlock_key == self.credentials.unlock_key:
            return
        if self.credentials.relock(cluster.unlock_key):
            self.machine.after(0, self.manager.raft.reseal, self.credentials.seal())

    def removed_from_raft(self) -> None:
        """This manager is no longer a Raft member; the agent keeps running.

        One that no demotion took out, as after a forced new cluster, waits for the role of a
        worker, renews its certificate, waits once more, and joins again as the manager that it
        still is. Source: swarmkit node/node.go, superviseManager.
        """
        self.machine.after(0, self._stop_manager)
        self.machine.after(2 * ROLE_CHANGE_NS, self._join_again)

    def _join_again(self) -> None:
        if self.manager is None and self.identity is not None and self._certified_manager:
            self.renewer.renew_now()

    @property
    def _certified_manager(self) -> bool:
        return self.credentials.own_peer().role is Role.MANAGER

    def swarm_unlock(self, key: str) -> Call:
        """Read the keys with the unlock key, and start the manager and the agent."""
        if self.identity is None:
            raise errors.NotAvailable(errors.NOT_IN_SWARM)
        if self.swarm_state != "locked":
            raise errors.Conflict("swarm is not locked")
        unlock_key_bytes(key)
        self._start_from_disk(key.strip())
        return Call().resolve()

    # -- leave -----------------------------------------------------------------
    def swarm_leave(self, force: bool) -> Call:
        """Leave the swarm; a manager only by force, and it stays a Raft member, unreachable."""
        if self.identity is None and self.pending_call is None:
            raise errors.NotAvailable("This node is not part of a swarm")
        call = Call()
        if self.swarm_state == "locked" and not force:
            raise errors.NotAvailable(LOCKED_LEAVE)
        if self.manager is None or force:
            self._leave()
            return call.resolve()
        assert self.rpc_server is not None
        self.rpc_server.ask(messages.ListObjects((ManagerStatus,))).then(fail_leave, call)
        return call

    def _leave(self) -> None:
        if self.agent is not None:
            self.agent.shutdown()
        if self.manager is not None:
            self.manager.stop()
        self.agent = self.manager = self.rpc_server = self.identity = None
        self.pending_call, self._promoting, self._fault = None, False, ""
        self._ready = False
        self.credentials.forget()
        self.machine.disk.delete(SWARM_FILES)
