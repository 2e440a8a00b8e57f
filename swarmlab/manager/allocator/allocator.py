"""The allocator: subnets, published ports, virtual IPs and addresses, before tasks are scheduled.

A network gets a subnet; a service its published ports and one virtual IP for each network; a task
one address for each network. A NEW task becomes PENDING once its service and networks have theirs;
until then it stays NEW without an error message, as in SwarmKit. A node gets an address, for its
load balancer, in the ingress network and in each network of the tasks that it is assigned.
Source: swarmkit manager/allocator/network.go.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import islice

from swarmlab import model
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.manager.tasks import PENDING
from swarmlab.network.cnm_allocator import CnmAllocator, is_overlay
from swarmlab.simulation import Simulation


class Allocator(ControlLoop):
    watches = (model.SwarmNetwork, model.Node, model.Service, model.Task)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self.given = CnmAllocator()
        # Node -> network -> the tasks that use it there.
        self._users: dict[str, dict[str, dict[str, None]]] = {}
        # Network -> the nodes for which it had no address left.
        self._short: defaultdict[str, dict[str, None]] = defaultdict(dict)
        tables = ("network", "node", "service", "task")
        self._waiting: dict[str, dict[str, None]] = {table: {} for table in tables}
        for network in view.all(model.SwarmNetwork):
            self.given.restore_network(network)
            self._waiting["network"][network.id] = None
        for node in view.all(model.Node):
            self.given.take(node.attachments)
            self._waiting["node"][node.id] = None
        for service in view.all(model.Service):
            self.given.restore_endpoint(service.endpoint or model.EMPTY)
            self._waiting["service"][service.id] = None
        for task in view.all(model.Task):
            if task.state <= model.TaskState.RUNNING:
                self.given.take(task.networks)
                self._count(task, uses=True)
            if task.state == model.TaskState.NEW:
                self._waiting["task"][task.id] = None

    def _count(self, task: model.Task, *, uses: bool) -> None:
        """Look at a node again when its first task uses a network, or the last one has ended."""
        for attachment in task.networks if task.node_id else ():
            networks, id = self._users.setdefault(task.node_id, {}), attachment["Network"]["ID"]
            users = networks.setdefault(id, {})
            if users.keys() <= {task.id}:
                self._waiting["node"][task.node_id] = None
            users.pop(task.id, None)
            if uses:
                users[task.id] = None
            elif not users:
                del networks[id]

    # -- seeing commits ---------------------------------------------------------------
    def see(self, old: model.StoreObject | None, new: model.StoreObject | None) -> bool:
        if isinstance(new, model.SwarmNetwork | model.Service):
            self._waiting[new.table][new.id] = None
            self._waiting["node"] |= self._short.get(new.id, {})
            return True
        if isinstance(new, model.Node):
            self._waiting["node"] |= {} if old is not None else {new.id: None}
            return old is None or bool(self._waiting["task"])
        if isinstance(new, model.Task):
            if isinstance(old, model.Task) and old.state <= model.TaskState.RUNNING < new.state:
                self._ended(new)
                return self._has_work()
            if new.state == model.TaskState.NEW:
                self._waiting["task"][new.id] = None
                return True
            if new.state == model.TaskState.ASSIGNED and new.networks:
                self._count(new, uses=True)
                return bool(self._waiting["node"])
            return False
        if isinstance(old, model.Service):
            self.given.free_endpoint(old.endpoint or model.EMPTY)
        elif isinstance(old, model.SwarmNetwork):
            self.given.free_network(old)
        elif isinstance(old, model.Node):
            self.given.free(old.attachments)
            self._not_short(old.id)
        elif isinstance(old, model.Task) and old.state <= model.TaskState.RUNNING:
            self._ended(old)
        return self._has_work()

    def _has_work(self) -> bool:
        return any(self._waiting.values()) or any(self._short.get(id) for id in self.given.freed)

    def _ended(self, task: model.Task) -> None:
        self.given.free(task.networks)
        self._count(task, uses=False)

    # -- deciding --------------------------------------------------------------------
    def decide(self, view: Store) -> list[Change]:
        networks = [view.get(model.SwarmNetwork, id) for id in self._waiting["network"]]
        waiting = [network for network in networks if network is not None and is_overlay(network)]
        allocated = [self.given.network(network, view.cluster) for network in waiting]
        changes = [update(network) for network in allocated if network is not None]
        self._waiting["network"] = {n.id: None for n in waiting if not self.given.has(n.id)}
        changes += self._nodes(view)
        ingress_id = view.ingress.id if view.ingress is not None else ""
        for id in list(self._waiting["service"]):
            service, endpoint = view.services.get(id), None
            if service is not None:
                endpoint = self.given.endpoint(service, ingress_id, view.tables["network"])
            if service is None or endpoint is not None:
                del self._waiting["service"][id]
            if service and endpoint is not None and endpoint != (service.endpoint or {}):
                changes.append(update(replace(service, endpoint=endpoint)))
        if changes:
            return changes  # tasks use them in the next turn, when they are stored
        return self._tasks(view)

    def _nodes(self, view: Store) -> list[Change]:
        """Attach nodes to the networks that they need, and to no others.

        A node for which a network has no address left waits. Source: allocateNode.
        """
        changes: list[Change] = []
        for id, count in self.given.freed.items():
            self._waiting["node"] |= dict.fromkeys(islice(self._short.get(id, ()), count))
        self.given.freed.clear()
        ingress = [view.ingress.id] if view.ingress is not None else []
        for node_id in list(self._waiting["node"]):
            node = view.nodes.get(node_id)
            needed = dict.fromkeys([*ingress, *self._users.get(node_id, ())]) if node else {}
            had = {n["Network"]["ID"]: n for n in (node.attachments if node else ())}
            self.given.free(had[id] for id in had if id not in needed)
            has = [
                had.get(id) or self.given.attach(view.get(model.SwarmNetwork, id)) for id in needed
            ]
            self._not_short(node_id)
            for id in [id for id, attachment in zip(needed, has, strict=True) if not attachment]:
                self._short[id][node_id] = None
            del self._waiting["node"][node_id]
            given = tuple(attachment for attachment in has if attachment is not None)
            if node is not None and given != node.attachments:
                changes.append(update(replace(node, attachments=given)))
        return changes

    def _not_short(self, node_id: str) -> None:
        for nodes in self._short.values():
            nodes.pop(node_id, None)

    # -- tasks -------------------------------------------------------------------------
    def _tasks(self, view: Store) -> list[Change]:
        changes: list[Change] = []
        now_ns = self.simulation.now_ns
        pending = model.TaskStatus(
            state=model.TaskState.PENDING, timestamp_ns=now_ns, message=PENDING
        )
        for id in list(self._waiting["task"]):
            task = view.tasks.get(id)
            if task is None or task.state != model.TaskState.NEW:
                del self._waiting["task"][id]
                continue
            attachments = self._attachments(view, task)
            if attachments is not None:
                del self._waiting["task"][id]
                service = view.services.get(task.service_id)
                endpoint = service.endpoint if service is not None else None
                attached = task.with_(status=pending, networks=attachments, endpoint=endpoint)
                changes.append(update(attached))
        return changes

    def _attachments(self, view: Store, task: model.Task) -> tuple[model.Document, ...] | None:
        """The task's networks, ingress first, with an address each; None when one is missing."""
        service = view.services.get(task.service_id)
        # A container that attaches itself to a network is a task of no service.
        if task.service_id and (service is None or service.id in self._waiting["service"]):
            return None
        wishes = {n.get("Target", ""): (*n.get("Addresses", ()), "")[0] for n in task.spec.networks}
        ports = (task.endpoint_spec or model.EMPTY).get("Ports", ())
        if any(map(model.is_ingress, ports)) and view.ingress is not None:
            wishes = {view.ingress.id: "", **wishes}
        attachments: list[model.Document] = []
        for id, wish in wishes.items():
            network = view.get(model.SwarmNetwork, id)
            if network is None:
                continue  # a network of the node itself: bridge, host
            attachment = self.given.attach(network, wish)
            if attachment is None:
                self.given.free(attachments)
                return None
            attachments.append(attachment)
        return tuple(attachments)
