"""The answers of a scripted engine, and the command lines that test_docker_cli_stock runs on it."""

# ruff: noqa: E501 -- a command line is one line

from __future__ import annotations

import json
import re
import time
from typing import Any

from tests.test_talk import TALK

Json = dict[str, Any]
NOW = int(time.time())
ROOT = "-----BEGIN CERTIFICATE-----\nMIIB<root>&\n-----END CERTIFICATE-----\n"
TLS = {"TrustRoot": ROOT, "CertIssuerSubject": "MBMx", "CertIssuerPublicKey": "MFkw"}


def stamp(age_s: float) -> str:
    """The API time of an age, halfway between two seconds so that ages do not flip.

    Its decimals do not end in 0: an engine written in Go never sends such a time.
    """
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(NOW - age_s - 1))
    return f"{text}.512345678Z"


def an_id(letter: str) -> str:
    return (letter * 25)[:25]


def made(age_s: float, updated_s: float = 0) -> Json:
    return {
        "Version": {"Index": 7},
        "CreatedAt": stamp(age_s),
        "UpdatedAt": stamp(updated_s or age_s),
    }


def node(letter: str, name: str, role: str, state: str, availability: str, manager: Json) -> Json:
    engine = {
        "EngineVersion": "28.2.2",
        "Labels": {"foo": "bar"},
        "Plugins": [
            {"Type": "Log", "Name": "json-file"},
            {"Type": "Network", "Name": "overlay"},
            {"Type": "Network", "Name": "bridge"},
        ],
    }
    description = {
        "Hostname": name,
        "Platform": {"Architecture": "x86_64", "OS": "linux"},
        "Resources": {"NanoCPUs": 4 * 10**9, "MemoryBytes": 8272683008},
        "Engine": engine,
        "TLSInfo": TLS if letter != "c" else TLS | {"TrustRoot": "other"},
    }
    labels = {"az": "sa-east-1", "empty": ""} if letter == "a" else {}
    spec = {"Labels": labels, "Role": role, "Availability": availability}
    status = {"State": state, "Addr": f"10.0.0.{ord(letter) - 96}"}
    found = {"ID": an_id(letter), **made(86400 * 3)}
    found |= {"Spec": spec, "Description": description, "Status": status}
    return found | ({"ManagerStatus": manager} if manager else {})


def manager(reachability: str, *, leader: bool = False) -> Json:
    lead = {"Leader": True} if leader else {}
    return {**lead, "Reachability": reachability, "Addr": "10.0.0.1:2377"}


NODES = [
    node("b", "m10", "manager", "down", "active", manager("unreachable")),
    node("a", "m1", "manager", "ready", "active", manager("reachable", leader=True)),
    node("c", "w2", "worker", "ready", "drain", {}),
    node("d", "w1", "worker", "disconnected", "pause", {}),
]
FAST = {"Parallelism": 1, "FailureAction": "pause", "Monitor": 1, "MaxFailureRatio": 0.25}
UPDATE = FAST | {"Delay": 3 * 10**9, "Order": "stop-first"}
INGRESS = {"Protocol": "tcp", "PublishMode": "ingress"}
PORTS = [
    {**INGRESS, "TargetPort": 80, "PublishedPort": 8080},
    {**INGRESS, "TargetPort": 81, "PublishedPort": 8081},
    {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "ingress"},
    {"Protocol": "tcp", "TargetPort": 22, "PublishedPort": 2222, "PublishMode": "host"},
]
FULL_CONTAINER = {
    "Image": "nginx:1.25@sha256:" + "0" * 64,
    "Labels": {"tier": "front"},
    "Command": ["/bin/sh"],
    "Args": ["echo", "<hi>"],
    "Hostname": "h1",
    "Env": ["B=2", "A=1"],
    "Dir": "/srv",
    "User": "nobody",
    "Groups": ["b", "a"],
    "Init": False,
    "DNSConfig": {"Nameservers": ["8.8.8.8"], "Search": ["b.c"], "Options": ["x"]},
    "Hosts": ["1.2.3.4 one two", "1.2.3.5 one"],
    "Isolation": "default",
    "Mounts": [{"Type": "volume", "Source": "v", "Target": "/v", "ReadOnly": True}],
    "Secrets": [
        {
            "File": {"Name": "s2", "UID": "0", "GID": "0", "Mode": 292},
            "SecretID": an_id("s"),
            "SecretName": "senha-db",
        }
    ],
    "Configs": [
        {
            "File": {"Name": "/c", "UID": "0", "GID": "0", "Mode": 292},
            "ConfigID": an_id("k"),
            "ConfigName": "cfg",
        }
    ],
    "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 90 * 10**9, "Retries": 3},
    "Sysctls": {"net.a": "1"},
    "CapabilityAdd": ["CAP_NET_ADMIN"],
    "CapabilityDrop": ["CAP_CHOWN"],
    "Ulimits": [{"Name": "nofile", "Hard": 20, "Soft": 10}],
}
FULL_TASK = {
    "ContainerSpec": FULL_CONTAINER,
    "Resources": {
        "Limits": {"NanoCPUs": 5 * 10**8, "Pids": 9},
        "Reservations": {
            "MemoryBytes": 64 * 2**20,
            "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}],
        },
    },
    "RestartPolicy": {"Condition": "any", "Delay": 5 * 10**9, "MaxAttempts": 0},
    "Placement": {
        "Constraints": ["node.role==worker"],
        "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.az"}}],
        "MaxReplicas": 2,
    },
    "Networks": [{"Target": an_id("n")}],
    "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
    "ForceUpdate": 3,
}


def service(letter: str, name: str, mode: Json, task: Json | None = None, **more: Any) -> Json:
    container = {"Image": "demo:1", "Init": False}
    plain = {"ContainerSpec": container, "Resources": {}, "Placement": {}, "ForceUpdate": 0}
    spec = {
        "Name": name,
        "Labels": more.pop("labels", {}),
        "TaskTemplate": task or plain,
        "Mode": mode,
        "UpdateConfig": UPDATE if task else FAST | {"Order": "start-first"},
        "EndpointSpec": {"Mode": "vip", **({"Ports": PORTS} if task else {})},
    }
    if task:
        spec["RollbackConfig"] = UPDATE
    running = {"ServiceStatus": {"RunningTasks": 2, "DesiredTasks": 2, "CompletedTasks": 1}}
    endpoint = {
        "Endpoint": {"Spec": spec["EndpointSpec"], "Ports": PORTS} if task else {"Spec": {}}
    }
    fields = {"ID": an_id(letter), **made(7200, 300), "Spec": spec}
    return fields | endpoint | {"ServiceStatus": running["ServiceStatus"]} | more


JOB = {"JobStatus": {"JobIteration": {"Index": 4}, "LastExecution": stamp(60)}}
SERVICES = [
    service("w", "web", {"Replicated": {"Replicas": 2}}),
    service(
        "f",
        "full",
        {"Replicated": {"Replicas": 2}},
        FULL_TASK,
        labels={"a": "b", "c": ""},
        UpdateStatus={
            "State": "completed",
            "StartedAt": stamp(330),
            "CompletedAt": stamp(270),
            "Message": "update completed",
        },
    ),
    service("g", "everywhere", {"Global": {}}),
    service("j", "job2", {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 2}}, **JOB),
    service("h", "job10", {"GlobalJob": {}}, **JOB),
    service(
        "p",
        "stuck",
        {"Replicated": {"Replicas": 1}},
        UpdateStatus={"State": "paused", "StartedAt": stamp(9000), "Message": "update paused"},
    ),
]


def task(
    letter: str, owner: str, slot: int, where: str, state: str, age_s: float, **more: Any
) -> Json:
    status = {"Timestamp": stamp(age_s), "State": state, "Message": "m"} | more.pop("status", {})
    container = {"Image": "demo:1@sha256:" + "1" * 64, "Init": False}
    fields: Json = {"ID": an_id(letter), **made(age_s)}
    fields |= {"Spec": {"ContainerSpec": container}, "ServiceID": an_id(owner)}
    fields |= {"Slot": slot} if slot else {}
    fields |= {"NodeID": an_id(where)} if where else {}
    return fields | {"Status": status, "DesiredState": "running"} | more


LONG = "task: non-zero exit (1): a text that is far too long\nfor one line of a table or a screen, surely"
HOST_PORT = {"PortStatus": {"Ports": [PORTS[3]]}}
ITERATION = {"JobIteration": {"Index": 4}, "DesiredState": "complete"}
TASKS = [
    task("1", "w", 1, "a", "running", 65, status=HOST_PORT),
    task("2", "w", 2, "c", "running", 4000),
    task("3", "w", 2, "c", "failed", 90000, DesiredState="shutdown", status={"Err": LONG}),
    task("4", "g", 0, "a", "running", 3),
    task("5", "g", 0, "d", "running", 30000000),
    task("6", "f", 1, "a", "running", 1000),
    task("7", "f", 2, "", "pending", 1000, status={"Err": "no suitable node"}),
    task("8", "j", 0, "a", "complete", 5, **ITERATION),
    task("9", "j", 1, "c", "complete", 5, **ITERATION),
    task("0", "h", 0, "a", "complete", 5, **ITERATION),
    task("y", "p", 1, "a", "running", 10),
]
SECRETS = [
    {
        "ID": an_id("s"),
        **made(600, 400),
        "Spec": {"Name": "senha-db", "Labels": {"k": "v", "e": ""}},
    },
    {
        "ID": an_id("t"),
        **made(86400 * 60),
        "Spec": {"Name": "driven", "Labels": {}, "Driver": {"Name": "vault"}},
    },
]
CONFIGS = [
    {
        "ID": an_id("k"),
        **made(600),
        "Spec": {"Name": "cfg", "Labels": {"k": "v"}, "Data": "Y29uZmlnCg=="},
    }
]
NETWORKS = [
    {
        "Name": name,
        "Id": an_id(letter),
        "Created": stamp(100),
        "Scope": scope,
        "Driver": driver,
        "EnableIPv6": False,
        "Internal": False,
        "Ingress": name == "ingress",
        "Labels": {"a": "<b>"},
    }
    for letter, name, scope, driver in (
        ("n", "net1", "swarm", "overlay"),
        ("i", "ingress", "swarm", "overlay"),
        ("x", "bridge", "local", "bridge"),
    )
]
CONTAINERS = [
    {
        "Id": "e" * 64,
        "Names": ["/web.1.xyz"],
        "Image": "demo:1@sha256:" + "1" * 64,
        "ImageID": "sha256:" + "5" * 64,
        "Command": "sh -c 'echo a long command'",
        "Created": NOW - 200,
        "Ports": [
            {"PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp"},
            {"PrivatePort": 90, "Type": "tcp"},
            {"PrivatePort": 91, "Type": "tcp"},
        ],
        "Labels": {"b": "2", "a": "1"},
        "State": "running",
        "Status": "Up 3 minutes",
        "SizeRw": 10,
        "SizeRootFs": 123456789,
        "NetworkSettings": {"Networks": {"bridge": {}}},
        "Mounts": [{"Type": "volume", "Name": "a" * 20, "Driver": "local"}],
    }
]
IMAGES = [
    {
        "Id": "sha256:" + "5" * 64,
        "RepoTags": ["demo:1"],
        "RepoDigests": [],
        "Created": NOW - 86400 * 20,
        "Size": 1982464,
        "SharedSize": -1,
        "Containers": -1,
    },
    {
        "Id": "sha256:" + "6" * 64,
        "RepoTags": [],
        "RepoDigests": ["nginx@sha256:" + "7" * 64],
        "Created": NOW - 86400 * 400,
        "Size": 187654321,
        "SharedSize": -1,
        "Containers": -1,
    },
]
SPEC = {
    "Name": "default",
    "Labels": {},
    "Orchestration": {"TaskHistoryRetentionLimit": 5},
    "Raft": {
        "SnapshotInterval": 10000,
        "KeepOldSnapshots": 0,
        "LogEntriesForSlowFollowers": 500,
        "ElectionTick": 10,
        "HeartbeatTick": 1,
    },
    "Dispatcher": {"HeartbeatPeriod": 5 * 10**9},
    "CAConfig": {"NodeCertExpiry": 7776000 * 10**9},
    "TaskDefaults": {},
    "EncryptionConfig": {"AutoLockManagers": False},
}
SWARM = {
    "ID": an_id("q"),
    **made(5000),
    "Spec": SPEC,
    "TLSInfo": TLS,
    "RootRotationInProgress": False,
    "DefaultAddrPool": ["10.0.0.0/8"],
    "SubnetSize": 24,
    "DataPathPort": 4789,
    "JoinTokens": {"Worker": "SWMTKN-1-worker", "Manager": "SWMTKN-1-manager"},
}
INFO = {
    "ID": "ABCD",
    "Containers": 3,
    "ContainersRunning": 1,
    "ContainersPaused": 0,
    "ContainersStopped": 2,
    "Images": 4,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "Plugins": {"Volume": ["local"], "Network": ["bridge", "overlay"], "Log": ["json-file"]},
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "2",
    "LoggingDriver": "json-file",
    "Runtimes": {"runc": {"path": "runc"}},
    "DefaultRuntime": "runc",
    "InitBinary": "docker-init",
    "ContainerdCommit": {"ID": "c1"},
    "RuncCommit": {"ID": "r1"},
    "InitCommit": {"ID": "i1"},
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "KernelVersion": "6.1.0",
    "OperatingSystem": "Debian",
    "OSType": "linux",
    "Architecture": "x86_64",
    "NCPU": 4,
    "MemTotal": 8272683008,
    "Name": "m1",
    "DockerRootDir": "/var/lib/docker",
    "Debug": False,
    "Labels": ["foo=bar"],
    "ExperimentalBuild": False,
    "ServerVersion": "28.2.2",
    "LiveRestoreEnabled": False,
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": True}},
    },
    "Swarm": {
        "NodeID": an_id("a"),
        "NodeAddr": "10.0.0.1",
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [
            {"NodeID": an_id("b"), "Addr": "10.0.0.2:2377"},
            {"NodeID": an_id("a"), "Addr": "10.0.0.1:2377"},
        ],
        "Nodes": 4,
        "Managers": 2,
        "Cluster": {k: v for k, v in SWARM.items() if k != "JoinTokens"},
    },
    "Warnings": ["WARNING: bridge-nf-call-iptables is disabled"],
}
ENGINE = {
    "ApiVersion": "1.50",
    "Arch": "amd64",
    "BuildTime": "2025-05-30T12:07:14.000000000+00:00",
    "Experimental": "false",
    "GitCommit": "45873be",
    "GoVersion": "go1.24.3",
    "KernelVersion": "6.1.0",
    "MinAPIVersion": "1.24",
    "Os": "linux",
}
VERSION = {
    "Platform": {"Name": "Docker Engine - Community"},
    "Version": "28.2.2",
    "ApiVersion": "1.50",
    "MinAPIVersion": "1.24",
    "Components": [
        {"Name": "Engine", "Version": "28.2.2", "Details": ENGINE},
        {"Name": "containerd", "Version": "1.7.27", "Details": {"GitCommit": "05044ec"}},
    ],
}
LISTS = {
    "nodes": (NODES, lambda item: item["Description"]["Hostname"], "node {} not found"),
    "services": (SERVICES, lambda item: item["Spec"]["Name"], "service {} not found"),
    "tasks": (TASKS, lambda item: item["ID"], "task {} not found"),
    "secrets": (SECRETS, lambda item: item["Spec"]["Name"], "secret {} not found"),
    "configs": (CONFIGS, lambda item: item["Spec"]["Name"], "config {} not found"),
    "networks": (NETWORKS, lambda item: item["Name"], "network {} not found"),
}
DETAILS = "com.docker.swarm.{}.id={}"
CONTEXT = ",".join(
    DETAILS.format(k, an_id(v)) for k, v in (("node", "a"), ("service", "w"), ("task", "1"))
)
FIXED: dict[str, Any] = {
    "/info": INFO,
    "/version": VERSION,
    "/swarm": SWARM,
    "/swarm/unlockkey": {"UnlockKey": "SWMKEY-1-abc"},
    "/containers/json": CONTAINERS,
    "/images/json": IMAGES,
    "/distribution/nginx:1.25/json": {
        "Descriptor": {"digest": "sha256:" + "9" * 64},
        "Platforms": [
            {"architecture": "amd64", "os": "linux"},
            {"architecture": "arm", "os": "linux"},
        ],
    },
}


def frame(kind: int, text: str) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text.encode()


def answer(method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
    """Status and JSON (or raw bytes) for a request."""
    if method == "HEAD":
        return 200, b"OK"
    if path in FIXED and method == "GET":
        return 200, FIXED[path]
    if path.endswith("/logs"):
        prefix = f"{CONTEXT} " if query.get("details") else ""
        return 200, frame(1, f"{prefix}hello\n") + frame(2, f"{prefix}oops\n")
    _, kind, *rest = path.split("/")
    if kind in LISTS:
        return _listed(method, kind, rest, query)
    if kind == "swarm":
        return 200, an_id("a") if rest == ["init"] else b""
    return 404, {"message": f"No such {kind.rstrip('s')}: {rest[0] if rest else ''}"}


def _listed(method: str, kind: str, rest: list[str], query: dict[str, str]) -> tuple[int, Any]:
    objects, name, missing = LISTS[kind]
    if rest == ["create"]:
        return 201, {"ID": an_id("w"), "Id": an_id("w"), "Warnings": None}
    if not rest:
        filters = json.loads(query.get("filters", "{}"))
        return 200, [item for item in objects if _matches(item, name(item), filters)]
    item = next((item for item in objects if rest[0] in _references(item, name(item))), None)
    if item is None:
        return 404, {"message": missing.format(rest[0])}
    if method == "GET":
        return 200, item
    return 200, {"Warnings": None} if rest[-1] == "update" and kind == "services" else b""


def _references(item: Json, name: str) -> tuple[str, str, str]:
    item_id = item.get("ID") or item["Id"]
    return item_id, item_id[:12], name


def _matches(item: Json, name: str, filters: Json) -> bool:
    fields = {"id": item.get("ID", ""), "name": name, "service": item.get("ServiceID", "")}
    fields["node"] = item.get("NodeID", "")
    labels = (item.get("Spec") or item).get("Labels") or {}
    pairs = {*labels, *(f"{key}={value}" for key, value in labels.items())}
    return pairs >= {*filters.get("label", [])} and all(
        any(re.match(re.escape(value), fields[key]) for value in values)
        for key, values in filters.items()
        if key in fields
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


SCRIPTED = _lines(r"""
node ls
node ls -q
node ls --quiet=false
node ls --format json
node ls --format 'table {{.Hostname}}\t{{.TLSStatus}}\t{{.Self}}'
node ls --format '{{.Hostname | upper}} {{println .ID}}'
node ls --format '{{if .Self}}me{{else if eq .Status "Ready"}}up{{else}}no{{end}}'
node ls --format '{{.Foo}}'
node ls --format '{{foo .ID}}'
node ls --format '{{.ID'
node ls --filter role=manager
node ls -f
node ls -qf name=m1
node inspect self
node inspect m1 w1 --pretty
node inspect w2 --format '{{.ID}} {{json .Spec}} {{.Spec.Labels}}'
node inspect m1 --format '{{range .Description.Engine.Plugins}}{{.Type}}/{{.Name}} {{end}}'
node inspect m1 --format '{{range $k, $v := .Spec.Labels}}{{$k}}={{$v}};{{end}}'
node inspect m1 --format json
node inspect nope m1
node inspect nope --pretty
node inspect m1 -f prettyx
node ps
node ps m1 w2 nope
node ps nope
node ps m1 --no-resolve
node ps w2 --no-trunc -q
node update --availability drain --role worker --label-add x=1 --label-add y --label-rm az m1
node update --label-rm zzz m1
node update m1
node promote m1 w1
node demote w1 m1
node rm w1 nope w2
node rm --force w1
service ls
service ls -q
service ls --format json
service ls --format '{{.Name}}: {{.Replicas}} {{json .Ports}}'
service ls --filter name=web
service ps web
service ps web full everywhere job2
service ps web nope
service ps nope
service ps web --no-trunc
service ps web -q
service ps web --format '{{.Name}} {{.Error}}'
service ps web --filter node=self --filter desired-state=running
service ps full --no-resolve
service inspect web
service inspect --pretty web
service inspect --pretty full
service inspect --pretty everywhere
service inspect --pretty job2 stuck
service inspect full --format '{{.Spec.Mode.Replicated.Replicas}} {{.Spec.TaskTemplate.Placement.Constraints}}'
service inspect full -f '{{join .Spec.TaskTemplate.ContainerSpec.Env ","}}'
service inspect nope web
service inspect nope --pretty
service logs web
service logs --raw web
service logs --no-task-ids web
service logs --no-trunc web
service logs --details web
service logs nope
service rm web nope full
service rollback web
service rollback -q web
service rollback -d nope
service scale web=2
service scale -d web=5 full=0
service scale web=x nope=1 everywhere=3
service scale job2=2
service scale
service scale web
service scale web=
service create nginx:1.25
service create nginx
service create -q --no-resolve-image nginx
service create -d nginx:1.25 echo --flag x
service create -d --name web --replicas 3 --label a=b -l c --container-label d=e nginx:1.25
service create -d --env A=1 -e B=2 -e A=3 -w /srv -u me --group g1 --group g2 --hostname h nginx
service create -d -t --read-only --init --stop-signal INT --stop-grace-period 1m30s nginx
service create -d --stop-grace-period 0s --init=false --isolation hyperv nginx
service create -d --cap-add net_admin --cap-drop chown --cap-drop ALL nginx
service create -d --sysctl a=b --ulimit nofile=10:20 --ulimit nproc=5 --oom-score-adj -5 nginx
service create -d --host h1:1.2.3.4 --dns 8.8.8.8 --dns-search a.b --dns-option x:1 nginx
service create -d --health-cmd 'curl x' --health-interval 1m --health-timeout 3s --health-retries 2 nginx
service create -d --health-start-period 1s --health-start-interval 500ms nginx
service create -d --no-healthcheck nginx
service create -d --no-healthcheck --health-retries 2 nginx
service create -d --mount type=volume,src=v,dst=/v,ro --mount type=tmpfs,target=/t,tmpfs-size=1m nginx
service create -d --mount type=bind,source=/a,target=/b,bind-propagation=rslave nginx
service create -d --mount source=v,target=/v,volume-driver=d,volume-opt=a=b,volume-label=c=d nginx
service create -d --secret senha-db nginx
service create -d --secret source=senha-db,target=x,uid=1,gid=2,mode=0400 --config cfg nginx
service create -d --config src=cfg,target=/etc/demo.conf nginx
service create -d --secret nope nginx
service create -d --secret senha-db --secret senha-db nginx
service create -d --config nope nginx
service create -d --limit-cpu .5 --limit-memory 64m --limit-pids 9 --reserve-cpu 1.25 --reserve-memory 1GiB nginx
service create -d --generic-resource gpu=2 nginx
service create -d --restart-condition on-failure --restart-max-attempts 3 nginx
service create -d --restart-delay 0s --restart-window 2m nginx
service create -d --constraint node.role==worker --constraint a!=b --placement-pref spread=node.label.az nginx
service create -d --replicas-max-per-node 2 nginx
service create -d --network net1 nginx
service create -d --network name=net1,alias=db,driver-opt=a=b nginx
service create -d --network nope nginx
service create -d --log-driver syslog --log-opt a=b --log-opt c nginx
service create -d --log-opt a=b nginx
service create -d --mode global nginx
service create -d --mode replicated-job --replicas 5 --max-concurrent 2 nginx
service create -d --mode replicated-job nginx
service create -d --mode global-job nginx
service create -d --mode global --replicas 2 nginx
service create -d --mode global --replicas-max-per-node 2 nginx
service create -d --mode replicated --max-concurrent 2 nginx
service create -d --mode global-job --update-delay 1s nginx
service create -d --mode foo nginx
service create -d --update-parallelism 0 --update-delay 10s nginx
service create -d --update-order start-first --update-failure-action rollback --update-monitor 30s nginx
service create -d --update-max-failure-ratio .25 --rollback-parallelism 2 --rollback-order stop-first nginx
service create -d --rollback-delay 1s --rollback-monitor 2s --rollback-failure-action pause nginx
service create -d --rollback-max-failure-ratio 1 nginx
service create -d --endpoint-mode dnsrr nginx
service create -d -p 8080:80 -p 53:53/udp --publish published=443,target=8443,mode=host nginx
service create -d -p 80 nginx
service create -d -p 8000-8001:80-81 nginx
service create -d --entrypoint 'sh -c "a b"' nginx x
service create -d --env-file /nope nginx
service create -d --with-registry-auth=false nginx
service create -d --credential-spec file://x nginx
service update web
service update -d web
service update -d full
service update nope
service update -d --image nginx:1.25 --args 'a "b c"' full
service update -d --image nginx --no-resolve-image full
service update -d --force full
service update -d --env-add A=9 --env-add Z=1 --env-rm B full
service update -d --label-add a=z --label-rm c --container-label-add x=y --container-label-rm tier full
service update -d --constraint-add b==c --constraint-rm node.role==worker full
service update -d --placement-pref-add spread=x --placement-pref-rm spread=node.labels.az full
service update -d --secret-rm senha-db --config-rm cfg full
service update -d --secret-add senha-db --config-add source=cfg,target=/d web
service update -d --secret-rm nope full
service update -d --mount-add type=bind,source=/x,target=/y --mount-rm /v full
service update -d --mount-add type=bind,source=/x,target=/v full
service update -d --publish-add 9090:90 --publish-rm 80 full
service update -d --publish-rm 22 full
service update -d --publish-rm published=2222,target=22,mode=host full
service update -d --network-add net1 web
service update -d --network-add net1 full
service update -d --network-rm net1 full
service update -d --group-add c --group-rm b full
service update -d --host-add x:9.9.9.9 --host-rm one full
service update -d --host-rm one:1.2.3.5 full
service update -d --dns-add 1.1.1.1 --dns-rm 8.8.8.8 --dns-search-add q --dns-option-rm x full
service update -d --sysctl-add a=b --sysctl-rm net.a full
service update -d --ulimit-add nproc=1 --ulimit-rm nofile full
service update -d --generic-resource-add gpu=5 --generic-resource-add ssd=1 full
service update -d --cap-add chown --cap-drop net_admin --cap-add kill full
service update -d --cap-add RESET full
service update -d --limit-cpu 2 --limit-memory 1g --reserve-memory 0 full
service update -d --reserve-cpu 1 web
service update -d --replicas 7 web
service update -d --replicas 7 everywhere
service update -d --replicas-max-per-node 4 web
service update -d --update-parallelism 3 web
service update -d --rollback-parallelism 3 --restart-max-attempts 2 web
service update -d --restart-condition none full
service update -d --no-healthcheck full
service update -d --health-cmd x --health-interval 2s full
service update -d --health-retries 7 web
service update -d --hostname z --user '' --workdir /x --tty --read-only --stop-signal X full
service update -d --stop-grace-period 3s --init --isolation process --oom-score-adj 3 full
service update -d --entrypoint '' full
service update -d --endpoint-mode dnsrr full
service update -d --log-driver syslog --log-opt a=b full
service update --rollback -d full
service update --rollback --image x full
service update --rollback --replicas 2 full
service update everywhere
service update job2
service update job10
service update stuck
stack deploy -c tests/stacks/full.yml st
stack deploy -c tests/stacks/web.yml -d st
stack deploy -c tests/stacks/full.yml -c tests/stacks/over.yml st
stack deploy --prune -c tests/stacks/smaller.yml st
stack config -c tests/stacks/full.yml
stack config -c tests/stacks/full.yml -c tests/stacks/over.yml
stack config -c tests/stacks/over.yml -c tests/stacks/full.yml
stack config --skip-interpolation -c tests/stacks/web.yml
network connect --alias a --ip 1.2.3.4 --link x:y --driver-opt a=b --gw-priority 5 --link-local-ip 9.9.9.9 net1 no-such-container
network connect net1 no-such-container
network disconnect -f net1 no-such-container
network prune
network prune -f --filter until=5m --filter label=x
inspect web nope
inspect full
inspect -s web m1
inspect --type node web
inspect --type foo web
inspect --type= web
inspect --type service -f '{{.ID}}' web
events --format '{{.Foo}}'
events --format '{{'
events --until 1
stack
stack ps
stack deploy --help
secret ls
secret ls -q
secret ls --format '{{.Name}} {{.Driver}} {{.CreatedAt}}'
secret inspect senha-db
secret inspect --pretty senha-db driven
secret inspect nope senha-db
secret create senha-db -
secret create -l a=b --label c --template-driver golang x -
secret create --driver vault x
secret create --driver vault x -
secret create x
secret create x /nope
secret create x /dev/null
secret rm senha-db nope driven
config ls
config ls --format json
config inspect cfg
config inspect cfg --pretty
config inspect nope
config create c -
config create c /nope
config create -l a=b c -
config rm cfg nope
network ls
network ls --no-trunc
network ls -q
network ls --format '{{.Name}} {{.Internal}} {{.Labels}}'
network inspect net1
network inspect nope net1
network create -d overlay net2
network create --driver overlay --attachable --internal --subnet 10.9.0.0/16 --gateway 10.9.0.1 -o a=b --label c=d net2
network create --subnet 10.9.0.0/16 --ip-range 10.9.8.0/24 --ipv6 --scope swarm net2
network create --gateway 10.9.0.1 net2
network rm net1 nope
network rm -f nope
ps
ps -a --no-trunc
ps -q
ps -s
ps -l
ps -n 2
ps --format json
ps --format 'table {{.Names}}\t{{.Labels}}\t{{.Mounts}}\t{{.Networks}}'
ps --filter name=x
container ls
images
images -q
images --digests
images --no-trunc
images --format json
images --filter dangling=true
kill nope
stop -t 3 nope
rm -f nope
logs nope
exec nope ls
pull -q nope
pull -q localhost:5000/a:1
pull Shop
info
info --format '{{.Name}} {{.Swarm.LocalNodeState}}'
version
version --format '{{.Server.Version}}'
swarm init
swarm init --autolock --advertise-addr 10.0.0.1 --listen-addr eth0 --task-history-limit 3
swarm init --availability drain --cert-expiry 48h --dispatcher-heartbeat 3s --max-snapshots 2
swarm init --data-path-port 7777 --data-path-addr eth1 --default-addr-pool 10.20.0.0/16 --force-new-cluster
swarm init --default-addr-pool-mask-length 26 --snapshot-interval 50 --external-ca protocol=cfssl,url=https://x
swarm init --availability foo
swarm join --token SWMTKN-1-x 10.0.0.1:2377
swarm join --availability pause --advertise-addr a --listen-addr 1.2.3.4:5 --data-path-addr b h:1
swarm join-token worker
swarm join-token -q manager
swarm join-token --rotate manager
swarm join-token --rotate -q worker
swarm join-token foo
swarm leave
swarm leave --force
swarm update
swarm update --autolock
swarm update --autolock=false --task-history-limit 2 --cert-expiry 1h --dispatcher-heartbeat 1s
swarm update --max-snapshots 1 --snapshot-interval 5
swarm update --external-ca protocol=cfssl,url=https://x
swarm unlock
swarm unlock-key
swarm unlock-key -q
swarm unlock-key --rotate
swarm ca
swarm ca --cert-expiry 1h
swarm ca --rotate -d
swarm ca --rotate -q --external-ca protocol=cfssl,url=https://x
# usage and refusals
swarm
swarm --help
service
node help
service create --help
service update --help
service ls -h
help service ps
--version
foo
swarm foo
service ls x
service ls --x
service ls -x
service ls -qx
--x
node update
node update a b
node rm
service rm
service ps
service inspect
service create
service create --replicas
service create --replicas x n
service create --replicas -1 n
service create --limit-cpu x n
service create --limit-memory 5x n
service create --limit-pids x n
service create --publish abc n
service create -p 80:70000 n
service create -p 1.2.3.4:80:80 n
service create -p target=x n
service create -p published=80 n
service create -p target=80,mode=x n
service create --restart-delay 5 n
service create --restart-delay x n
service create --restart-delay 5y n
service create --update-max-failure-ratio x n
service create --update-parallelism -1 n
service create --health-retries x n
service create --health-interval -1s n
service create --mount x n
service create --mount type=bind n
service create --mount type=bind,target=/x,volume-driver=y n
service create --mount foo=bar n
service create --secret a=b n
service create --secret mode=z,source=a n
service create --secret target=a n
service create --config mode=z,source=a n
service create --placement-pref x n
service create --placement-pref binpack=x n
service create --env '' n
service create --label =x n
service create --label 'a b=x' n
service create --ulimit x n
service create --generic-resource x n
service create --dns x n
service create --host x n
service create --entrypoint "'x" n
service create --credential-spec x n
service create --network a=b n
service create --secret-add=senha-db demo
service create --config-add=cfg-demo demo
service create --label-add x n
service create --isolation
service update --secret x demo
service update --mode global web
service update
service rollback
service logs
service ls --filter x
secret create
secret create a b c
secret ls x
secret rm
config create a
config rm
network create
network rm
images a b
exec x
pull
kill
ps x
ps -n x
swarm join
swarm join-token
swarm init x
swarm init --default-addr-pool x
swarm init --external-ca x
swarm init --cert-expiry x
swarm update --autolock true
swarm update --autolock=maybe
swarm ca --ca-cert /nope
swarm unlock x
""")

REAL_ENGINE = _lines(r"""
node ls
node inspect self
service create --name web-@ --replicas 3 demo:1
service create --name lone-@ --constraint node.role==manager demo:1
service create --name web-@ demo:1
service create -d --name x --constraint foo demo:1
service create -d --name 'a b' demo:1
service create --name glob-@ --mode global demo:1
service create --name job-@ --mode replicated-job --replicas 2 demo:1 true
service ls --format '{{.Name}} {{.Mode}} {{.Image}}' --filter name=nothing
service ps web-@ --format '{{.Name}} {{.Image}} {{.DesiredState}}'
service update --env-add A=1 --update-delay 1s web-@
service update --image demo:2 web-@
service inspect --pretty lone-@
service rollback web-@
service scale web-@=2 lone-@=0
service update --force -q web-@
service update --args false --restart-condition none --update-monitor 2s lone-@
service logs lone-@
service logs nope
service rm web-@ nope lone-@ glob-@ job-@
service inspect nope
secret create s-@ -
secret create s-@ -
secret inspect --pretty s-@
config create c-@ -
config inspect --pretty c-@
service create -d --name files-@ --secret s-@ --config c-@ demo:1
secret rm s-@
service rm files-@
secret rm s-@ nope
config rm c-@
network create -d overlay n-@
network rm n-@ nope
node update --label-add az=1 m1
node update --availability foo m1
node promote m1
node demote m1
node update --label-rm zzz m1
node rm m1
swarm init
swarm join --token x 1.2.3.4:2377
swarm join-token worker
swarm join-token --rotate -q manager
swarm unlock
swarm unlock-key
swarm update --autolock=false
swarm update --task-history-limit 4
swarm ca
swarm leave
exec nope ls
logs nope
ps --filter name=nothing
""")

# -- two equal simulated clusters -----------------------------------------------------------------
# What stands there before, with the names that the lines above know. One node alone takes tasks, so
# that chance, which no two runs share once time is paced, has nothing to decide.
SET_UP = _lines(r"""
node update --availability drain w1
secret create senha-db -
secret create driven -
config create cfg -
network create -d overlay net1
node update --label-add az=sa-east-1 m1
service create -q --update-monitor 100ms --name web --replicas 2 --label a=b demo:1
service create -q --update-monitor 100ms --name full --replicas 3 --secret senha-db --config cfg --network net1 --env A=1 --env B=2 --constraint node.role!=x --placement-pref spread=node.labels.az -p 8080:80 --mount source=vol,target=/v --update-delay 1s --group b --host one:1.2.3.4 --dns 8.8.8.8 --ulimit nofile=10:20 --sysctl net.a=1 --container-label tier=front demo:1
service create -q --update-monitor 100ms --name everywhere --mode global demo:1
service create -q --name job2 --mode replicated-job --replicas 2 demo:1 true
service create -q --name job10 --mode global-job demo:1 true
service create -d --name stuck --constraint node.labels.no==where demo:1
""")

MORE = _lines(r"""
stack ls
stack ps nope
stack services nope
stack rm nope
stack rm ''
stack deploy nope
stack deploy -c tests/stacks/web.yml --resolve-image never shop
stack deploy -c tests/stacks/web.yml --detach=false -q shop
stack ls
stack ls --format json
stack services shop
stack services -q --filter name=shop_web shop
stack ps --format '{{.Name}} {{.Image}} {{.DesiredState}}' --filter desired-state=running shop
stack ps --no-trunc nope
service inspect --pretty shop_web
config inspect --pretty shop_motd
network inspect --format '{{.Name}} {{.Driver}} {{.Labels}}' shop_default
stack deploy --prune -c tests/stacks/smaller.yml shop
stack services shop
stack config -c tests/stacks/web.yml
stack config -c tests/stacks/web.yml -c tests/stacks/smaller.yml
stack deploy -c tests/stacks/nope.yml shop
stack deploy -c tests/stacks/web.yml --resolve-image foo shop
stack deploy -c - shop
stack rm shop
stack rm shop
stack foo
inspect web
inspect --type node m1
inspect --type foo m1
inspect nope
inspect -f '{{.Spec.Name}}' web full
events --since 0 --until 1
events --format '{{.Foo}}'
network connect net1 nope
network disconnect net1 nope
network prune -f --filter label=nothing
service create --with-registry-auth -d --name auth demo:1
service update --with-registry-auth --quiet -d auth
service update --no-resolve-image --detach --tty --user me --group-add q auth
service update -d --update-monitor 2s --update-order start-first --update-failure-action continue --update-max-failure-ratio 0.5 auth
service update -d --rollback-delay 1s --rollback-monitor 2s --rollback-order start-first --rollback-failure-action continue --rollback-max-failure-ratio 0.5 auth
service update -d --health-start-period 1s --health-start-interval 1s --health-timeout 1s --health-cmd true auth
service update -d --dns-search-rm q --dns-option-add ndots:2 --generic-resource-rm gpu --host-rm x --env-rm A --limit-pids 5 auth
service update -d --restart-delay 1s --restart-window 1s --max-concurrent 2 auth
service update -d --credential-spec file://x auth
service rm auth
volume create vol1
volume create vol1
volume create 'bad name'
volume ls --filter name=vol1
volume ls -q --filter name=nothing
volume inspect --format '{{.Name}} {{.Driver}} {{.Scope}}' vol1
volume inspect nothing
volume rm vol1
volume rm nothing
volume prune -f
import
tag demo:1 demo:3
tag nope:1 x:1
rmi nope:1
rmi
image inspect --format '{{json .RepoTags}}' demo:2
image inspect nope:1
image prune -f
history nope:1
run --name once --rm demo:1 true
run -it
run --network nope demo:1
run -d --name kept demo:1
rename kept own
rename nope other
pause own
pause own
unpause own
update --restart no own
update --restart sometimes own
restart -t 0 own
start own
wait nope
top nope
stats --no-stream nope
container inspect --format '{{.Name}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' own
container inspect nope
rm -f own
container prune -f --filter label=nothing
system df --format '{{.Type}}'
system prune -f --filter label=nothing
""")
# These end what the others stand on.
LAST = _lines(r"""
node rm w1
node demote m1
node promote m1
node demote w1
node update --availability pause --role worker --label-add x=1 w1
swarm update --autolock
swarm unlock-key -q
swarm unlock-key --rotate
swarm unlock
swarm ca --rotate -d
swarm leave
node rm --force w1
swarm leave --force
node ls
service ls
swarm leave
swarm update --autolock
""")
ENDS_SWARM = re.compile(
    r"(node (rm|demote|promote|update .*w2)|swarm (leave|init|join|unlock|ca --rotate|update --a))"
)
# What these print hangs on the moment they are asked at, or they wait for what never comes.
DEPENDS_ON_TIME = re.compile(
    r"(ps|container ls|images|info|version|pull|node ps)( -|$)|node ps m1 --no-res|.*\b(w2|m10|stuck)\b|service ls$"
    r"|network inspect (nope )?net1$"
)
STEADY = _lines(r"""
ps --filter name=everywhere --format '{{.Image}} {{.Names}} {{.State}}'
ps -q --filter name=nobody
ps --no-trunc --filter name=nobody
images --filter reference=demo --format '{{.Repository}} {{.Tag}} {{.Size}}'
images -q --filter reference=nobody
info --format '{{.Name}} {{.Swarm.LocalNodeState}} {{.Swarm.Nodes}}'
info --format '{{json .Swarm.Cluster.Spec}}'
version
version --format '{{json .Client}}'
pull -q nobody/nothing
service ls --filter name=web
network inspect --format '{{.Name}} {{json .IPAM}} {{json .Options}}' nope net1
node ps --filter name=everywhere --filter desired-state=running m1
node ps w1
node ps nope
""")


def _named(number: int, line: str) -> str:
    """`line` with a name for the service it creates, and a short monitor period."""
    if (
        not line.startswith("service create ")
        or "--name" in line
        or line.endswith(("create", "-h"))
    ):
        return line
    quick = "" if " -d" in line or "job" in line else " --update-monitor 100ms"
    return line.replace("service create", f"service create --name n{number}{quick}", 1)


def _playable(lines: list[str]) -> list[str]:
    lines = [line for line in lines if "stacks/full" not in line]  # created in random order
    kept = [
        line for line in lines if not ENDS_SWARM.match(line) and not DEPENDS_ON_TIME.match(line)
    ]
    return [_named(number, line) for number, line in enumerate(kept)]


REAL_ENGINE_ONCE = [
    re.sub("^service create --name", "service create --update-monitor 100ms --name", line)
    for line in (line.replace("-@", "-e") for line in REAL_ENGINE)
]
# The slides' own, as typed; a shell's pipes and `$(…)` are the shell's.
SLIDES = [
    re.sub(r"\\\n", " ", text)
    for _, text, *_ in TALK
    if not re.search(r"[|$]|docker run|swarm init|autolock|spread=", text)
]
EQUAL = (
    _playable(SCRIPTED)
    + STEADY
    + _playable(REAL_ENGINE_ONCE)
    + MORE
    + [line.removeprefix("docker ") for line in SLIDES]
)
EQUAL += [line for line in SCRIPTED if re.match("swarm (init|join|unlock)", line)] + LAST
# Line: why the two may differ here.
EXCEPTIONS: dict[str, str] = {}
