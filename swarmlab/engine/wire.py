"""The model as Docker's JSON: what the API answers with.

Specs are stored as they go over the wire, so this adds the envelope: ids, versions, times and what
the managers and workers found out. A key that has nothing to say is left out, as Docker does; a
secret's data never appears. Source: moby api/types/swarm, daemon/cluster/convert.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from swarmlab.manager.ca.certificates import public_key_of
from swarmlab.model import (
    EMPTY,
    Cluster,
    Config,
    Document,
    ManagerStatus,
    Node,
    Secret,
    Service,
    StoreObject,
    SwarmNetwork,
    Task,
    TaskState,
)
from swarmlab.simulation import EPOCH_NS

Json = dict[str, Any]
Time = Callable[[int], str]  # a virtual time -> RFC 3339, as one clock shows it
NEVER = "0001-01-01T00:00:00Z"
NETWORK_FLAGS = ("EnableIPv6", "Internal", "Attachable", "Ingress", "ConfigOnly")


def rfc3339(unix_ns: int, digits: int = 0) -> str:
    """As Go prints it: nine digits after the dot at most, no zeros at the end beyond `digits`."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    text, fraction = datetime.fromtimestamp(seconds, UTC).isoformat()[:19], f"{ns:09d}".rstrip("0")
    return f"{text}.{fraction:0<{digits}}".rstrip(".") + "Z"


def virtual_time(virtual_ns: int) -> str:
    """A virtual time as requests in this process show it."""
    return rfc3339(EPOCH_NS + virtual_ns)


def present(**fields: Any) -> Json:
    """The fields that are neither None nor empty text."""
    return {key: value for key, value in fields.items() if value is not None and value != ""}


def envelope(object: StoreObject, at: Time) -> Json:
    return {
        "ID": object.id,
        "Version": {"Index": object.version},
        "CreatedAt": at(object.created_ns),
        "UpdatedAt": at(object.updated_ns),
    }


# -- cluster -------------------------------------------------------------------------------------
@lru_cache(maxsize=8)
def tls_info(root_certificate: str, issuer_key: bytes = b"") -> Document:
    """What Docker tells of trust: the root, and name and public key (DER) of who signs; if that is
    not the root itself, a rotation is under way."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    root = x509.load_pem_x509_certificate(root_certificate.encode())
    key = root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Document(
        TrustRoot=root_certificate,
        CertIssuerSubject=base64.b64encode(root.issuer.public_bytes()).decode(),
        CertIssuerPublicKey=base64.b64encode(issuer_key or key).decode(),
    )


def cluster_info(cluster: Cluster, at: Time) -> Json:
    """As in /info: all but the join tokens."""
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


def swarm(cluster: Cluster, at: Time) -> Json:
    tokens = {"Worker": cluster.worker_token, "Manager": cluster.manager_token}
    return {**cluster_info(cluster, at), "JoinTokens": tokens}


# -- nodes ---------------------------------------------------------------------------------------
def node(node: Node, at: Time, managers: Iterable[ManagerStatus]) -> Json:
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


def manager_status(status: ManagerStatus) -> Json:
    return present(Leader=status.leader or None, Reachability=status.reachability, Addr=status.addr)


# -- services ------------------------------------------------------------------------------------
def service(service: Service, at: Time, status: Json | None = None) -> Json:
    """`status` is the count of tasks, where it was asked for."""
    update = job = None
    if state := service.update_status:
        done_ns = state.completed_ns
        update = present(
            State=state.state,
            StartedAt=at(state.started_ns),
            CompletedAt=None if done_ns is None else at(done_ns),
            Message=state.message,
        )
    if "job" in service.spec.mode:
        iteration = {"Index": service.job_iteration}
        job = {"JobIteration": iteration, "LastExecution": at(service.job_started_ns)}
    return {
        **envelope(service, at),
        "Spec": service.spec,
        **present(PreviousSpec=service.previous_spec),
        "Endpoint": {"Spec": service.spec.endpoint, **(service.endpoint or EMPTY)},
        **present(UpdateStatus=update, ServiceStatus=status, JobStatus=job),
    }


def service_status(service: Service, tasks: Iterable[Task]) -> Json:
    """How many of a service's tasks run, should run, and (of a job's present run) are complete.

    Running counts what was last observed, on dead nodes too. Source: swarmkit
    manager/controlapi/service.go, ListServiceStatuses.
    """
    mode, job = service.spec.mode, "job" in service.spec.mode
    now = [t for t in tasks if not job or (t.job_iteration or 0) == service.job_iteration]
    complete = sum(t.state == TaskState.COMPLETE for t in now) if job else 0
    if mode == "replicated":
        desired = service.spec.replicas
    elif mode == "replicated-job":
        desired = service.spec.at("Mode", "ReplicatedJob", "MaxConcurrent", default=0)
    else:
        wanted = TaskState.COMPLETE if job else TaskState.RUNNING
        desired = sum(t.desired == wanted and t.state != TaskState.COMPLETE for t in now)
    running = sum(t.state == TaskState.RUNNING for t in now)
    return {"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": complete}


# -- tasks ---------------------------------------------------------------------------------------
def task(task: Task, at: Time) -> Json:
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
def secret(secret: Secret, at: Time) -> Json:
    return {**envelope(secret, at), "Spec": secret.spec}


def config(config: Config, at: Time) -> Json:
    data = base64.b64encode(config.data).decode()
    return {**envelope(config, at), "Spec": {**config.spec, "Data": data}}


def network(network: SwarmNetwork, at: Time) -> Json:
    """A network as `docker network inspect` shows it: a swarm's, or an engine's own."""
    spec = network.spec
    scope = spec.get("Scope", "swarm")
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": at(network.created_ns),
        "Scope": scope,
        "Driver": spec.get("Driver", "overlay"),
        "EnableIPv4": bool(spec.get("EnableIPv4", True)),
        "IPAM": network.ipam or spec.get("IPAM") or {"Driver": "default", "Options": None},
        **{key: bool(spec.get(key)) for key in NETWORK_FLAGS},
        "ConfigFrom": {"Network": ""},
        "Containers": None if scope == "swarm" else {},
        "Options": spec.get("Options"),
        "Labels": spec.get("Labels"),
    }


# -- events --------------------------------------------------------------------------------------
def _observed(object: StoreObject) -> dict[str, str]:
    """What an update event tells the old and the new value of."""
    if isinstance(object, Node):
        spec, state = object.spec, str(object.status.state)
        return {"availability": str(spec.availability), "role": str(spec.role), "state": state}
    if isinstance(object, Service):
        state = str(object.update_status.state) if object.update_status else ""
        replicas = str(object.spec.replicas) if object.spec.mode == "replicated" else ""
        return {"image": object.spec.task.image, "replicas": replicas, "updatestate": state}
    return {}


def swarm_event(
    change_kind: str, old: StoreObject | None, new: StoreObject | None
) -> Document | None:
    """The event that managers send for a change ("create", "update", "remove") in the store.

    None for tasks and the cluster itself; the caller adds `time_ns`. Source: moby
    daemon/events.go, generateClusterEvent.
    """
    object = new or old
    if not isinstance(object, (Node, Service, Secret, Config, SwarmNetwork)):
        return None
    attributes = {"name": object.name}
    before, after = _observed(old or object), _observed(object)
    for key, value in after.items():
        if value != before[key]:
            attributes |= {f"{key}.old": before[key], f"{key}.new": value}
    actor = Document(ID=object.id, Attributes=Document(attributes))
    return Document(Type=object.table, Action=str(change_kind), Actor=actor, scope="swarm")
