"""Stored objects and events as the JSON of the Docker Engine API.

Specs are stored as they are sent, so this adds ids, versions, times, and what managers and workers
have observed. Fields that are empty are left out where Docker does so; a secret's data never
appears. Source: moby api/types/swarm, daemon/cluster/convert.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from swarmlab import model
from swarmlab.manager.ca.certificates import public_key_of
from swarmlab.model import EMPTY, Document
from swarmlab.simulation import EPOCH_NS

Json = dict[str, Any]
Time = Callable[[int], str]  # a virtual time -> RFC 3339, as a clock driver shows it
NEVER = "0001-01-01T00:00:00Z"
NO_IPAM = Document(Driver="", Options=None, Config=None)
NETWORK_FLAGS = ("EnableIPv6", "Internal", "Attachable", "Ingress", "ConfigOnly")


@lru_cache(maxsize=1 << 14)  # from one listing to the next most times stay the same
def rfc3339(unix_ns: int, digits: int = 0) -> str:
    """As Go prints a time: up to nine decimals, with no zeros at the end beyond `digits`."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    text, fraction = datetime.fromtimestamp(seconds, UTC).isoformat()[:19], f"{ns:09d}".rstrip("0")
    return f"{text}.{fraction:0<{digits}}".rstrip(".") + "Z"


def virtual_time(virtual_ns: int) -> str:
    """A virtual time as requests in this process show it."""
    return rfc3339(EPOCH_NS + virtual_ns)


def present(**fields: Any) -> Json:
    """The fields that are neither None nor empty text."""
    return {key: value for key, value in fields.items() if value is not None and value != ""}


def envelope(object: model.StoreObject, at: Time) -> Json:
    return {
        "ID": object.id,
        "Version": {"Index": object.version},
        "CreatedAt": at(object.created_ns),
        "UpdatedAt": at(object.updated_ns),
    }


# -- cluster -------------------------------------------------------------------------------------
@lru_cache(maxsize=8)
def tls_info(root_certificate: str, issuer_key: bytes = b"") -> Document:
    """Docker's TLSInfo: the root certificate, and name and public key (DER) of the issuer.

    The issuer is the root itself unless a root rotation is in progress.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    root = x509.load_pem_x509_certificate(root_certificate.encode())
    key = root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Document(
        TrustRoot=root_certificate,
        CertIssuerSubject=base64.b64encode(root.issuer.public_bytes()).decode(),
        CertIssuerPublicKey=base64.b64encode(issuer_key or key).decode(),
    )


def cluster_info(cluster: model.Cluster, at: Time) -> Json:
    """The swarm as in /info: all fields but the join tokens."""
    rotation = cluster.rotation
    issuer = public_key_of(rotation.certificate) if rotation is not None else b""
    return {
        **envelope(cluster, at),
        "Spec": cluster.spec,
        "TLSInfo": tls_info(cluster.root_certificate, issuer),
        "RootRotationInProgress": cluster.rotation is not None,
        "DefaultAddrPool": cluster.default_address_pool,
        "SubnetSize": cluster.subnet_size,
        "DataPathPort": cluster.data_path_port,
    }


def swarm(cluster: model.Cluster, at: Time) -> Json:
    tokens = {"Worker": cluster.worker_token, "Manager": cluster.manager_token}
    return {**cluster_info(cluster, at), "JoinTokens": tokens}


# -- nodes ---------------------------------------------------------------------------------------
def node(node: model.Node, at: Time, managers: Iterable[model.ManagerStatus]) -> Json:
    status = present(State=node.status.state, Message=node.status.message, Addr=node.status.addr)
    answer = {
        **envelope(node, at),
        "Spec": node.spec,
        "Description": node.description,
        "Status": status,
    }
    for manager in managers:
        if manager.node_id == node.id:
            answer["ManagerStatus"] = manager_status(manager)
    return answer


def manager_status(status: model.ManagerStatus) -> Json:
    return present(Leader=status.leader or None, Reachability=status.reachability, Addr=status.addr)


# -- services ------------------------------------------------------------------------------------
def service(service: model.Service, at: Time, status: Json | None = None) -> Json:
    """A service; `status` is the count of its tasks, for requests that ask for it."""
    document = {
        **envelope(service, at),
        "Spec": service.spec,
        **present(PreviousSpec=service.previous_spec),
        "Endpoint": {"Spec": service.spec.endpoint, **(service.endpoint or EMPTY)},
    }
    if update := service.update_status:
        document["UpdateStatus"] = present(
            State=update.state,
            StartedAt=at(update.started_ns),
            CompletedAt=None if update.completed_ns is None else at(update.completed_ns),
            Message=update.message,
        )
    if status is not None:
        document["ServiceStatus"] = status
    if "job" in service.spec.mode:
        last_execution, iteration = at(service.job_started_ns), {"Index": service.job_iteration}
        document["JobStatus"] = {"JobIteration": iteration, "LastExecution": last_execution}
    return document


def service_status(service: model.Service, tasks: Iterable[model.Task]) -> Json:
    """How many tasks of a service run, should run, and (in a job's current iteration) are complete.

    A task counts as running when it was last observed so, on down nodes too. Source: swarmkit
    manager/controlapi/service.go, ListServiceStatuses.
    """
    mode, job = service.spec.mode, "job" in service.spec.mode
    current = [t for t in tasks if not job or (t.job_iteration or 0) == service.job_iteration]
    complete = sum(t.state == model.TaskState.COMPLETE for t in current) if job else 0
    if mode == "replicated":
        desired = service.spec.replicas
    elif mode == "replicated-job":
        desired = service.spec.at("Mode", "ReplicatedJob", "MaxConcurrent", default=0)
    else:
        goal = model.TaskState.COMPLETE if job else model.TaskState.RUNNING
        desired = sum(t.desired == goal and t.state != model.TaskState.COMPLETE for t in current)
    running = sum(t.state == model.TaskState.RUNNING for t in current)
    return {"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": complete}


# -- tasks ---------------------------------------------------------------------------------------
def task(task: model.Task, at: Time) -> Json:
    status, iteration = task.status, task.job_iteration
    return {
        **envelope(task, at),
        "Labels": EMPTY,
        "Spec": task.spec,
        "ServiceID": task.service_id,
        **present(Slot=task.slot or None, NodeID=task.node_id),
        "Status": {
            **present(
                Timestamp=at(status.timestamp_ns),
                State=str(status.state),
                Message=status.message,
                Err=status.err,
                ContainerStatus=status.container,
            ),
            "PortStatus": present(Ports=status.ports or None),
        },
        "DesiredState": str(task.desired),
        **present(
            NetworksAttachments=task.networks or None,
            GenericResources=task.generic_resources or None,
            JobIteration=None if iteration is None else {"Index": iteration},
        ),
        "Volumes": None,
    }


# -- secrets, configs, networks -------------------------------------------------------------------
def secret(secret: model.Secret, at: Time) -> Json:
    return {**envelope(secret, at), "Spec": secret.spec}


def config(config: model.Config, at: Time) -> Json:
    data = base64.b64encode(config.data).decode()
    return {**envelope(config, at), "Spec": {**config.spec, "Data": data}}


def network(network: model.SwarmNetwork, at: Time) -> Json:
    """A network of the swarm, or a local one of an engine."""
    spec, local = network.spec, network.spec.get("Scope") == "local"
    # A network of the swarm has no driver until the allocator has given it a subnet.
    allocated = local or network.ipam or spec.get("Driver", "overlay") != "overlay"
    ipam = network.ipam or (allocated and spec.get("IPAM")) or NO_IPAM
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": at(network.created_ns),
        "Scope": "local" if local else "swarm",
        "Driver": spec.get("Driver", "overlay") if allocated else "",
        "EnableIPv4": bool(spec.get("EnableIPv4", True)),
        "IPAM": ipam,
        **{key: bool(spec.get(key)) for key in NETWORK_FLAGS},
        "ConfigFrom": {"Network": ""},
        "Containers": {} if local else None,
        "Options": spec.get("Options") if local else network.driver_options or None,
        "Labels": spec.get("Labels"),
    }


# -- events --------------------------------------------------------------------------------------
def _event_fields(object: model.StoreObject) -> dict[str, str]:
    """The fields whose old and new values are attributes of an update event."""
    if isinstance(object, model.Node):
        spec, state = object.spec, str(object.status.state)
        return {"availability": str(spec.availability), "role": str(spec.role), "state": state}
    if isinstance(object, model.Service):
        state = str(object.update_status.state) if object.update_status else ""
        replicas = str(object.spec.replicas) if object.spec.mode == "replicated" else ""
        return {"image": object.spec.task.image, "replicas": replicas, "updatestate": state}
    return {}


def swarm_event(
    change_kind: str, old: model.StoreObject | None, new: model.StoreObject | None
) -> Document | None:
    """The event for a change in the store; `change_kind` is "create", "update" or "remove".

    None for tasks and the cluster itself; the caller adds `time_ns`. Source: moby
    daemon/events.go, generateClusterEvent.
    """
    object = new or old
    if not isinstance(
        object, (model.Node, model.Service, model.Secret, model.Config, model.SwarmNetwork)
    ):
        return None
    attributes = {"name": object.name}
    before, after = _event_fields(old or object), _event_fields(object)
    for key, value in after.items():
        if value != before[key]:
            attributes |= {f"{key}.old": before[key], f"{key}.new": value}
    actor = Document(ID=object.id, Attributes=Document(attributes))
    return Document(Type=object.table, Action=str(change_kind), Actor=actor, scope="swarm")
