"""A submitted spec becomes the stored document: the part of validation that moby's daemon does.

The words that the engine always stores are filled in, and wrong words refused. What SwarmKit checks
is the manager's. Source: moby daemon/cluster/convert.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from swarmlab.engine.schemas import DATA, NODE, SERVICE, SWARM, mismatch, pruned
from swarmlab.errors import BadParameter, NotImplementedHere
from swarmlab.model import Document, NodeSpec, ServiceSpec, freeze
from swarmlab.simulation import S

Json = dict[str, Any]


# -- services ------------------------------------------------------------------------------------
# Where a word stands, the words allowed there, and the refusal; "" takes the first of them.
ONE_OF: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("TaskTemplate", "RestartPolicy", "Condition"), ("any", "none", "on-failure"),
     'invalid RestartCondition: "{}"'),
    (("UpdateConfig", "FailureAction"), ("pause", "continue", "rollback"),
     "unrecognized update failure action {}"),
    (("UpdateConfig", "Order"), ("stop-first", "start-first"), "unrecognized update order {}"),
    (("RollbackConfig", "FailureAction"), ("pause", "continue", "rollback"),
     "unrecognized update failure action {}"),
    (("RollbackConfig", "Order"), ("stop-first", "start-first"), "unrecognized update order {}"),
    (("EndpointSpec", "Mode"), ("vip", "dnsrr"), 'invalid resolution mode: "{}"'),
)  # fmt: skip
MOUNT_TYPES = ("bind", "volume", "tmpfs", "npipe", "cluster", "image")
ANY_CASE = ("EndpointSpec",)


def _fill_words(spec: Json) -> None:
    for (*path, field), words, refusal in ONE_OF:
        owner: Any = spec
        for key in path:
            owner = owner.get(key) if owner is not None else None
        if owner is None:
            continue
        word = owner.get(field, "")
        word = word.lower() if path[0] in ANY_CASE else word
        if word and word not in words:
            raise BadParameter(refusal.format(word))
        owner[field] = word or words[0]


def service_spec(
    body: Mapping[str, Any],
    resolve: Callable[[str], str],
    invent_name: Callable[[], str],
    *,
    old_networks: bool = False,
) -> ServiceSpec:
    """The stored form of a submitted ServiceSpec; `resolve` finds a network's id.

    `old_networks`: those outside the task's template count too, as in API versions before 1.44.
    """
    spec: Json = {"Labels": {}, "TaskTemplate": {}, **pruned(body, SERVICE, "ServiceSpec")}
    task: Json = spec["TaskTemplate"]
    networks = spec.pop("Networks", ())
    for network in (*networks, *task.get("Networks", ())):
        network["Target"] = resolve(network.get("Target", ""))
    if networks and old_networks:
        spec["Networks"] = networks
        task.setdefault("Networks", networks)
    modes = spec.setdefault("Mode", {})
    if len(modes) > 1:
        raise BadParameter("must specify only one service mode")
    if task.get("Runtime", "container") not in ("container", ""):
        raise NotImplementedHere(
            f"unsupported runtime: {task['Runtime']}: only containers are simulated"
        )
    if "ContainerSpec" not in task:
        raise BadParameter("mismatched Runtime and *Spec fields")
    spec["Name"] = spec.get("Name") or invent_name()
    _fill_words(spec)
    _fill_modes(modes)
    for port in spec.get("EndpointSpec", {}).get("Ports", ()):
        protocol, publish = port.get("Protocol", "").lower(), port.get("PublishMode", "").lower()
        port["Protocol"] = protocol if protocol in ("udp", "sctp") else "tcp"
        port["PublishMode"] = "host" if publish == "host" else "ingress"
    for key in ("UpdateConfig", "RollbackConfig"):
        if key in spec:
            spec[key] = {"Parallelism": 0, "MaxFailureRatio": 0, **spec[key]}
    if "RestartPolicy" in task:
        task["RestartPolicy"].setdefault("MaxAttempts", 0)
    _fill_container(task["ContainerSpec"])
    return ServiceSpec({**spec, "TaskTemplate": {"ForceUpdate": 0, "Runtime": "container", **task}})


def _fill_modes(modes: Json) -> None:
    job = modes.get("ReplicatedJob")
    if job is not None:
        job.setdefault("MaxConcurrent", 1)
        job.setdefault("TotalCompletions", job["MaxConcurrent"])
    elif not modes.keys() & {"Global", "GlobalJob"}:
        replicas = modes.setdefault("Replicated", {}).setdefault("Replicas", 1)
        if replicas < 0:
            raise mismatch(0, "ReplicatedService", "Replicas", "uint64", f"number {replicas}")


def _fill_container(container: Json) -> None:
    container["Isolation"] = container.get("Isolation") or "default"
    for mount in container.get("Mounts", ()):
        mount["Type"] = mount.get("Type", "").lower() or "bind"
        if mount["Type"] not in MOUNT_TYPES:
            raise BadParameter(f'invalid MountType: "{mount["Type"]}"')
    for config in container.get("Configs", ()):
        if "File" in config and "Runtime" in config:
            raise BadParameter("invalid Config: cannot specify both File and Runtime")
        if "File" not in config and "Runtime" not in config:
            raise BadParameter("invalid Config: either File or Runtime should be set")


_UPDATE = {"Parallelism": 1, "FailureAction": "pause", "Monitor": 5 * S, "MaxFailureRatio": 0,
           "Order": "stop-first"}  # fmt: skip


def with_defaults(spec: ServiceSpec) -> ServiceSpec:
    """The spec with what applies where it is silent. Source: swarmkit api/defaults/service.go."""
    task = spec.task
    restart = {"Condition": "any", "Delay": 5 * S, "MaxAttempts": 0}
    container = {"StopGracePeriod": 10 * S, "DNSConfig": {}, **task.container}
    filled = {
        "Resources": {},
        "Placement": {},
        **task,
        "ContainerSpec": container,
        "RestartPolicy": {**restart, **task.get("RestartPolicy", {})},
    }
    updates = {
        key: {"Monitor": 5 * S, **spec[key]} if key in spec else _UPDATE
        for key in ("UpdateConfig", "RollbackConfig")
    }
    return ServiceSpec({**spec, **updates, "TaskTemplate": filled})


# -- the swarm, nodes, secrets and configs --------------------------------------------------------
SWARM_DEFAULTS: Json = {
    "Orchestration": {"TaskHistoryRetentionLimit": 5},
    "Raft": {"SnapshotInterval": 10_000, "KeepOldSnapshots": 0, "LogEntriesForSlowFollowers": 500,
             "ElectionTick": 10, "HeartbeatTick": 1},
    "Dispatcher": {"HeartbeatPeriod": 5 * S},
    "CAConfig": {"NodeCertExpiry": 7_776_000 * S},
}  # fmt: skip
SWARM_ZEROS: Json = {
    "Orchestration": {"TaskHistoryRetentionLimit": 0},
    "Raft": {"KeepOldSnapshots": 0, "ElectionTick": 0, "HeartbeatTick": 0},
    "Dispatcher": {},
    "CAConfig": {},
}


def swarm_spec(body: Any, *, merge: bool) -> Document:
    """The stored form of a SwarmSpec: `merge`d into the defaults (init), or as it is (update)."""
    sent = pruned(body or {}, SWARM, "Spec")
    if sent.get("Name", "default") != "default":
        raise BadParameter('swarm spec must be named "default"')
    spec: Json = {"Name": "default", "Labels": sent.get("Labels", {}), "TaskDefaults": {}}
    for part, defaults in (SWARM_DEFAULTS if merge else SWARM_ZEROS).items():
        given = {k: v for k, v in sent.get(part, {}).items() if v or not merge}
        spec[part] = {**defaults, **given}
    locked = sent.get("EncryptionConfig", {}).get("AutoLockManagers", False)
    spec["EncryptionConfig"] = {"AutoLockManagers": locked}
    return Document({key: freeze(value) for key, value in spec.items()})


def node_spec(body: Any) -> NodeSpec:
    """The stored form of a NodeSpec; role and availability are mandatory."""
    spec = {"Labels": {}, **pruned(body, NODE, "NodeSpec")}
    for field, words in (
        ("Role", ("worker", "manager")),
        ("Availability", ("active", "pause", "drain")),
    ):
        word = str(spec.get(field, ""))
        if word.lower() not in words:
            raise BadParameter(f'invalid {field}: "{word}"')
        spec[field] = word.lower()
    return NodeSpec({key: freeze(value) for key, value in spec.items()})


def data_spec(body: Any, kind: str) -> tuple[Document, bytes | None]:
    """The stored form of a secret's or config's spec, and apart the data; None: none was sent."""
    spec: Json = {"Labels": {}, **pruned(body, DATA, f"{kind}Spec")}
    sent = body.get("Data")
    try:
        data = None if sent is None else base64.b64decode(sent, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise BadParameter("invalid JSON: illegal base64 data at input byte 0") from None
    return Document({key: freeze(value) for key, value in spec.items()}), data
