"""The networks of one node: its own and the swarm's, and its containers' addresses in them.

A container joins its networks when it starts and leaves them when it stops. In a network of the
swarm, a task's container has the address that the allocator gave to the task; a container that a
user starts asks a manager for one.
Source: moby daemon/libnetwork/{controller,agent}.go, daemon/container_operations.go,
daemon/cluster/networks.go.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Protocol

from swarmlab.errors import (
    DeadlineExceeded,
    EngineFault,
    EngineRefusal,
    Forbidden,
    NoSuchObject,
    SwarmError,
)
from swarmlab.model import EMPTY, Document, SwarmNetwork, Task, TaskState, is_ingress
from swarmlab.model.messages import AttachNetwork, DetachNetwork
from swarmlab.network.addresses import Subnet, next_subnet
from swarmlab.network.endpoints import (
    BUILTIN,
    GATEWAY_BRIDGE,
    LOAD_BALANCER,
    NO_IPV6_SUBNET,
    OPTIONS,
    Endpoint,
    attached_network,
    has_ipv6_subnet,
    local_network,
    own_networks,
    subnets,
)
from swarmlab.network.gossip import NetworkDB
from swarmlab.network.node_addresses import NodeAddresses
from swarmlab.programs.interface import ProcessContainer
from swarmlab.simulation import MS, Call, Machine, S
from swarmlab.worker.agent import Agent
from swarmlab.worker.containers import Container, Containers

# Source: moby daemon/cluster/executor/container/controller.go, daemon/cluster/networks.go.
READY_POLL_NS, READY_TIMEOUT_NS, ATTACH_TIMEOUT_NS = 100 * MS, 30 * S, 20 * S
ATTACH_FAILED = (
    "attaching to network failed, make sure your network options are correct and check manager logs"
)
EXHAUSTED = "node is missing network attachments, ip addresses may be exhausted"
# The subnets that bridges get. Source: moby daemon/libnetwork/ipamutils/utils.go.
POOLS_16, POOLS_20 = [f"172.{n}.0.0/16" for n in range(17, 32)], ["192.168.0.0/16"]
FILE = "docker/networks"


class NetworkHost(Protocol):
    """What the networks need from their engine."""

    machine: Machine
    containers: Containers
    agent: Agent | None

    @property
    def node_id(self) -> str: ...
    @property
    def cluster_id(self) -> str:
        """The id of the swarm that the node is in; empty: in none."""

    def record(self, type: str, action: str, id: str, /, **attributes: str) -> None:
        """Report an event of something of this engine alone."""


def requested(container: Container) -> dict[str, Document]:
    """The networks that a container asks for, by name (or id), each with its settings."""
    wanted = container.config.get("NetworkingConfig") or EMPTY
    asked = wanted.get("EndpointsConfig") or EMPTY
    mode = container.host_config.get("NetworkMode") or "default"
    if asked or wanted.get("Disconnected") or mode.startswith("container:"):
        return {"bridge" if name == "default" else name: asked[name] or EMPTY for name in asked}
    return {"bridge" if mode == "default" else mode: EMPTY}


class NetworkController:
    def __init__(self, host: NetworkHost) -> None:
        self.host = host
        self.machine = host.machine
        self.db = NetworkDB(host.machine)
        disk = host.machine.disk
        saved = pickle.loads(disk.read(FILE)) if FILE in disk else {}
        self.local = own_networks(host.machine.name) | saved  # by id
        self.overlays: dict[str, SwarmNetwork] = {}  # those that this node is attached to, by id
        self.load_balancers: dict[str, str] = {}  # network -> this node's own address in it
        self.addresses: dict[str, dict[str, str]] = {}  # container -> network -> `10.0.1.5/24`
        # As `addresses`; that of a node's load balancer is under `LOAD_BALANCER`.
        self.addresses6: dict[str, dict[str, str]] = {LOAD_BALANCER: {}}
        self._in_overlays: dict[str, None] = {}  # containers with an address in one of the swarm's
        self.pools = NodeAddresses()
        self._attachments: dict[str, dict[str, str]] = {}  # container -> network -> task
        self._attaching: dict[str, Call] = {}  # by container
        self.turns: dict[str, int] = {}  # of round robins
        self.guests: dict[str, None] = {}  # networks in which a client on this node needs names
        self._due = False

    # -- networks -----------------------------------------------------------------------
    def find(self, reference: str) -> SwarmNetwork | None:
        """The network of this node that has this id or name."""
        known = self.local | self.overlays
        by_name = (network for network in known.values() if network.name == reference)
        return known.get(reference) or next(by_name, None)

    def create(self, **spec: object) -> SwarmNetwork:
        """A new network of this node alone; a bridge without a subnet gets the next one."""
        simulation = self.machine.simulation
        network = local_network(simulation.random_bytes(32).hex(), simulation.now_ns, **spec)
        if not has_ipv6_subnet(network):
            raise NoSuchObject(NO_IPV6_SUBNET)
        taken = [ip_network(s, strict=False) for n in self.local.values() for s in subnets(n)]
        wanted = [ip_network(s, strict=False) for s in subnets(network)]
        if any(one.overlaps(other) for one in wanted for other in taken):
            raise Forbidden("Pool overlaps with other one on this address space")
        if network.spec["Driver"] == "bridge" and all(n.version == 6 for n in wanted):
            subnet = next_subnet(POOLS_16, 16, taken) or next_subnet(POOLS_20, 20, taken)
            if not subnet:
                raise EngineFault("all predefined address pools have been fully subnetted")
            gateway = Subnet(subnet).gateway.partition("/")[0]
            given = Document(Subnet=subnet, Gateway=gateway)
            ipam = network.spec["IPAM"]
            ipam = ipam.with_(Config=(*(ipam.get("Config") or ()), given))
            network = network.with_(spec=network.spec.with_(IPAM=ipam, PoolSubnet=True))
        self.local[network.id] = network
        self._save()
        self.report("create", network)
        return network

    def remove(self, network: SwarmNetwork) -> None:
        del self.local[network.id]
        self._save()
        self.report("destroy", network)

    def report(self, action: str, network: SwarmNetwork | None, **attributes: str) -> None:
        if network is not None:
            attributes |= {"name": network.name, "type": network.spec.get("Driver") or "overlay"}
            self.host.record("network", action, network.id, **attributes)

    def _save(self) -> None:
        kept = {id: n for id, n in self.local.items() if n.name not in BUILTIN}
        self.machine.disk.write(FILE, pickle.dumps(kept))

    def containers_in(self, network_id: str) -> dict[str, str]:
        """Container id -> its address in a network."""
        return {c: a[network_id] for c, a in self.addresses.items() if network_id in a}

    # -- the swarm ----------------------------------------------------------------------
    def session_changed(self, attachments: tuple[Document, ...]) -> None:
        """The node has joined or left a swarm, or is attached to other networks of it."""
        now_ns, known = self.machine.simulation.now_ns, self.overlays
        by_id = {attachment["Network"]["ID"]: attachment for attachment in attachments}
        self.overlays = {
            id: known.get(id) or attached_network(attachment, now_ns)
            for id, attachment in by_id.items()
        }
        self.load_balancers = {id: own["Addresses"][0] for id, own in by_id.items()}
        if attachments and self.find(GATEWAY_BRIDGE) is None:
            self.create(Name=GATEWAY_BRIDGE, Options=OPTIONS[GATEWAY_BRIDGE])
        self.db.join(self.host.cluster_id)
        self._publish_soon()

    def ready(self, networks: list[str]) -> Call:
        result = Call()
        deadline_ns = self.machine.simulation.now_ns + READY_TIMEOUT_NS
        self._check_ready(networks, deadline_ns, result)
        return result

    def _check_ready(self, networks: list[str], deadline_ns: int, result: Call) -> None:
        if broken := "".join(self._broken(self.overlays.get(id)) for id in networks):
            result.fail(EngineFault(broken))
        elif all(id in self.overlays for id in networks):
            result.resolve()
        elif self.machine.simulation.now_ns >= deadline_ns:
            result.fail(EngineFault(EXHAUSTED))
        else:
            self.machine.after(READY_POLL_NS, self._check_ready, networks, deadline_ns, result)

    def _broken(self, network: SwarmNetwork | None) -> str:
        """Why this node cannot make an overlay: a node's load balancer needs an IPv4 address."""
        if network is None:
            return ""
        address = self.load_balancers.get(network.id, "").partition("/")[0]
        if ":" in address:
            return f"invalid address {address}: It does not belong to any of this network's subnets"
        return "" if has_ipv6_subnet(network) else NO_IPV6_SUBNET

    # -- containers -----------------------------------------------------------------------
    def join(self, container: ProcessContainer) -> Call:
        result, own = Call(), self.host.containers.get(container.id)
        self.addresses[own.id] = {}
        self._join_next(Call().resolve(), own, list(requested(own)), result)
        return result

    def _join_next(self, call: Call, container: Container, left: list[str], result: Call) -> None:
        if call.error:
            self.leave(container)
            result.fail(call.error)
        elif left:
            joined = Call.of(self.connect_to, container, left[0])
            joined.then(self._join_next, container, left[1:], result)
        else:
            result.resolve()

    def connect_to(self, container: Container, name: str) -> Call:
        """Give a running container an address in one of the networks it asks for."""
        settings = requested(container).get(name) or EMPTY
        wish = settings.at("IPAMConfig", "IPv4Address", default="")
        network = self.find(name)
        label = (container.config.get("Labels") or EMPTY).get("com.docker.swarm.task.id")
        if network is not None and network.id in self.local:
            self._place(container, network, self.pools.take(network, 4, wish))
        elif network is not None and label:
            (subnet, *_) = subnets(network)
            self._place(container, network, f"{wish}/{subnet.partition('/')[2]}")
        elif self.host.agent is None:
            raise NoSuchObject(f"network {name} not found")
        else:
            return self._ask_to_attach(self.host.agent, container, name, wish)
        return Call().resolve()

    def _place(self, container: Container, network: SwarmNetwork, address: str) -> None:
        own = self.addresses.setdefault(container.id, {})
        asked = requested(container).get(network.name) or EMPTY
        wish = asked.at("IPAMConfig", "IPv6Address", default="")
        self._take_address6(container.id, network, wish)
        own[network.id] = address
        self.report("connect", network, container=container.id)
        if network.id in self.overlays:
            self._in_overlays[container.id] = None
        bridge = self.find(GATEWAY_BRIDGE)
        if network.id in self.overlays and bridge is not None and bridge.id not in own:
            own[bridge.id] = self.pools.take(bridge)
        self.changed()

    def _take_address6(self, holder: str, network: SwarmNetwork, wish: str) -> None:
        """The nodes of an overlay hand out its IPv6 addresses, each by itself."""
        balancers = self.addresses6[LOAD_BALANCER]
        if network.id in self.load_balancers and network.id not in balancers:
            balancers[network.id] = self.pools.take(network, 6)
        self.addresses6.setdefault(holder, {})[network.id] = self.pools.take(network, 6, wish)

    def _ask_to_attach(self, agent: Agent, container: Container, name: str, wish: str) -> Call:
        result = Call()
        ask = AttachNetwork(self.host.node_id, name, container.id, wish)
        self._attaching[container.id] = result
        asked = self.machine.call(agent.leader, ask, timeout_ns=ATTACH_TIMEOUT_NS)
        asked.then(self._asked, name, result)
        self.machine.after(ATTACH_TIMEOUT_NS, self._give_up, result)
        return result

    def _asked(self, asked: Call, name: str, result: Call) -> None:
        if asked.error is not None:
            result.fail(_could_not_attach(name, asked.error))

    def _give_up(self, result: Call) -> None:
        result.fail(EngineFault(f"{ATTACH_FAILED}: {DeadlineExceeded()}"))

    def attach(self, container_id: str, attachment_id: str, network: str, address: str) -> Call:
        found, waiting = self.find(network), self._attaching.pop(container_id, None)
        if broken := self._broken(found):
            return Call().fail(EngineFault(broken))  # the user waits in vain
        if found is None or waiting is None or waiting.done:
            return Call().fail(EngineFault(f"container {container_id} waits for no network"))
        self._attachments.setdefault(container_id, {})[network] = attachment_id
        self._place(self.host.containers.get(container_id), found, address)
        waiting.resolve()
        return Call().resolve()

    def disconnect(self, container_id: str, network_id: str) -> None:
        """Take away the address that a container has in a network."""
        address = self.addresses.get(container_id, {}).pop(network_id, "")
        self.report("disconnect", self.find(network_id), container=container_id)
        for taken in (address, self.addresses6.get(container_id, {}).pop(network_id, "")):
            self.pools.free(network_id, taken)
        attachment = self._attachments.get(container_id, {}).pop(network_id, "")
        if attachment and self.host.agent is not None:
            self.machine.call(self.host.agent.leader, DetachNetwork(self.host.node_id, attachment))
        self.changed()

    def leave(self, container: ProcessContainer) -> None:
        if waiting := self._attaching.pop(container.id, None):
            waiting.fail(NoSuchObject(f"No such container: {container.id}"))
        for network_id in list(self.addresses.get(container.id, ())):
            self.disconnect(container.id, network_id)
        self.addresses.pop(container.id, None)
        self.addresses6.pop(container.id, None)
        self._in_overlays.pop(container.id, None)

    # -- what other nodes are told ----------------------------------------------------------
    def changed(self) -> None:
        if self._in_overlays:  # others are told of no other container
            self._publish_soon()

    def host_client(self, network_id: str) -> None:
        """A client on this node needs a network that no container here is in."""
        if network_id not in self.guests:
            self.guests[network_id] = None
            self._publish_soon()

    def _publish_soon(self) -> None:
        if not self._due:
            self._due = True
            self.machine.after(0, self._publish)

    def _publish(self) -> None:
        self._due = False
        tables: dict[str, dict[str, Endpoint]] = {id: {} for id in self.overlays}
        for network_id, endpoint in self.endpoints():
            if network_id in tables:
                key = f"{endpoint.task or endpoint.names[0]} {endpoint.container}"
                tables[network_id][key] = endpoint
        self.db.attend([*tables, *self.guests])
        for network_id, own in tables.items():
            self.db.publish(network_id, own)

    def endpoints(self) -> Iterator[tuple[str, Endpoint]]:
        """The endpoints of this node's containers that can be reached, each with its network.

        A task is one from RUNNING (with a health check: healthy) until its orderly stop begins.
        """
        tasks = self.host.agent.tasks.values() if self.host.agent is not None else ()
        in_turn = {
            manager.task.name: manager.task
            for manager in tasks
            if manager.task.state == TaskState.RUNNING
            and manager.controller is not None
            and manager.controller.in_load_balancer
        }
        for container_id, addresses in self.addresses.items():
            container = self.host.containers.get(container_id)
            labels = container.config.get("Labels") or EMPTY
            task = in_turn.get(container.name)
            if container.process is None or (task is None and "com.docker.swarm.task" in labels):
                continue
            for network_id, address in addresses.items():
                yield network_id, self._endpoint(container, network_id, address, task)

    def _endpoint(
        self, container: Container, network_id: str, address: str, task: Task | None
    ) -> Endpoint:
        network = self.find(network_id)
        settings = requested(container).get(network.name if network is not None else "") or EMPTY
        names = container.name, container.id[:12], container.hostname, *settings.get("Aliases", ())
        node, names = self.machine.name, tuple(dict.fromkeys(names))
        address6 = self.addresses6.get(container.id, {}).get(network_id, "").partition("/")[0]
        address6 = "" if network_id in self.overlays else address6  # gossip tells none
        plain = Endpoint(node, container.id, address.partition("/")[0], names, address6=address6)
        if task is None:
            return plain
        given = task.endpoint or EMPTY
        ips = given.get("VirtualIPs", ())
        virtual = [ip["Addr"] for ip in ips if ip["NetworkID"] == network_id]
        targets = [n for n in task.spec.networks if n.get("Target") == network_id]
        ingress = network is not None and network.spec.get("Ingress")
        ports = [p for p in given.get("Ports", ()) if ingress and is_ingress(p)]
        return plain._replace(
            service=task.service_name,
            aliases=tuple(alias for n in targets for alias in n.get("Aliases") or ()),
            virtual_ip=virtual[0].partition("/")[0] if virtual else "",
            ports=tuple((p["PublishedPort"], p.get("TargetPort", 0)) for p in ports),
            task=f"{task.service_name}.{task.slot or self.machine.name}",
            task_id=task.id,
            version=task.spec.image.partition("@")[0],
        )


def _could_not_attach(name: str, error: SwarmError) -> EngineRefusal:
    refusal = EngineFault(f"Could not attach to network {name}: {error}")
    refusal.status = error.status
    return refusal
