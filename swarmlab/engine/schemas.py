"""Docker's Go structs as tables, and how a submitted document is read through them.

Nulls and unknown fields go, as do zeros that Go cannot tell from nothing; wrong types are refused.
Source: moby api/types/swarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swarmlab.errors import BadParameter

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field with a plain value; `kept`: a zero is stored too (a pointer in Go)."""

    go: str
    types: tuple[type, ...]
    kept: bool = False


TEXT, FLAG, COUNT = Leaf("string", (str,)), Leaf("bool", (bool,)), Leaf("int64", (int,))
RATIO, ANY = Leaf("float32", (int, float)), Leaf("object", (object,))
COUNT_KEPT, FLAG_KEPT = Leaf("uint64", (int,), kept=True), Leaf("bool", (bool,), kept=True)
TEXTS, WORDS = [TEXT], Leaf("map[string]string", (dict,))

NAMES = {"Name": TEXT, "Options": WORDS}
FILE = {"Name": TEXT, "UID": TEXT, "GID": TEXT, "Mode": COUNT_KEPT}
MOUNT = {
    **dict.fromkeys(("Type", "Source", "Target", "Consistency"), TEXT),
    "ReadOnly": FLAG,
    "BindOptions": ANY,
    "VolumeOptions": ANY,
    "TmpfsOptions": ANY,
    "ImageOptions": ANY,
    "ClusterOptions": ANY,
}
HEALTH = {"Test": TEXTS} | dict.fromkeys(
    ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"), COUNT
)
CONTAINER = {
    **dict.fromkeys(("Image", "Hostname", "Dir", "User", "StopSignal", "Isolation"), TEXT),
    **dict.fromkeys(("Command", "Args", "Env", "Groups", "Hosts"), TEXTS),
    **dict.fromkeys(("CapabilityAdd", "CapabilityDrop"), TEXTS),
    **dict.fromkeys(("TTY", "OpenStdin", "ReadOnly"), FLAG),
    **dict.fromkeys(("Labels", "Sysctls"), WORDS),
    "Init": FLAG_KEPT,
    "StopGracePeriod": COUNT_KEPT,
    "OomScoreAdj": COUNT,
    "Privileges": ANY,
    "Mounts": [MOUNT],
    "Healthcheck": HEALTH,
    "DNSConfig": dict.fromkeys(("Nameservers", "Search", "Options"), TEXTS),
    "Secrets": [{"File": FILE, "SecretID": TEXT, "SecretName": TEXT}],
    "Configs": [{"File": FILE, "Runtime": {}, "ConfigID": TEXT, "ConfigName": TEXT}],
    "Ulimits": [{"Name": TEXT, "Hard": COUNT_KEPT, "Soft": COUNT_KEPT}],
}
NETWORKS = [{"Target": TEXT, "Aliases": TEXTS, "DriverOpts": WORDS}]
LIMITS = {"NanoCPUs": COUNT, "MemoryBytes": COUNT, "Pids": COUNT}
TASK = {
    "ContainerSpec": CONTAINER,
    "Resources": {"Limits": LIMITS, "Reservations": {**LIMITS, "GenericResources": [ANY]}},
    "RestartPolicy": {"Condition": TEXT}
    | dict.fromkeys(("Delay", "MaxAttempts", "Window"), COUNT_KEPT),
    "Placement": {
        "Constraints": TEXTS,
        "Preferences": [{"Spread": {"SpreadDescriptor": TEXT}}],
        "MaxReplicas": COUNT,
        "Platforms": [{"Architecture": TEXT, "OS": TEXT}],
    },
    "Networks": NETWORKS,
    "LogDriver": NAMES,
    "ForceUpdate": COUNT,
    "Runtime": TEXT,
}
UPDATE = {
    **dict.fromkeys(("FailureAction", "Order"), TEXT),
    **dict.fromkeys(("Parallelism", "Delay", "Monitor"), COUNT),
    "MaxFailureRatio": RATIO,
}
PORT = dict.fromkeys(("Name", "Protocol", "PublishMode"), TEXT) | dict.fromkeys(
    ("TargetPort", "PublishedPort"), COUNT
)
JOB = {"MaxConcurrent": COUNT_KEPT, "TotalCompletions": COUNT_KEPT}
SERVICE = {
    "Name": TEXT,
    "Labels": WORDS,
    "TaskTemplate": TASK,
    "Mode": {
        "Replicated": {"Replicas": COUNT_KEPT},
        "Global": {},
        "ReplicatedJob": JOB,
        "GlobalJob": {},
    },
    "Networks": NETWORKS,  # where they stood before API 1.25
    "UpdateConfig": UPDATE,
    "RollbackConfig": UPDATE,
    "EndpointSpec": {"Mode": TEXT, "Ports": [PORT]},
}
SWARM = {
    "Name": TEXT,
    "Labels": WORDS,
    "Orchestration": {"TaskHistoryRetentionLimit": COUNT_KEPT},
    "Raft": {
        **dict.fromkeys(("SnapshotInterval", "LogEntriesForSlowFollowers"), COUNT),
        **dict.fromkeys(("KeepOldSnapshots", "ElectionTick", "HeartbeatTick"), COUNT_KEPT),
    },
    "Dispatcher": {"HeartbeatPeriod": COUNT},
    "CAConfig": {
        **dict.fromkeys(("NodeCertExpiry", "ForceRotate"), COUNT),
        **dict.fromkeys(("SigningCACert", "SigningCAKey"), TEXT),
        "ExternalCAs": [ANY],
    },
    "TaskDefaults": {"LogDriver": NAMES},
    "EncryptionConfig": {"AutoLockManagers": FLAG_KEPT},
}
NODE = dict.fromkeys(("Name", "Role", "Availability"), TEXT) | {"Labels": WORDS}
DATA = {"Name": TEXT, "Labels": WORDS, "Driver": NAMES, "Templating": NAMES}


def pruned(value: Any, schema: Any, struct: str, path: str = "") -> Any:
    """`value` without nulls, unknown fields and meaningless zeros; wrong types are refused."""
    if isinstance(schema, Leaf):
        wrong = isinstance(value, bool) and bool not in schema.types and schema is not ANY
        if wrong or not isinstance(value, schema.types):
            raise mismatch(value, struct, path, schema.go)
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise mismatch(value, struct, path, schema.go, f"number {value}")
        if isinstance(value, dict):
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        return value
    if isinstance(schema, list):
        if not isinstance(value, list):
            raise mismatch(value, struct, path, "[]" + getattr(schema[0], "go", "object"))
        return [pruned(item, schema[0], struct, path) for item in value if item is not None]
    if not isinstance(value, dict):
        raise mismatch(value, struct, path, struct)
    names = {name.lower(): name for name in schema}  # Go matches names in any case
    fields: Json = {}
    for key, sent in value.items():
        name = names.get(key.lower())
        if name is None or sent is None:
            continue
        kind = schema[name]
        item = pruned(sent, kind, struct, f"{path}.{name}".lstrip("."))
        if item or isinstance(kind, dict) or (isinstance(kind, Leaf) and kind.kept):
            fields[name] = item
    return fields


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def mismatch(value: Any, struct: str, path: str, go: str, sent: str = "") -> BadParameter:
    kinds = {bool: "bool", str: "string", dict: "object", list: "array"}
    what = sent or kinds.get(type(value), "number")
    return BadParameter(
        f"invalid JSON: json: cannot unmarshal {what} into Go struct field {struct}.{path}"
        f" of type {go}"
    )
