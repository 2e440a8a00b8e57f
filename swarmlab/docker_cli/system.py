"""`docker info` and `docker version`."""

from collections.abc import Iterator
from datetime import datetime

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.template import Template, TemplateError
from swarmlab.docker_cli.text import align, binary_size, go_value, human_duration

CLIENT = {
    "Version": "28.2.2",
    "ApiVersion": "1.50",
    "DefaultAPIVersion": "1.50",
    "GitCommit": "e6534b4",
    "GoVersion": "go1.24.3",
    "Os": "linux",
    "Arch": "amd64",
    "BuildTime": "Fri May 30 12:07:14 2025",
    "Context": "default",
}
VERSION_LINES = (
    ("Version", "Version"),
    ("API version", "ApiVersion"),
    ("Go version", "GoVersion"),
    ("Git commit", "GitCommit"),
    ("Built", "BuildTime"),
)
# Title (its indentation says where it belongs), path in /info; `?` where an empty one is left out.
ENGINE_BEFORE_SWARM = """\
 Containers:|Containers
  Running:|ContainersRunning
  Paused:|ContainersPaused
  Stopped:|ContainersStopped
 Images:|Images
 Server Version:|ServerVersion?
 Storage Driver:|Driver?"""
ENGINE_LOGGING = """\
 Logging Driver:|LoggingDriver?
 Cgroup Driver:|CgroupDriver?
 Cgroup Version:|CgroupVersion?"""
SWARM = """\
  Orchestration:|
   Task History Retention Limit:|Orchestration.TaskHistoryRetentionLimit
  Raft:|
   Snapshot Interval:|Raft.SnapshotInterval
   Number of Old Snapshots to Retain:|Raft.KeepOldSnapshots?
   Heartbeat Tick:|Raft.HeartbeatTick
   Election Tick:|Raft.ElectionTick
  Dispatcher:|"""
ENGINE_AFTER_SWARM = """\
 Kernel Version:|KernelVersion?
 Operating System:|OperatingSystem?
 OSType:|OSType?
 Architecture:|Architecture?
 CPUs:|NCPU"""


def _table(table: str, found: Json) -> Iterator[str]:
    for row in table.splitlines():
        title, _, path = row.partition("|")
        value = dig(found, path.rstrip("?"), None) if path else None
        if not path:
            yield title
        elif value not in (None, "") or not path.endswith("?"):
            yield f"{title} {go_value(0 if value is None else value)}"


def info(session: Session, arguments: Arguments) -> None:
    found = session.get("/info")
    if source := arguments["format"]:
        client = {"Debug": False, "Context": "default", "Plugins": [], "Warnings": None}
        _fill(session, source, found | {"ClientInfo": CLIENT | client})
        return
    session.print("Client:", f" Version:    {CLIENT['Version']}", " Context:    default")
    session.print(" Debug Mode: false", "", "Server:", *_engine(found), "")
    session.warn(*(found.get("Warnings") or []))


def _fill(session: Session, source: str, value: Json) -> None:
    try:
        session.print(Template("{{json .}}" if source == "json" else source).render(value))
    except TemplateError as error:
        raise CliError(f"template parsing error: {error}", 64) from None


def _engine(found: Json) -> Iterator[str]:
    yield from _table(ENGINE_BEFORE_SWARM, found)
    yield from (f"  {name}: {value}" for name, value in found.get("DriverStatus") or [])
    yield from _table(ENGINE_LOGGING, found)
    yield " Plugins:"
    for kind in ("Volume", "Network", "Authorization", "Log"):
        names = dig(found, f"Plugins.{kind}", [])
        if names or kind != "Authorization":
            yield f"  {kind}: {' '.join(names)}"
    swarm = found.get("Swarm", {"LocalNodeState": "inactive"})
    yield f" Swarm: {swarm['LocalNodeState']}"
    if swarm["LocalNodeState"] not in ("inactive", "locked"):
        yield from _swarm(swarm)
    yield from _runtime(found)
    yield from _table(ENGINE_AFTER_SWARM, found)
    yield f" Total Memory: {binary_size(found.get('MemTotal', 0))}"
    yield from _table(" Name:|Name?\n ID:|ID?\n Docker Root Dir:|DockerRootDir", found)
    yield f" Debug Mode: {go_value(found.get('Debug', False))}"
    if labels := found.get("Labels"):
        yield from (" Labels:", *(f"  {label}" for label in labels))
    yield f" Experimental: {go_value(found.get('ExperimentalBuild', False))}"
    registries = found.get("RegistryConfig") or {}
    if cidrs := registries.get("InsecureRegistryCIDRs"):
        indexes = (registries.get("IndexConfigs") or {}).values()
        yield from (" Insecure Registries:", *(f"  {i['Name']}" for i in indexes if not i["Secure"]))
        yield from (f"  {cidr}" for cidr in cidrs)
    yield f" Live Restore Enabled: {go_value(found.get('LiveRestoreEnabled', False))}"
    if licence := found.get("ProductLicense"):
        yield f" Product License: {licence}"


def _runtime(found: Json) -> Iterator[str]:
    if runtimes := found.get("Runtimes"):
        yield f" Runtimes: {' '.join(runtimes)}"
        yield f" Default Runtime: {found.get('DefaultRuntime', '')}"
    if found.get("OSType") == "linux":
        yield f" Init Binary: {found.get('InitBinary', '')}"
        for name in ("containerd", "runc", "init"):
            commit = dig(found, f"{name.capitalize()}Commit.ID")
            yield f" {name} version: {commit}"
        if options := found.get("SecurityOptions"):
            yield " Security Options:"
            for option in options:
                pairs = dict(part.partition("=")[::2] for part in option.split(","))
                yield f"  {pairs.get('name', option)}"
                yield from (f"   Profile: {pairs[k]}" for k in pairs if k == "profile")


def _swarm(swarm: Json) -> Iterator[str]:
    yield f"  NodeID: {swarm['NodeID']}"
    if swarm.get("Error"):
        yield f"  Error: {swarm['Error']}"
    yield f"  Is Manager: {go_value(swarm['ControlAvailable'])}"
    cluster = swarm.get("Cluster")
    if cluster and swarm["ControlAvailable"] and not swarm.get("Error"):
        yield f"  ClusterID: {cluster['ID']}"
        yield f"  Managers: {swarm.get('Managers', 0)}"
        yield f"  Nodes: {swarm.get('Nodes', 0)}"
        if pools := cluster.get("DefaultAddrPool"):
            yield f"  Default Address Pool: {''.join(f'{pool}  ' for pool in pools)}"
            yield f"  SubnetSize: {cluster.get('SubnetSize', 0)}"
        if port := cluster.get("DataPathPort"):
            yield f"  Data Path Port: {port}"
        yield from _cluster_spec(cluster)
    yield f"  Node Address: {swarm.get('NodeAddr', '')}"
    if managers := swarm.get("RemoteManagers"):
        yield from ("  Manager Addresses:", *(f"   {a}" for a in sorted(m["Addr"] for m in managers)))


def _cluster_spec(cluster: Json) -> Iterator[str]:
    spec = cluster["Spec"]
    yield from _table(SWARM, spec)
    heartbeat = dig(spec, "Dispatcher.HeartbeatPeriod", 0) / 10**9
    yield f"   Heartbeat Period: {human_duration(heartbeat)}"
    expiry = dig(spec, "CAConfig.NodeCertExpiry", 0) / 10**9
    yield from ("  CA Configuration:", f"   Expiry Duration: {human_duration(expiry)}")
    yield f"   Force Rotate: {dig(spec, 'CAConfig.ForceRotate', 0)}"
    if cert := dig(spec, "CAConfig.SigningCACert"):
        yield f"   Signing CA Certificate: \n{cert.strip()}\n"
    if authorities := dig(spec, "CAConfig.ExternalCAs", []):
        yield from ("   External CAs:", *(f"     {a['Protocol']}: {a['URL']}" for a in authorities))
    yield f"  Autolock Managers: {go_value(dig(spec, 'EncryptionConfig.AutoLockManagers', False))}"
    yield f"  Root Rotation In Progress: {go_value(cluster.get('RootRotationInProgress', False))}"


def version(session: Session, arguments: Arguments) -> None:
    client = CLIENT | {"ApiVersion": str(session.client._version)}
    try:
        server, fault = session.get("/version"), None
    except CliError as error:
        server, fault = None, error
    if source := arguments["format"]:
        _fill(session, source, {"Client": client, "Server": server})
    else:
        lines = [*_client_lines(client), *(_server_lines(server) if server else ())]
        session.out.write(align(lines, minimum=20, padding=1))
    if fault:
        raise fault


def _client_lines(client: Json) -> Iterator[str]:
    yield "Client:"
    api, newest = client["ApiVersion"], client["DefaultAPIVersion"]
    for title, key in VERSION_LINES:
        older = f" (downgraded from {newest})" if key == "ApiVersion" and api != newest else ""
        yield f" {title}:\t{client[key]}{older}"
    yield from (f" OS/Arch:\t{client['Os']}/{client['Arch']}", f" Context:\t{client['Context']}")


def _server_lines(server: Json) -> Iterator[str]:
    platform = dig(server, "Platform.Name")
    yield from ("", f"Server: {platform}" if platform else "Server:")
    for component in server.get("Components") or [{"Name": "Engine", "Details": server}]:
        yield f" {component['Name']}:"
        details = component.get("Details") or {}
        if component["Name"] != "Engine":
            yield f"  Version:\t{component['Version']}"
            yield from (f"  {key}:\t{details[key]}" for key in sorted(details))
            continue
        values = details | {"Version": server["Version"], "BuildTime": _ansi(details["BuildTime"])}
        values["ApiVersion"] += f" (minimum version {details['MinAPIVersion']})"
        yield from (f"  {title}:\t{values[key]}" for title, key in VERSION_LINES)
        yield f"  OS/Arch:\t{details['Os']}/{details['Arch']}"
        yield f"  Experimental:\t{details['Experimental']}"


def _ansi(stamp: str) -> str:
    try:
        return datetime.fromisoformat(stamp).strftime("%a %b %e %H:%M:%S %Y")
    except ValueError:
        return stamp


HANDLERS = {"info": info, "version": version}
