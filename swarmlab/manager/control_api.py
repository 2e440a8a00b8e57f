"""The Control API: checks each command of a user and turns it into changes of the store.

Runs on the leader only. `COMMANDS`, at the end, maps each command to its handler. A handler takes
the store as it is and returns changes, or raises the error that SwarmKit would answer; it writes
nothing. Source: swarmkit manager/controlapi/*.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from swarmlab import model
from swarmlab.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unknown
from swarmlab.manager import secrets, validation
from swarmlab.manager.ca import certificates
from swarmlab.manager.ca.data_keys import new_unlock_key
from swarmlab.manager.ca.join_tokens import new_token
from swarmlab.manager.leader import Leader, is_safe_to_remove
from swarmlab.manager.store import Change, Store, check_version, create, remove, update
from swarmlab.model import messages
from swarmlab.simulation import HOUR, Simulation

CERTIFICATE_EXPIRY_NS_MIN = HOUR
TASKS_MAX = 100_000  # of all replicated services and jobs


# -- services ----------------------------------------------------------------------------------
def create_service(view: Store, command: messages.CreateService, leader: Leader) -> list[Change]:
    spec, simulation = command.spec, leader.simulation
    validation.check_service(spec)
    validation.check_networks(spec, view)
    validation.check_ports(spec, view)
    _check_ingress(view, spec)
    secrets.check_exist(spec, view)
    _check_size(view, spec)
    if view.named(model.Service, spec.name) is not None:
        raise AlreadyExists(
            f"name conflicts with an existing object: service {spec.name} already exists"
        )
    id, now_ns = simulation.new_id(), simulation.now_ns
    return [create(model.Service(id=id, spec=spec, job_started_ns=now_ns))]


def _check_size(view: Store, spec: model.ServiceSpec, own_id: str = "") -> None:
    """Docker has no such limit; more tasks would take more memory than a laptop has."""
    specs = [spec, *(service.spec for service in view.all(model.Service) if service.id != own_id)]
    modes = [
        mode or model.EMPTY for each in specs for mode in each.get("Mode", model.EMPTY).values()
    ]
    if (count := sum(max(mode.values(), default=1) for mode in modes)) > TASKS_MAX:
        text = f"this simulation runs at most {TASKS_MAX} tasks; with this service it would be "
        raise InvalidArgument(f"{text}{count}")


def _check_ingress(view: Store, spec: model.ServiceSpec) -> None:
    if any(map(model.is_ingress, spec.ports)) and view.ingress is None:
        raise FailedPrecondition("service needs ingress network, but no ingress network is present")


def update_service(view: Store, command: messages.UpdateService, leader: Leader) -> list[Change]:
    spec, now_ns = command.spec, leader.simulation.now_ns
    validation.check_service(spec)
    validation.check_networks(spec, view)
    service = view.require(model.Service, command.id)
    if "EndpointSpec" in spec and spec.endpoint != service.spec.endpoint:
        validation.check_ports(spec, view, own_id=service.id)
    secrets.check_exist(spec, view)
    validation.check_update(service.spec, spec)
    spec_version, status = command.version, None
    if command.rollback:
        if service.previous_spec is None:
            raise FailedPrecondition(f"service {service.id} does not have a previous spec")
        spec, spec_version = service.previous_spec, service.previous_spec_version
        status = model.UpdateStatus(
            state=model.UpdateState.ROLLBACK_STARTED,
            message="manually requested rollback",
            started_ns=now_ns,
        )
    changed = replace(
        service,
        spec=spec,
        spec_version=spec_version,
        previous_spec=service.spec,
        previous_spec_version=service.spec_version,
        update_status=status,
    )
    _check_ingress(view, spec)
    check_version(service, command.version)
    _check_size(view, spec, own_id=service.id)
    if spec.mode.endswith("-job"):
        iteration = service.job_iteration + 1
        changed = replace(changed, job_iteration=iteration, job_started_ns=now_ns)
    return [update(changed)]


def remove_service(view: Store, command: messages.RemoveService, leader: Leader) -> list[Change]:
    return [remove(view.require(model.Service, command.id))]


# -- networks ----------------------------------------------------------------------------------
def create_network(view: Store, command: messages.CreateNetwork, leader: Leader) -> list[Change]:
    spec = command.spec
    if spec.get("Ingress"):
        if spec.get("Attachable"):
            raise InvalidArgument("ingress network cannot be attachable")
        if view.ingress is not None:
            raise AlreadyExists(f"ingress network ({view.ingress.id}) is already present")
    validation.check_name(spec["Name"])
    if view.named(model.SwarmNetwork, spec["Name"]) is not None:
        raise Unknown("name conflicts with an existing object")
    return [create(model.SwarmNetwork(id=leader.simulation.new_id(), spec=spec))]


def remove_network(view: Store, command: messages.RemoveNetwork, leader: Leader) -> list[Change]:
    network = view.require(model.SwarmNetwork, command.id)
    for service in view.all(model.Service) if network.spec.get("Ingress") else ():
        if any(map(model.is_ingress, service.spec.ports)):
            raise FailedPrecondition(
                f"ingress network cannot be removed because service {service.id} depends on it"
            )
    for service in view.all(model.Service):
        if any(n.get("Target") == network.id for n in service.spec.task.networks):
            raise FailedPrecondition(f"network {network.id} is in use by service {service.id}")
    for task in view.tasks.values():
        attached = any(n.get("Target") == network.id for n in task.spec.networks)
        if attached and max(task.state, task.desired) <= model.TaskState.RUNNING:
            raise FailedPrecondition(f"network {network.id} is in use by task {task.id}")
    return [remove(network)]


# -- nodes -------------------------------------------------------------------------------------
def update_node(view: Store, command: messages.UpdateNode, leader: Leader) -> list[Change]:
    node = view.require(model.Node, command.id)
    if node.spec.role is model.Role.MANAGER and command.spec.role is model.Role.WORKER:
        _check_demotion(view, node, leader)
    check_version(node, command.version)
    return [update(replace(node, spec=command.spec))]


def _check_demotion(view: Store, node: model.Node, leader: Leader) -> None:
    if sum(n.role is model.Role.MANAGER for n in view.all(model.Node)) == 1:
        raise FailedPrecondition("attempting to demote the last manager of the swarm")
    if node.id not in leader.member_ids():
        raise NotFound("can't find manager in raft memberlist")
    if not is_safe_to_remove(leader, node.id):
        raise FailedPrecondition(
            "can't remove member from the raft: this would result in a loss of quorum"
        )


def remove_node(view: Store, command: messages.RemoveNode, leader: Leader) -> list[Change]:
    """Remove the node, orphan its tasks, and refuse its certificate from now on."""
    id, node = command.id, view.require(model.Node, command.id)
    if node.spec.role is model.Role.MANAGER and id in leader.member_ids():
        raise FailedPrecondition(
            f"node {id} is a cluster manager and is a member of the raft cluster. "
            "It must be demoted to worker before removal"
        )
    if node.status.state is model.NodeState.READY and not command.force:
        raise FailedPrecondition(f"node {id} is not down and can't be removed")
    status = model.TaskStatus(
        state=model.TaskState.ORPHANED,
        timestamp_ns=leader.simulation.now_ns,
        message="Task belonged to a node that has been deleted",
    )
    orphans = [t for t in view.tasks_of_node(id) if t.state < model.TaskState.COMPLETE]
    removed = (*view.cluster.removed_node_ids, id)
    return [
        update(replace(view.cluster, removed_node_ids=removed)),
        *(update(task.with_(status=status)) for task in orphans),
        remove(node),
    ]


# -- the swarm itself --------------------------------------------------------------------------
def update_cluster(view: Store, command: messages.UpdateCluster, leader: Leader) -> list[Change]:
    cluster, spec, simulation = view.cluster, command.spec, leader.simulation
    if spec.at("CAConfig", "NodeCertExpiry", default=0):
        expiry_ns = spec["CAConfig"]["NodeCertExpiry"]
        if expiry_ns < CERTIFICATE_EXPIRY_NS_MIN:
            raise InvalidArgument("minimum certificate expiry time is: 1h0m0s")
    if spec.at("Dispatcher", "HeartbeatPeriod", default=0) < 0:
        raise InvalidArgument("heartbeat time period cannot be a negative duration")
    check_version(cluster, command.version)
    rotation = _root_rotation(cluster, spec, simulation) or cluster.rotation
    changed, root = cluster.with_(spec=_public(spec), rotation=rotation), cluster.root_certificate
    if command.worker_token_rotation:
        changed = changed.with_(worker_token=new_token(root, simulation))
    if command.manager_token_rotation:
        changed = changed.with_(manager_token=new_token(root, simulation))
    if not changed.autolock:
        changed = changed.with_(unlock_key="")
    elif command.unlock_key_rotation or not changed.unlock_key:
        changed = changed.with_(unlock_key=new_unlock_key(simulation))
    return [update(changed)]


def _root_rotation(
    cluster: model.Cluster, spec: model.Document, simulation: Simulation
) -> model.Rotation | None:
    """The root rotation to begin, if the spec asks for one."""
    authority = spec.get("CAConfig") or model.EMPTY
    before = cluster.spec.get("CAConfig") or model.EMPTY
    if authority.get("ExternalCAs"):
        raise InvalidArgument(certificates.NO_EXTERNAL_AUTHORITY)
    certificate, key = authority.get("SigningCACert", ""), authority.get("SigningCAKey", "")
    if key and not certificate:
        raise InvalidArgument(
            "if a signing CA key is provided, the signing CA cert must also be provided"
        )
    if certificate:
        certificates.check_new_root(certificate, key, cluster, simulation.now_ns)
    elif authority.get("ForceRotate", 0) == before.get("ForceRotate", 0):
        return None
    else:
        certificate, key = certificates.new_root(simulation)
    old, old_key = cluster.root_certificate, cluster.root_key
    signed = certificates.cross_signed(old, old_key, certificate, simulation)
    return model.Rotation(certificate=certificate, key=key, cross_signed=signed)


def _public(spec: model.Document) -> model.Document:
    """The spec as it may be read back: without the keys that came with it."""
    authority = spec.get("CAConfig")
    if authority is None:
        return spec
    return spec.with_(CAConfig=authority.with_(SigningCACert=None, SigningCAKey=None))


# Command -> the function that decides on it.
COMMANDS: dict[type[messages.ControlCommand], Callable[..., list[Change]]] = {
    messages.CreateService: create_service,
    messages.UpdateService: update_service,
    messages.RemoveService: remove_service,
    messages.CreateSecret: secrets.create_secret,
    messages.UpdateSecretLabels: secrets.update_secret_labels,
    messages.RemoveSecret: secrets.remove_secret,
    messages.CreateConfig: secrets.create_config,
    messages.UpdateConfigLabels: secrets.update_config_labels,
    messages.RemoveConfig: secrets.remove_config,
    messages.CreateNetwork: create_network,
    messages.RemoveNetwork: remove_network,
    messages.UpdateNode: update_node,
    messages.RemoveNode: remove_node,
    messages.UpdateCluster: update_cluster,
}
