"""Docker's Go structs: reads a submitted JSON document as Go's decoder does.

Unknown fields, and zeros that Go does not distinguish from absent fields, are removed; null is the
zero value; wrong types and numbers out of range are refused.
`ctl.Command` alone is ours. Source: moby api/types/{swarm,container,network,volume,mount}.
"""

from __future__ import annotations

import base64
import re
from itertools import zip_longest
from typing import Any

from swarmlab.engine.go_json import Number, Repeated, last
from swarmlab.errors import BadParameter

# Go's packages and their structs, in Go's order of fields: fields, then their type. A zero behind
# a pointer is kept. A name with a dot is a type of text, such as `swarm.NodeRole`.
GO = """
package swarm
ServiceSpec: Name string; Labels map[string]string; TaskTemplate TaskSpec; Mode ServiceMode;
  UpdateConfig RollbackConfig UpdateConfig; Networks []NetworkAttachmentConfig;
  EndpointSpec EndpointSpec
ServiceMode: Replicated ReplicatedService; Global GlobalService; ReplicatedJob ReplicatedJob;
  GlobalJob GlobalJob
ReplicatedService: Replicas *uint64
GlobalService:
ReplicatedJob: MaxConcurrent TotalCompletions *uint64
GlobalJob:
UpdateConfig: Parallelism uint64; Delay time.Duration; FailureAction string; Monitor time.Duration;
  MaxFailureRatio float32; Order string
EndpointSpec: Mode swarm.ResolutionMode; Ports []PortConfig
PortConfig: Name string; Protocol swarm.PortConfigProtocol; TargetPort PublishedPort uint32;
  PublishMode swarm.PortConfigPublishMode
TaskSpec: ContainerSpec ContainerSpec; Resources ResourceRequirements; RestartPolicy RestartPolicy;
  Placement Placement; Networks []NetworkAttachmentConfig; LogDriver Driver; ForceUpdate uint64;
  Runtime swarm.RuntimeType
ResourceRequirements: Limits Limit; Reservations Resources
Limit: NanoCPUs MemoryBytes Pids int64
Resources: NanoCPUs MemoryBytes Pids int64; GenericResources []GenericResource
GenericResource: NamedResourceSpec NamedGenericResource;
  DiscreteResourceSpec DiscreteGenericResource
NamedGenericResource: Kind Value string
DiscreteGenericResource: Kind string; Value int64
RestartPolicy: Condition swarm.RestartPolicyCondition; Delay *time.Duration; MaxAttempts *uint64;
  Window *time.Duration
Placement: Constraints []string; Preferences []PlacementPreference; MaxReplicas uint64;
  Platforms []Platform
PlacementPreference: Spread SpreadOver
SpreadOver: SpreadDescriptor string
Platform: Architecture OS string
NetworkAttachmentConfig: Target string; Aliases []string; DriverOpts map[string]string
Driver: Name string; Options map[string]string
ContainerSpec: Image string; Labels map[string]string; Command Args []string; Hostname string;
  Env []string; Dir User string; Groups []string; Privileges Privileges; Init *bool;
  StopSignal string; TTY OpenStdin ReadOnly bool; Mounts []Mount; StopGracePeriod *time.Duration;
  Healthcheck HealthConfig; Hosts []string; DNSConfig DNSConfig; Secrets []SecretReference;
  Configs []ConfigReference; Isolation container.Isolation; Sysctls map[string]string;
  CapabilityAdd CapabilityDrop []string; Ulimits []Ulimit; OomScoreAdj int64
Privileges: CredentialSpec CredentialSpec; SELinuxContext SELinuxContext; Seccomp SeccompOpts;
  AppArmor AppArmorOpts; NoNewPrivileges bool
CredentialSpec: Config File Registry string
SELinuxContext: Disable bool; User Role Type Level string
SeccompOpts: Mode swarm.SeccompMode; Profile []uint8
AppArmorOpts: Mode swarm.AppArmorMode
DNSConfig: Nameservers Search Options []string
SecretReference: File FileTarget; SecretID SecretName string
ConfigReference: File FileTarget; Runtime RuntimeTarget; ConfigID ConfigName string
FileTarget: Name UID GID string; Mode *os.FileMode
RuntimeTarget:
Spec: Name string; Labels map[string]string; Orchestration OrchestrationConfig; Raft RaftConfig;
  Dispatcher DispatcherConfig; CAConfig CAConfig; TaskDefaults TaskDefaults;
  EncryptionConfig EncryptionConfig
OrchestrationConfig: TaskHistoryRetentionLimit *int64
RaftConfig: SnapshotInterval uint64; KeepOldSnapshots *uint64; LogEntriesForSlowFollowers uint64;
  ElectionTick HeartbeatTick *int
DispatcherConfig: HeartbeatPeriod time.Duration
CAConfig: NodeCertExpiry time.Duration; ExternalCAs []ExternalCA; SigningCACert SigningCAKey string;
  ForceRotate uint64
ExternalCA: Protocol swarm.ExternalCAProtocol; URL string; Options map[string]string; CACert string
TaskDefaults: LogDriver Driver
EncryptionConfig: AutoLockManagers *bool
InitRequest: ListenAddr AdvertiseAddr DataPathAddr string; Availability swarm.NodeAvailability;
  Spec Spec; ForceNewCluster AutoLockManagers bool; DataPathPort SubnetSize uint32;
  DefaultAddrPool []string
JoinRequest: ListenAddr AdvertiseAddr DataPathAddr string; Availability swarm.NodeAvailability;
  JoinToken string; RemoteAddrs []string
UnlockRequest: UnlockKey string
NodeSpec: Name string; Labels map[string]string; Role swarm.NodeRole;
  Availability swarm.NodeAvailability
SecretSpec: Name string; Labels map[string]string; Data []uint8; Driver Templating Driver
ConfigSpec: Name string; Labels map[string]string; Data []uint8; Templating Driver
package mount
Mount: Type mount.Type; Source Target string; ReadOnly bool; Consistency mount.Consistency;
  BindOptions BindOptions; VolumeOptions VolumeOptions; ImageOptions ImageOptions;
  TmpfsOptions TmpfsOptions; ClusterOptions ClusterOptions
BindOptions: Propagation mount.Propagation;
  NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive bool
VolumeOptions: NoCopy bool; Labels map[string]string; Subpath string; DriverConfig DriverConfig
DriverConfig: Name string; Options map[string]string
ImageOptions: Subpath string
TmpfsOptions: SizeBytes int64; Mode os.FileMode; Options [][]string
ClusterOptions:
package network
CreateRequest: Name Driver Scope string; Internal Attachable Ingress ConfigOnly bool;
  EnableIPv4 EnableIPv6 *bool; ConfigFrom ConfigReferenceName; Options Labels map[string]string;
  IPAM IPAM
ConfigReferenceName: Network string
IPAM: Driver string; Options map[string]string; Config []IPAMConfig
IPAMConfig: Subnet IPRange Gateway string; AuxiliaryAddresses map[string]string
EndpointSettings: Links Aliases []string; NetworkID MacAddress string; DriverOpts map[string]string;
  IPAMConfig EndpointIPAMConfig
EndpointIPAMConfig: IPv4Address IPv6Address string; LinkLocalIPs []string
ConnectOptions: Container string; EndpointConfig *EndpointSettings
DisconnectOptions: Container string; Force bool
NetworkingConfig: EndpointsConfig map[string]*EndpointSettings
package volume
CreateOptions: Name Driver string; DriverOpts Labels map[string]string
package container
ContainerConfigWrapper: Hostname Domainname User string; AttachStdin AttachStdout AttachStderr bool;
  ExposedPorts map[nat.Port]struct{}; Tty OpenStdin StdinOnce bool; Env []string; Cmd strslice;
  Healthcheck HealthConfig; ArgsEscaped bool; Image string; Volumes map[string]struct{};
  WorkingDir string; Entrypoint strslice; NetworkDisabled bool; MacAddress string; OnBuild []string;
  Labels map[string]string; StopSignal string; StopTimeout *int; Shell strslice;
  HostConfig HostConfig; NetworkingConfig NetworkingConfig
HealthConfig: Test []string; Interval Timeout StartPeriod StartInterval time.Duration; Retries int
HostConfig: Binds []string; ContainerIDFile string; LogConfig LogConfig;
  NetworkMode container.NetworkMode; PortBindings map[nat.Port][]PortBinding;
  RestartPolicy ContainerRestartPolicy; AutoRemove bool; VolumeDriver string; VolumesFrom []string;
  ConsoleSize []uint32; Annotations map[string]string; CapAdd CapDrop strslice;
  CgroupnsMode container.CgroupnsMode; Dns DnsOptions DnsSearch ExtraHosts GroupAdd []string;
  IpcMode container.IpcMode; Cgroup container.CgroupSpec; Links []string; OomScoreAdj int;
  PidMode container.PidMode; Privileged PublishAllPorts ReadonlyRootfs bool; SecurityOpt []string;
  StorageOpt Tmpfs map[string]string; UTSMode container.UTSMode; UsernsMode container.UsernsMode;
  ShmSize int64; Sysctls map[string]string; Runtime string; Isolation container.Isolation;
  CpuShares Memory NanoCpus int64; CgroupParent string; BlkioWeight uint16;
  CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime int64; CpusetCpus CpusetMems string;
  DeviceCgroupRules []string; MemoryReservation MemorySwap int64; MemorySwappiness *int64;
  OomKillDisable *bool; PidsLimit *int64; Ulimits []Ulimit; Mounts []Mount;
  MaskedPaths ReadonlyPaths []string; Init *bool
ContainerUpdateConfig: RestartPolicy ContainerRestartPolicy; CpuShares Memory NanoCpus int64;
  CgroupParent string; BlkioWeight uint16;
  CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime int64; CpusetCpus CpusetMems string;
  DeviceCgroupRules []string; MemoryReservation MemorySwap int64; MemorySwappiness *int64;
  OomKillDisable *bool; PidsLimit *int64; Ulimits []Ulimit
LogConfig: Type string; Config map[string]string
PortBinding: HostIp HostPort string
ContainerRestartPolicy: Name container.RestartPolicyMode; MaximumRetryCount int
Ulimit: Name string; Hard Soft *int64
ExecOptions: User string; Privileged Tty bool; AttachStdin AttachStderr AttachStdout bool;
  DetachKeys string; Env []string; WorkingDir string; Cmd strslice; ConsoleSize []uint32
ExecStartOptions: Detach Tty bool; ConsoleSize []uint32
package ctl
Command: Words []string
"""


def _fields(body: str) -> dict[str, str]:
    """Field -> its type."""
    declared = [declaration.split() for declaration in body.split(";") if declaration]
    return {field: kind for *fields, kind in declared for field in fields}


PACKAGES = [package.split("\n", 1) for package in GO.split("\npackage ")[1:]]
DECLARED = [
    (package, *struct.partition(":")[::2])
    for package, text in PACKAGES
    for struct in re.split(r"\n(?! )", text.strip())
]
STRUCTS = {name: _fields(body) for _, name, body in DECLARED}
GO_TYPES = {name: f"{package}.{name}" for package, name, _ in DECLARED} | {
    "struct{}": "struct {}",
    "ContainerConfigWrapper": "runconfig.ContainerConfigWrapper",
    "ContainerUpdateConfig": "container.UpdateConfig",
}
STRUCTS["struct{}"] = {}
FOLDED = {struct: {name.lower(): name for name in fields} for struct, fields in STRUCTS.items()}
INTEGERS = {
    **dict.fromkeys(("int", "int64", "time.Duration"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "os.FileMode"), (0, 2**32 - 1)),
    "uint64": (0, 2**64 - 1), "uint16": (0, 2**16 - 1), "uint8": (0, 255),
}  # fmt: skip
FLOAT32_MAX = 3.4028235e38
Where = tuple[str, str]  # the innermost struct, and the path of the field from the outermost
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def decoded(
    value: Any, kind: str, where: Where = ("", ""), before: Any = None, *, zeros: bool = False
) -> Any:
    """`value` as a `kind`; fields that are zero are left out unless `zeros`. Bytes stay base64.

    What the same field held `before`, of a key that is repeated, stays where `value` says nothing.
    """
    pointer, kind = kind.startswith("*"), kind.lstrip("*")
    if isinstance(value, Repeated):
        for one in value:
            before = decoded(one, kind, where, before, zeros=zeros)
        return before
    if value is None:
        clears = pointer or before is None or kind.startswith(("[]", "map[", "strslice"))
        return zero(kind) if clears else before
    if kind == "[]uint8" and type(value) is str:
        return _base64(value)
    if kind == "strslice" and not isinstance(value, list):
        return [_plain(value, "string", where)]  # one word stands for a list of it
    if kind.startswith("[]") or kind == "strslice":
        if not isinstance(value, list):
            raise _mismatch(value, kind, where)
        item_kind = "string" if kind == "strslice" else kind[2:]
        pairs = zip_longest(value, (before or [])[: len(value)])
        items = [decoded(item, item_kind, where, there, zeros=zeros) for item, there in pairs]
        return base64.b64encode(bytes(items)).decode() if kind == "[]uint8" else items
    if kind.startswith("map["):
        if not isinstance(value, dict):
            raise _mismatch(value, kind, where)
        item_kind = kind.partition("]")[2]
        return (before or {}) | {
            _text(key): decoded(last(item), item_kind, where, zeros=zeros)
            for key, item in value.items()
        }
    if kind in STRUCTS:
        return _struct(value, kind, where, dict(before or {}), zeros)
    return _plain(value, kind, where)


def zero(kind: str) -> Any:
    """Go's zero value."""
    if kind in STRUCTS or kind.startswith("map["):
        return {}
    if kind.startswith("[]") or kind == "strslice":
        return "" if kind == "[]uint8" else []
    return False if kind == "bool" else 0 if kind in INTEGERS or kind == "float32" else ""


def _struct(value: Any, kind: str, where: Where, fields: dict[str, Any], zeros: bool) -> Any:
    if not isinstance(value, dict):
        raise _mismatch(value, kind, where)
    for key, sent in value.items():
        # Go matches names in any case; the same one again is read into what is there.
        name = FOLDED[kind].get(key.lower().replace("ſ", "s"))
        if name is None or sent is None:
            continue
        field_kind = STRUCTS[kind][name]
        path = f"{where[1]}.{name}".lstrip(".")
        item = decoded(sent, field_kind, (kind, path), fields.pop(name, None), zeros=zeros)
        if item or zeros or field_kind in STRUCTS or field_kind.startswith("*"):
            fields[name] = item
    return fields


def ordered(value: Any, kind: str) -> Any:
    """`value` with its fields in the order in which Go writes them, and its maps sorted."""
    kind = kind.lstrip("*")
    if kind.startswith("[]") and kind != "[]uint8":
        return [ordered(item, kind[2:]) for item in value]
    if kind.startswith("map["):
        return dict(sorted(value.items()))
    fields = STRUCTS.get(kind, {})
    return {k: ordered(value[k], fields[k]) for k in fields if k in value} if fields else value


def _plain(value: Any, kind: str, where: Where) -> Any:
    numeric = isinstance(value, Number | int | float) and not isinstance(value, bool)
    if kind in INTEGERS or kind == "float32":
        if not numeric:
            raise _mismatch(value, kind, where)
        return _number(str(value), kind, where)
    if isinstance(value, bool) if kind == "bool" else type(value) is str:
        return value if kind == "bool" else _text(value)
    raise _mismatch(value, kind, where)


def _number(literal: str, kind: str, where: Where) -> int | float:
    low, high = INTEGERS.get(kind, (-(2**63), 2**63))
    if re.fullmatch("-?[0-9]{1,20}", literal) and low <= int(literal) <= high:
        return int(literal)
    if kind == "float32" and abs(ratio := float(literal)) <= FLOAT32_MAX:
        return ratio
    raise _mismatch(Number(literal), kind, where, f" {literal}")


def _text(value: str) -> str:
    """`value` without lone surrogates, which Go replaces."""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _base64(text: str) -> str:
    """`text` without line ends, if it is base64; Go's error names the byte where it is not.

    Source: Go encoding/base64, decodeQuantum.
    """
    plain = re.sub("[\r\n]", "", text)
    body = plain.rstrip("=") if len(plain) % 4 == 0 else plain
    whole = not body.strip(BASE64) and len(plain) % 4 == 0 and len(plain) - len(body) < 3
    if whole and (body == plain or len(body) % 4 > 1):
        return plain
    count = 0  # of the characters in the present group of four
    for at, character in enumerate(text):
        if character in BASE64:
            count = (count + 1) % 4
        elif character not in "\r\n":
            wrong = at
            if character == "=" and count > 1:
                rest = [i for i in range(at + 1, len(text)) if text[i] not in "\r\n"]
                if count == 3:
                    wrong = rest[0]  # what follows the padding
                elif not rest:
                    wrong = len(text)
                else:
                    wrong = rest[0] - 1 if text[rest[0]] != "=" else rest[1]
            break
    else:
        wrong = len(text) - count  # the last group is not complete
    raise BadParameter(f"invalid JSON: illegal base64 data at input byte {wrong}")


def _mismatch(value: Any, kind: str, where: Where, sent: str = "") -> BadParameter:
    kinds = {bool: "bool", str: "string", dict: "object", list: "array"}
    what = kinds.get(type(value), "number") + sent
    place = f"struct field {'.'.join(where)}" if where[0] else "value"
    element = re.sub(r"(\w+|struct\{\})$", lambda m: GO_TYPES.get(m[0], m[0]), kind)
    return BadParameter(
        f"invalid JSON: json: cannot unmarshal {what} into Go {place} of type {element}"
    )
