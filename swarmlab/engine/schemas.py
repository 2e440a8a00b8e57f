"""Docker's Go structs: reads a submitted JSON document as Go's decoder does.

Nulls, unknown fields and zeros that Go does not distinguish from absent fields are removed; wrong
types are refused.
Source: moby api/types/swarm, api/types/network.
"""

from __future__ import annotations

import re
from typing import Any

from swarmlab.errors import BadParameter

# Structs in Go's order of fields: fields, then their type. A zero behind a pointer is kept.
GO = """
ServiceSpec: Name string; Labels map[string]string; TaskTemplate TaskSpec; Mode ServiceMode;
  UpdateConfig RollbackConfig UpdateConfig; Networks []NetworkAttachmentConfig;
  EndpointSpec EndpointSpec
ServiceMode: Replicated ReplicatedService; Global GlobalService; ReplicatedJob ReplicatedJob;
  GlobalJob GlobalJob
ReplicatedService: Replicas *uint64
GlobalService:
ReplicatedJob: MaxConcurrent TotalCompletions *int64
GlobalJob:
UpdateConfig: Parallelism Delay int64; FailureAction string; Monitor int64;
  MaxFailureRatio float32; Order string
EndpointSpec: Mode string; Ports []PortConfig
PortConfig: Name Protocol string; TargetPort PublishedPort int64; PublishMode string
TaskSpec: ContainerSpec ContainerSpec; Resources ResourceRequirements; RestartPolicy RestartPolicy;
  Placement Placement; Networks []NetworkAttachmentConfig; LogDriver Driver; ForceUpdate int64;
  Runtime string
ResourceRequirements: Limits Limit; Reservations Resources
Limit: NanoCPUs MemoryBytes Pids int64
Resources: NanoCPUs MemoryBytes Pids int64; GenericResources []any
RestartPolicy: Condition string; Delay MaxAttempts Window *int64
Placement: Constraints []string; Preferences []PlacementPreference; MaxReplicas int64;
  Platforms []Platform
PlacementPreference: Spread SpreadOver
SpreadOver: SpreadDescriptor string
Platform: Architecture OS string
NetworkAttachmentConfig: Target string; Aliases []string; DriverOpts map[string]string
Driver: Name string; Options map[string]string
ContainerSpec: Image string; Labels map[string]string; Command Args []string; Hostname string;
  Env []string; Dir User string; Groups []string; Privileges any; Init *bool; StopSignal string;
  TTY OpenStdin ReadOnly bool; Mounts []Mount; StopGracePeriod *int64; Healthcheck HealthConfig;
  Hosts []string; DNSConfig DNSConfig; Secrets []SecretReference; Configs []ConfigReference;
  Isolation string; Sysctls map[string]string; CapabilityAdd CapabilityDrop []string;
  Ulimits []Ulimit; OomScoreAdj int64
Mount: Type Source Target string; ReadOnly bool; Consistency string;
  BindOptions VolumeOptions ImageOptions TmpfsOptions ClusterOptions any
HealthConfig: Test []string; Interval Timeout StartPeriod StartInterval Retries int64
DNSConfig: Nameservers Search Options []string
SecretReference: File FileTarget; SecretID SecretName string
ConfigReference: File FileTarget; Runtime RuntimeTarget; ConfigID ConfigName string
FileTarget: Name UID GID string; Mode *int64
RuntimeTarget:
Ulimit: Name string; Hard Soft *int64
Spec: Name string; Labels map[string]string; Orchestration OrchestrationConfig; Raft RaftConfig;
  Dispatcher DispatcherConfig; CAConfig CAConfig; TaskDefaults TaskDefaults;
  EncryptionConfig EncryptionConfig
OrchestrationConfig: TaskHistoryRetentionLimit *int64
RaftConfig: SnapshotInterval int64; KeepOldSnapshots *int64; LogEntriesForSlowFollowers int64;
  ElectionTick HeartbeatTick *int64
DispatcherConfig: HeartbeatPeriod int64
CAConfig: NodeCertExpiry int64; ExternalCAs []any; SigningCACert SigningCAKey string;
  ForceRotate int64
TaskDefaults: LogDriver Driver
EncryptionConfig: AutoLockManagers *bool
InitRequest: ListenAddr AdvertiseAddr DataPathAddr Availability string; Spec Spec;
  ForceNewCluster AutoLockManagers bool; DataPathPort SubnetSize int64; DefaultAddrPool []string
JoinRequest: ListenAddr AdvertiseAddr DataPathAddr Availability JoinToken string;
  RemoteAddrs []string
UnlockRequest: UnlockKey string
NodeSpec: Name string; Labels map[string]string; Role Availability string
SecretSpec: Name string; Labels map[string]string; Data *string; Driver Templating Driver
ConfigSpec: Name string; Labels map[string]string; Data *string; Templating Driver
NetworkCreate: Name Driver Scope string; Internal Attachable Ingress ConfigOnly bool;
  EnableIPv4 EnableIPv6 *bool; Options Labels map[string]string; IPAM IPAM
IPAM: Driver string; Options map[string]string; Config []map[string]string
"""


def _fields(body: str) -> dict[str, str]:
    """Field -> its type."""
    declared = [declaration.split() for declaration in body.split(";") if declaration]
    return {field: kind for *fields, kind in declared for field in fields}


STRUCTS = {
    name: _fields(body)
    for name, _, body in (struct.partition(":") for struct in re.split(r"\n(?! )", GO.strip()))
}
PLAIN: dict[str, Any] = {"string": str, "bool": bool, "int64": int, "uint64": int, "any": object,
                         "float32": (int, float), "map[string]string": dict}  # fmt: skip


def pruned(value: Any, kind: str, where: str = "") -> Any:
    """`value` without nulls, unknown fields and zeros that mean absent; wrong types are refused."""
    kind = kind.lstrip("*")
    if kind.startswith("[]"):
        if not isinstance(value, list):
            raise _mismatch(value, kind, where)
        return [pruned(item, kind[2:], where) for item in value if item is not None]
    if kind in PLAIN:
        return _plain(value, kind, where)
    if not isinstance(value, dict):
        raise _mismatch(value, kind, where)
    names = {name.lower(): name for name in STRUCTS[kind]}  # Go matches names in any case
    fields = {}
    for key, sent in value.items():
        name = names.get(key.lower())
        if name is None or sent is None:
            continue
        field_kind = STRUCTS[kind][name]
        item = pruned(sent, field_kind, f"{kind}.{name}")
        if item or field_kind in STRUCTS or field_kind.startswith("*"):
            fields[name] = item
    return fields


def ordered(value: Any, kind: str) -> Any:
    """`value` with its fields in the order in which Go writes them, and its maps sorted."""
    kind = kind.lstrip("*")
    if kind.startswith("[]"):
        return [ordered(item, kind[2:]) for item in value]
    if kind.startswith("map["):
        return dict(sorted(value.items()))
    fields = STRUCTS.get(kind, {})
    return {k: ordered(value[k], fields[k]) for k in fields if k in value} if fields else value


def _plain(value: Any, kind: str, where: str) -> Any:
    bool_allowed = kind in ("bool", "any")  # in Python a bool is an int, in Go it is not
    if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) and not bool_allowed):
        raise _mismatch(value, kind, where)
    least = 0 if kind == "uint64" else -(2**63)
    if isinstance(value, int) and not least <= value < 2**64:
        raise _mismatch(value, kind, where, f" {value}")
    return _without_nulls(value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _mismatch(value: Any, kind: str, where: str, sent: str = "") -> BadParameter:
    kinds = {bool: "bool", str: "string", dict: "object", list: "array"}
    what = kinds.get(type(value), "number") + sent
    return BadParameter(
        f"invalid JSON: json: cannot unmarshal {what} into Go struct field {where} of type {kind}"
    )
