"""Turns submitted specs into stored ones: the part of validation that the engine itself does.

Values that the engine always stores are filled in, and unknown words are refused. What SwarmKit
checks is up to the manager. Source: moby daemon/cluster/convert.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from swarmlab.engine.schemas import ordered
from swarmlab.errors import BadParameter, NotImplementedHere
from swarmlab.model import Availability, Document, NodeSpec, Role, ServiceSpec, freeze
from swarmlab.model.specs import RESTART_DEFAULTS, STOP_GRACE_NS, UPDATE_DEFAULTS
from swarmlab.simulation import S

Json = dict[str, Any]


def _fill_word(owner: Json, field: str, error: str, *words: str) -> None:
    """Set `field` to the first of `words` if it is absent; `error` if it is none of them."""
    word = owner.get(field) or words[0]
    if word not in words:
        raise BadParameter(error.format(word))
    owner[field] = word


# -- services ------------------------------------------------------------------------------------
def service_spec(
    body: Mapping[str, Any],
    resolve: Callable[[str], str],
    random_name: Callable[[], str],
    *,
    old_networks: bool = False,
) -> ServiceSpec:
    """The stored form of a submitted ServiceSpec; `resolve` gives a network's id.

    `old_networks`: networks outside the task's template count too, as before API version 1.44.
    """
    spec: Json = {"Labels": {}, "TaskTemplate": {}, **body}
    task: Json = spec["TaskTemplate"]
    networks = spec.pop("Networks", ())
    for network in (*networks, *task.get("Networks", ())):
        network["Target"] = resolve(network.get("Target", ""))
    if networks and old_networks:
        spec["Networks"] = networks
        task.setdefault("Networks", networks)
    _fill_modes(spec.setdefault("Mode", {}))
    if task.get("Runtime", "container") != "container":
        raise NotImplementedHere(
            f"unsupported runtime: {task['Runtime']}: only containers are simulated"
        )
    if "ContainerSpec" not in task:
        raise BadParameter("mismatched Runtime and *Spec fields")
    spec["Name"] = spec.get("Name") or random_name()
    if "RestartPolicy" in task:
        error = 'invalid RestartCondition: "{}"'
        _fill_word(task["RestartPolicy"], "Condition", error, "any", "none", "on-failure")
        task["RestartPolicy"].setdefault("MaxAttempts", 0)
    for key in ("UpdateConfig", "RollbackConfig"):
        if key in spec:
            update = spec[key] = {"Parallelism": 0, "MaxFailureRatio": 0, **spec[key]}
            error = "unrecognized update failure action {}"
            _fill_word(update, "FailureAction", error, "pause", "continue", "rollback")
            _fill_word(update, "Order", "unrecognized update order {}", "stop-first", "start-first")
    if "EndpointSpec" in spec:
        _fill_endpoint(spec["EndpointSpec"])
    _fill_container(task["ContainerSpec"])
    spec["TaskTemplate"] = {"ForceUpdate": 0, "Runtime": "container", **task}
    return ServiceSpec(ordered(spec, "ServiceSpec"))


def _fill_modes(modes: Json) -> None:
    if len(modes) > 1:
        raise BadParameter("must specify only one service mode")
    if not modes:
        modes["Replicated"] = {}
    if "Replicated" in modes:
        modes["Replicated"].setdefault("Replicas", 1)
    if "ReplicatedJob" in modes:
        max_concurrent = modes["ReplicatedJob"].setdefault("MaxConcurrent", 1)
        modes["ReplicatedJob"].setdefault("TotalCompletions", max_concurrent)


def _fill_endpoint(endpoint: Json) -> None:
    endpoint["Mode"] = endpoint.get("Mode", "").lower()
    _fill_word(endpoint, "Mode", 'invalid resolution mode: "{}"', "vip", "dnsrr")
    for port in endpoint.get("Ports", ()):
        protocol, publish = port.get("Protocol", "").lower(), port.get("PublishMode", "").lower()
        port["Protocol"] = protocol if protocol in ("udp", "sctp") else "tcp"
        port["PublishMode"] = "host" if publish == "host" else "ingress"


def _fill_container(container: Json) -> None:
    container.setdefault("Isolation", "default")
    for mount in container.get("Mounts", ()):
        mount["Type"] = mount.get("Type", "").lower()
        kinds = ("bind", "volume", "tmpfs", "npipe", "cluster", "image")
        _fill_word(mount, "Type", 'invalid MountType: "{}"', *kinds)


def with_defaults(spec: ServiceSpec) -> ServiceSpec:
    """The spec with the defaults filled in. Source: swarmkit api/defaults/service.go."""
    task = spec.task
    container = {"StopGracePeriod": STOP_GRACE_NS, "DNSConfig": {}, **task.container}
    filled = {
        "Resources": {},
        "Placement": {},
        **task,
        "ContainerSpec": container,
        "RestartPolicy": {**RESTART_DEFAULTS, **task.get("RestartPolicy", {})},
    }
    updates = {
        key: {"Monitor": UPDATE_DEFAULTS["Monitor"], **spec.get(key, UPDATE_DEFAULTS)}
        for key in ("UpdateConfig", "RollbackConfig")
    }
    return ServiceSpec(ordered({**spec, **updates, "TaskTemplate": filled}, "ServiceSpec"))


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


def swarm_spec(sent: Json, *, merge: bool) -> Document:
    """The stored form of a SwarmSpec: merged into the defaults (init), or complete (update)."""
    if sent.get("Name", "default") != "default":
        raise BadParameter('swarm spec must be named "default"')
    spec: Json = {"Name": "default", "Labels": sent.get("Labels", {}), "TaskDefaults": {}}
    for part, defaults in (SWARM_DEFAULTS if merge else SWARM_ZEROS).items():
        given = {k: v for k, v in sent.get(part, {}).items() if v or not merge}
        spec[part] = {**defaults, **given}
    locked = sent.get("EncryptionConfig", {}).get("AutoLockManagers", False)
    spec["EncryptionConfig"] = {"AutoLockManagers": locked}
    return Document(freeze(ordered(spec, "Spec")))


def node_spec(body: Json) -> NodeSpec:
    """The stored form of a NodeSpec; role and availability are mandatory."""
    spec = {"Labels": {}, **body}
    for field, words in (("Role", tuple(Role)), ("Availability", tuple(Availability))):
        word = spec.get(field, "")
        if word.lower() not in words:
            raise BadParameter(f'invalid {field}: "{word}"')
        spec[field] = word.lower()
    return NodeSpec(freeze(ordered(spec, "NodeSpec")))


def data_spec(body: Json) -> tuple[Document, bytes]:
    """The stored form of a secret's or config's spec, and its data."""
    spec: Json = {"Labels": {}, **body}
    data = base64.b64decode(spec.pop("Data", ""))
    return Document(freeze(spec)), data
