"""The RPC server of a manager: answers its engine, other managers, agents and joining nodes.

The leader answers every request of the Control API, reads included; a follower passes it on and
waits for a leader as long as its caller does. Source: swarmkit protobuf raft proxies, ca/server.go,
manager/state/raft/raft.go (Join), moby daemon/cluster/cluster.go.
"""

from __future__ import annotations

from typing import Any

from swarmlab import errors, model
from swarmlab.manager.ca.certificates import issue
from swarmlab.manager.control_api import COMMANDS
from swarmlab.manager.manager import Manager
from swarmlab.manager.resource_api import attach_network, detach_network
from swarmlab.manager.secrets import without_data
from swarmlab.manager.store import create, find, unconditional
from swarmlab.model import messages
from swarmlab.raft import Member, MembershipChange
from swarmlab.simulation import MS, Call, S

REQUEST_LIMIT_NS = 20 * S  # how long dockerd waits for a manager
LEADERLESS_TICKS_MAX = 10  # after this many ticks without a leader, fail at once
NO_LEADER = (
    "The swarm does not have a leader. It's possible that too few managers are online. "
    "Make sure more than half of the managers are online."
)
UNREACHABLE = (
    "could not connect to prospective new cluster member using its advertised address: "
    "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
)


class RpcServer:
    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.machine = manager.machine

    @property
    def _leader_address(self) -> str:
        """The leader's address; empty when there is no leader, or this manager leads."""
        raft = self.manager.raft
        leader = raft.members.get(raft.leader_id)
        return leader.address if leader and raft.leader_id != raft.raft_id else ""

    # -- asking the leader -----------------------------------------------------------
    def ask(self, body: messages.Message) -> Call:
        """The leader's answer, whether this manager leads or not; fails after 20 s."""
        call = Call()
        self.machine.after(REQUEST_LIMIT_NS, call.fail, errors.DeadlineExceeded())
        self._try(call, body, self.machine.simulation.now_ns + REQUEST_LIMIT_NS)
        return call

    def _try(self, call: Call, body: messages.Message, deadline_ns: int) -> None:
        raft, address = self.manager.raft, self._leader_address
        machine = self.machine.peer(address) if address else None
        if call.done:
            return
        if raft.is_leader:
            Call.of(self.serve, self.machine.name, body).then(
                self._answered, call, body, deadline_ns
            )
        elif machine is not None:
            left_ns = deadline_ns - self.machine.simulation.now_ns
            quiet = isinstance(body, messages.ListObjects | messages.GetObject)
            self.machine.call(machine.name, body, timeout_ns=left_ns, quiet=quiet).then(
                self._answered, call, body, deadline_ns
            )
        elif raft.ticks_without_leader > LEADERLESS_TICKS_MAX:
            call.fail(errors.Unknown(NO_LEADER))
        else:
            self.machine.after(1 * S, self._try, call, body, deadline_ns)

    def _answered(self, answer: Call, call: Call, body: messages.Message, deadline_ns: int) -> None:
        if isinstance(answer.error, errors.NotLeader):
            self.machine.after(500 * MS, self._try, call, body, deadline_ns)
        else:
            call.follow(answer)

    # -- answering -------------------------------------------------------------------
    def serve(self, source: str, body: messages.Message) -> Any:
        """Answer a request from machine `source` with a value or a Call, or raise a SwarmError."""
        if isinstance(body, messages.GetRootCertificate):
            return self._root_certificate()
        if not self.manager.raft.is_leader or self.manager.dispatcher is None:
            if isinstance(
                body, messages.IssueCertificate | messages.RenewCertificate | messages.JoinRaft
            ):
                return self.ask(body)
            raise errors.NotLeader(self._leader_address)
        match body:
            case messages.ControlCommand():
                return self.manager.write(COMMANDS[type(body)], body, self.manager)
            case messages.ListObjects():
                return tuple(map(self._list, body.kinds))
            case messages.GetObject():
                return self._get(body.kind, body.reference)
            case messages.Register():
                return self.manager.dispatcher.register(source, body)
            case messages.Heartbeat():
                return self.manager.dispatcher.heartbeat(body)
            case messages.ReportStatus():
                return self.manager.dispatcher.report(body)
            case messages.AttachNetwork():
                return self.manager.write(attach_network, body, self.manager)
            case messages.DetachNetwork():
                return self.manager.write(detach_network, body, self.manager)
            case messages.IssueCertificate():
                return self._issue(body)
            case messages.RenewCertificate():
                return self._renew(body)
            case messages.JoinRaft():
                return self._join(body)
        raise errors.Unknown(f"unknown request {type(body).__name__}")

    def _list(self, kind: type[model.StoreObject | model.ManagerStatus]) -> tuple[Any, ...]:
        if issubclass(kind, model.ManagerStatus):
            return self.manager.statuses()
        return tuple(map(without_data, self.manager.store.all(kind)))

    def _get(self, kind: type[model.StoreObject], reference: str) -> model.StoreObject:
        store = self.manager.store
        object = store.get(kind, reference) or find(kind, reference, store.all(kind))
        return without_data(object)

    # -- certificates ------------------------------------------------------------
    def _root_certificate(self) -> str:
        if not self.manager.store.tables["cluster"]:
            raise errors.Unknown(NO_LEADER)
        return self.manager.store.cluster.root_certificate

    def _issue(self, body: messages.IssueCertificate) -> Call:
        """Create a node with the role of its join token, and issue its certificate."""
        cluster = self.manager.store.cluster
        roles = {cluster.worker_token: model.Role.WORKER, cluster.manager_token: model.Role.MANAGER}
        role = roles.get(body.token)
        if role is None:
            raise errors.InvalidArgument("A valid join token is necessary to join this cluster")
        spec = model.NodeSpec(
            Labels=model.Document(), Role=role.value, Availability=body.availability
        )
        node = model.Node(
            id=self.machine.simulation.new_id(),
            spec=spec,
            role=role,
            status=model.NodeStatus(addr=body.address),
            description=model.Document(Hostname=body.hostname),
        )
        call = Call()
        written = self.manager.write(unconditional, create(node))
        written.then(self._admitted, call, node.id, body.public_key)
        return call

    def _admitted(self, written: Call, call: Call, node_id: str, public_key: str) -> None:
        if written.error is not None:
            call.fail(written.error)
        else:
            call.resolve(self._issued(node_id, public_key))

    def _renew(self, body: messages.RenewCertificate) -> messages.Issued:
        if body.node_id not in self.manager.store.nodes:
            raise errors.Unknown(
                f"node {body.node_id} not found when attempting to renew certificate"
            )
        return self._issued(body.node_id, body.public_key)

    def _issued(self, node_id: str, public_key: str) -> messages.Issued:
        """A certificate for the role that the node has now."""
        store = self.manager.store
        role, cluster = store.nodes[node_id].role, store.cluster
        certificate = issue(cluster, node_id, role, public_key, self.machine.simulation)
        return messages.Issued(
            node_id, role.value, cluster.id, self.manager.addresses(), certificate
        )

    # -- joining Raft ------------------------------------------------------------
    def _join(self, body: messages.JoinRaft) -> Call:
        """Connect to the new manager, then make it a voter; a member that is known stays one."""
        node = self.manager.store.nodes.get(body.node_id)
        if node is None or node.role is not model.Role.MANAGER:
            raise errors.PermissionDenied("Permission denied: unauthorized peer role: swarm-worker")
        call = Call()
        machine = self.machine.peer(body.address)
        if machine is None:
            raise errors.Unknown(f"invalid address {body.address} in raft join request")
        self.machine.call(machine.name, messages.Ping()).then(self._pinged, call, body)
        return call

    def _pinged(self, ping: Call, call: Call, body: messages.JoinRaft) -> None:
        raft = self.manager.raft
        if ping.error is not None:
            call.fail(errors.FailedPrecondition(UNREACHABLE))
            return
        member = next((m for m in raft.members.values() if m.node_id == body.node_id), None)
        if member is not None:
            call.resolve(messages.Joined(member.raft_id, tuple(raft.members.values())))
            return
        raft_id = self.machine.simulation.rng.getrandbits(62) + 1
        member = Member(raft_id=raft_id, node_id=body.node_id, address=body.address)
        change = MembershipChange(add=True, member=member)
        raft.propose_change(change).then(self._joined, call, body, raft_id)

    def _joined(self, proposal: Call, call: Call, body: messages.JoinRaft, raft_id: int) -> None:
        if proposal.error is not None:
            call.fail(proposal.error)
        else:
            call.resolve(messages.Joined(raft_id, tuple(self.manager.raft.members.values())))
