"""The Control API: what a user may ask of the swarm, checked and turned into changes.

Runs on the leader only. Every method takes the store as it is and returns changes, or raises what
SwarmKit would answer; nothing is written here. Source: swarmkit manager/controlapi/*.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from swarmlab.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unknown
from swarmlab.manager import validation
from swarmlab.manager.ca.certificates import (
    NO_EXTERNAL_AUTHORITY,
    check_new_root,
    cross_signed,
    new_root,
    new_token,
    new_unlock_key,
)
from swarmlab.manager.role_manager import is_safe_to_remove
from swarmlab.manager.store import Change, Store, create, remove, update
from swarmlab.model import (
    EMPTY,
    Cluster,
    Config,
    Document,
    Node,
    NodeSpec,
    NodeState,
    Role,
    Rotation,
    Secret,
    Service,
    ServiceSpec,
    StoreObject,
    SwarmNetwork,
    TaskState,
    TaskStatus,
    UpdateState,
    UpdateStatus,
)
from swarmlab.simulation import HOUR, Simulation

CERTIFICATE_EXPIRY_NS_MIN = HOUR

T = TypeVar("T", bound=StoreObject)


class Membership(Protocol):
    """The leader's view of the Raft group, as node ids."""

    def member_ids(self) -> list[str]: ...

    def reachable_ids(self) -> list[str]: ...


class ControlApi:
    def __init__(self, simulation: Simulation, membership: Membership) -> None:
        self.simulation = simulation
        self.membership = membership

    def _of(self, view: Store, kind: type[T], id: str) -> T:
        found = view.get(kind, id)
        if found is None:
            raise NotFound(f"{kind.table} {id} not found")
        return found

    def _check_version(self, object: StoreObject, version: int) -> None:
        if object.version != version:
            raise Unknown("update out of sequence")

    # -- services ----------------------------------------------------------------------
    def create_service(self, view: Store, spec: ServiceSpec) -> list[Change]:
        validation.check_service(spec)
        validation.check_networks(spec, view)
        validation.check_ports(spec, view)
        self._check_ingress(view, spec)
        validation.check_exist(spec, view)
        if view.named(Service, spec.name) is not None:
            raise AlreadyExists(
                f"name conflicts with an existing object: service {spec.name} already exists"
            )
        now_ns = self.simulation.now_ns
        service = Service(id=self.simulation.new_id(), spec=spec, job_started_ns=now_ns)
        return [create(service)]

    def _check_ingress(self, view: Store, spec: ServiceSpec) -> None:
        needs = any(port.get("PublishMode", "ingress") == "ingress" for port in spec.ports)
        if needs and not any(n.spec.get("Ingress") for n in view.all(SwarmNetwork)):
            raise FailedPrecondition(
                "service needs ingress network, but no ingress network is present"
            )

    def update_service(
        self, view: Store, id: str, version: int, spec: ServiceSpec, rollback: bool
    ) -> list[Change]:
        validation.check_service(spec)
        validation.check_networks(spec, view)
        service = self._of(view, Service, id)
        if "EndpointSpec" in spec and spec.endpoint != service.spec.endpoint:
            validation.check_ports(spec, view, own_id=id)
        validation.check_exist(spec, view)
        validation.check_update(service.spec, spec)
        now_ns = self.simulation.now_ns
        if rollback:
            if service.previous_spec is None:
                raise FailedPrecondition(f"service {service.id} does not have a previous spec")
            status = UpdateStatus(
                state=UpdateState.ROLLBACK_STARTED,
                message="manually requested rollback",
                started_ns=now_ns,
            )
            changed = replace(
                service,
                spec=service.previous_spec,
                spec_version=service.previous_spec_version,
                previous_spec=service.spec,
                previous_spec_version=service.spec_version,
                update_status=status,
            )
        else:
            changed = replace(
                service,
                spec=spec,
                spec_version=version,
                previous_spec=service.spec,
                previous_spec_version=service.spec_version,
                update_status=None,
            )
        self._check_ingress(view, changed.spec)
        self._check_version(service, version)
        if changed.spec.mode.endswith("-job"):
            changed = replace(
                changed, job_iteration=service.job_iteration + 1, job_started_ns=now_ns
            )
        return [update(changed)]

    def remove_service(self, view: Store, id: str) -> list[Change]:
        return [remove(self._of(view, Service, id))]

    # -- secrets and configs -------------------------------------------------------------
    def create_secret(self, view: Store, spec: Document, data: bytes) -> list[Change]:
        validation.check_object_name(spec.get("Name", ""))
        driver = spec.get("Driver")
        if driver is None:
            validation.check_data("secret", data, validation.SECRET_BYTES_MAX)
        elif not driver.get("Name"):
            raise InvalidArgument("secret driver must have a name")
        self._check_free(view, Secret, spec["Name"])
        return [create(Secret(id=self.simulation.new_id(), spec=spec, data=data))]

    def create_config(self, view: Store, spec: Document, data: bytes) -> list[Change]:
        validation.check_object_name(spec.get("Name", ""))
        validation.check_data("config", data, validation.CONFIG_BYTES_MAX)
        self._check_free(view, Config, spec["Name"])
        return [create(Config(id=self.simulation.new_id(), spec=spec, data=data))]

    def _check_free(self, view: Store, kind: type[Secret] | type[Config], name: str) -> None:
        if view.named(kind, name) is not None:
            raise AlreadyExists(f"{kind.table} {name} already exists")

    def update_secret(
        self, view: Store, id: str, version: int, spec: Document, data: bytes | None
    ) -> list[Change]:
        return self._relabel(self._of(view, Secret, id), version, spec, data)

    def update_config(
        self, view: Store, id: str, version: int, spec: Document, data: bytes | None
    ) -> list[Change]:
        return self._relabel(self._of(view, Config, id), version, spec, data)

    def _relabel(
        self, object: Secret | Config, version: int, spec: Document, data: bytes | None
    ) -> list[Change]:
        """Labels are all that may ever change."""
        if spec.get("Name") != object.name or (data and data != object.data):
            raise InvalidArgument("only updates to Labels are allowed")
        self._check_version(object, version)
        labels = object.spec.with_(Labels=spec.get("Labels") or Document())
        return [update(replace(object, spec=labels))]

    def remove_secret(self, view: Store, id: str) -> list[Change]:
        secret = self._of(view, Secret, id)
        self._check_unused(view, "secret", secret.name, "SecretID", id)
        return [remove(secret)]

    def remove_config(self, view: Store, id: str) -> list[Change]:
        config = self._of(view, Config, id)
        self._check_unused(view, "config", config.name, "ConfigID", id)
        return [remove(config)]

    def _check_unused(self, view: Store, kind: str, name: str, key: str, id: str) -> None:
        """Only present specs count: neither live tasks nor the spec before."""
        users = [
            service.name
            for service in view.all(Service)
            if any(
                ref.get(key) == id
                for ref in (*service.spec.task.secrets, *service.spec.task.configs)
            )
        ]
        if users:
            plural = "s" if len(users) > 1 else ""
            raise InvalidArgument(
                f"{kind} '{name}' is in use by the following service{plural}: {', '.join(users)}"
            )

    # -- networks ------------------------------------------------------------------------
    def create_network(self, view: Store, spec: Document) -> list[Change]:
        if spec.get("Ingress"):
            if spec.get("Attachable"):
                raise InvalidArgument("ingress network cannot be attachable")
            for network in view.all(SwarmNetwork):
                if network.spec.get("Ingress"):
                    raise AlreadyExists(f"ingress network ({network.id}) is already present")
        if view.named(SwarmNetwork, spec["Name"]) is not None:
            raise Unknown("name conflicts with an existing object")
        return [create(SwarmNetwork(id=self.simulation.new_id(), spec=spec))]

    def remove_network(self, view: Store, id: str) -> list[Change]:
        network = self._of(view, SwarmNetwork, id)
        services = view.all(Service)
        if network.spec.get("Ingress"):
            for service in services:
                if any(p.get("PublishMode", "ingress") == "ingress" for p in service.spec.ports):
                    raise FailedPrecondition(
                        f"ingress network cannot be removed because service {service.id} "
                        "depends on it"
                    )
        for service in services:
            if any(n.get("Target") == id for n in service.spec.task.networks):
                raise FailedPrecondition(f"network {id} is in use by service {service.id}")
        for task in view.tasks.values():
            attached = any(n.get("Target") == id for n in task.spec.networks)
            if attached and max(task.state, task.desired) <= TaskState.RUNNING:
                raise FailedPrecondition(f"network {id} is in use by task {task.id}")
        return [remove(network)]

    # -- nodes ---------------------------------------------------------------------------
    def update_node(self, view: Store, id: str, version: int, spec: NodeSpec) -> list[Change]:
        node = self._of(view, Node, id)
        if node.spec.role is Role.MANAGER and spec.role is Role.WORKER:
            self._check_demotion(view, node)
        self._check_version(node, version)
        return [update(replace(node, spec=spec))]

    def _check_demotion(self, view: Store, node: Node) -> None:
        if sum(n.role is Role.MANAGER for n in view.all(Node)) == 1:
            raise FailedPrecondition("attempting to demote the last manager of the swarm")
        members = self.membership.member_ids()
        if node.id not in members:
            raise NotFound("can't find manager in raft memberlist")
        if not is_safe_to_remove(self.membership.reachable_ids(), len(members), node.id):
            raise FailedPrecondition(
                "can't remove member from the raft: this would result in a loss of quorum"
            )

    def remove_node(self, view: Store, id: str, force: bool) -> list[Change]:
        """The node goes, its certificate is refused from now on, its tasks are orphans."""
        node = self._of(view, Node, id)
        if node.spec.role is Role.MANAGER and id in self.membership.member_ids():
            raise FailedPrecondition(
                f"node {id} is a cluster manager and is a member of the raft cluster. "
                "It must be demoted to worker before removal"
            )
        if node.status.state is NodeState.READY and not force:
            raise FailedPrecondition(f"node {id} is not down and can't be removed")
        status = TaskStatus(
            state=TaskState.ORPHANED,
            timestamp_ns=self.simulation.now_ns,
            message="Task belonged to a node that has been deleted",
        )
        orphans = [t for t in view.tasks_of_node(id) if t.state < TaskState.COMPLETE]
        removed = (*view.cluster.removed_node_ids, id)
        return [
            update(replace(view.cluster, removed_node_ids=removed)),
            *(update(replace(task, status=status)) for task in orphans),
            remove(node),
        ]

    # -- the swarm itself ------------------------------------------------------------------
    def update_cluster(
        self,
        view: Store,
        version: int,
        spec: Document,
        rotate_worker_token: bool,
        rotate_manager_token: bool,
        rotate_unlock_key: bool,
    ) -> list[Change]:
        """The spec is replaced whole: what the request leaves out becomes zero."""
        cluster = view.cluster
        if spec.at("CAConfig", "NodeCertExpiry", default=0):
            expiry_ns = spec["CAConfig"]["NodeCertExpiry"]
            if expiry_ns < CERTIFICATE_EXPIRY_NS_MIN:
                raise InvalidArgument("minimum certificate expiry time is: 1h0m0s")
        if spec.at("Dispatcher", "HeartbeatPeriod", default=0) < 0:
            raise InvalidArgument("heartbeat time period cannot be a negative duration")
        self._check_version(cluster, version)
        changed = self._rotated(cluster, cluster.with_(spec=_public(spec)), spec)
        root, simulation = cluster.root_certificate, self.simulation
        if rotate_worker_token:
            changed = replace(changed, worker_token=new_token(root, simulation))
        if rotate_manager_token:
            changed = replace(changed, manager_token=new_token(root, simulation))
        if not changed.autolock:
            changed = replace(changed, unlock_key="")
        elif rotate_unlock_key or not changed.unlock_key:
            changed = replace(changed, unlock_key=new_unlock_key(simulation))
        return [update(changed)]

    def _rotated(self, cluster: Cluster, changed: Cluster, spec: Document) -> Cluster:
        """With a root rotation begun, where the spec asks for one."""
        wanted, before = spec.get("CAConfig") or EMPTY, cluster.spec.get("CAConfig") or EMPTY
        if wanted.get("ExternalCAs"):
            raise InvalidArgument(NO_EXTERNAL_AUTHORITY)
        certificate, key = wanted.get("SigningCACert", ""), wanted.get("SigningCAKey", "")
        if key and not certificate:
            raise InvalidArgument(
                "if a signing CA key is provided, the signing CA cert must also be provided"
            )
        if certificate:
            check_new_root(certificate, key, cluster, self.simulation.now_ns)
        elif wanted.get("ForceRotate", 0) == before.get("ForceRotate", 0):
            return changed
        else:
            certificate, key = new_root(self.simulation)
        old, old_key = cluster.root_certificate, cluster.root_key
        signed = cross_signed(old, old_key, certificate, self.simulation)
        rotation = Rotation(certificate=certificate, key=key, cross_signed=signed)
        return changed.with_(rotation=rotation)


def _public(spec: Document) -> Document:
    """The spec as it may be read back: without the keys that came with it."""
    authority = spec.get("CAConfig")
    if authority is None:
        return spec
    return spec.with_(CAConfig=authority.with_(SigningCACert=None, SigningCAKey=None))


# What a follower may pass on, and a client may ask for: each method above, and reading.
METHODS: dict[str, Callable[..., list[Change]]] = {
    name: method
    for name, method in vars(ControlApi).items()
    if not name.startswith("_") and callable(method)
}
