"""From a loaded Compose file to what the API takes: networks, secrets, configs and services.

Source: docker/cli cli/compose/convert.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swarmlab.docker_cli.flag_types import parse_cpus
from swarmlab.docker_cli.service_spec import edit_capabilities, with_ids
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import go_quote
from swarmlab.units import parse_duration

NAMESPACE, IMAGE = "com.docker.stack.namespace", "com.docker.stack.image"
MODES = {"replicated": "Replicated", "global": "Global"}
MODES |= {"replicated-job": "ReplicatedJob", "global-job": "GlobalJob"}
OPTIONS = ("bind", "volume", "tmpfs")  # what may be said of a mount, and the types that it has


# API field -> key of the Compose file, where the value passes as it is.
CONTAINER = {
    **{"Image": "image", "Command": "entrypoint", "Args": "command", "Hostname": "hostname"},
    **{"Dir": "working_dir", "User": "user", "StopSignal": "stop_signal", "TTY": "tty"},
    **{"OpenStdin": "stdin_open", "ReadOnly": "read_only", "Isolation": "isolation"},
    "Sysctls": "sysctls",
}
MOUNT = {"Type": "type", "Target": "target", "ReadOnly": "read_only", "Source": "source"}
MOUNT |= {"Consistency": "consistency"}
PORT = {"Protocol": "protocol", "TargetPort": "target", "PublishedPort": "published"}
PORT |= {"PublishMode": "mode"}
DRIVER = {"Name": "driver", "Options": "driver_opts"}
LOG = {"Name": "driver", "Options": "options"}
PLACEMENT = {"Constraints": "constraints", "MaxReplicas": "max_replicas_per_node"}
TIMES = {"Interval": "interval", "Timeout": "timeout", "StartPeriod": "start_period"}
TIMES |= {"StartInterval": "start_interval"}


def taken(written: Json, fields: dict[str, str]) -> Json:
    """The API's fields from the file's keys, as far as they say something."""
    return {field: written[key] for field, key in fields.items() if written.get(key)}


def kept(found: Json) -> Json:
    """Without what is empty: Go leaves it out."""
    return {name: value for name, value in found.items() if value}


def _ns(text: str | None) -> int | None:
    return None if text is None else parse_duration(text)


class ComposeStack:
    """A loaded file, and the name in front of all that is made of it."""

    def __init__(self, name: str, file: Json) -> None:
        self.name, self.file = name, file

    def scoped(self, section: str, key: str) -> str:
        """The name in the swarm of what the file calls `key`."""
        one = self.file.get(section, {}).get(key) or {}
        return str(one.get("name") or f"{self.name}_{key}")

    def labels(self, labels: Json | None) -> Json:
        return {**(labels or {}), NAMESPACE: self.name}

    # -- networks, secrets, configs ---------------------------------------------------------------
    def networks(self) -> Iterator[tuple[str, Json]]:
        """(name, what the file says of it) of each network that a service is on."""
        services = self.file["services"].values()
        used = {key for one in services for key in one.get("networks") or ["default"]}
        for key in sorted(used):
            yield self.scoped("networks", key), self.file.get("networks", {}).get(key) or {}

    def body(self, name: str, network: Json) -> Json:
        ipam = network.get("ipam", {})
        pools = [{"Subnet": one["subnet"]} for one in ipam.get("config", [])]
        plan = {"Driver": ipam.get("driver", ""), "Options": None, "Config": pools or None}
        return {
            "Name": name,
            "Driver": network.get("driver") or "overlay",
            "Scope": "",
            "IPAM": plan if ipam else None,
            "Internal": network.get("internal", False),
            "Attachable": network.get("attachable", False),
            "Ingress": False,
            "ConfigOnly": False,
            "ConfigFrom": None,
            "Options": network.get("driver_opts"),
            "Labels": self.labels(network.get("labels")),
        }

    def files(self, kind: str) -> Iterator[Json]:
        """The specs of the file's own secrets or configs."""
        for key, one in self.file.get(f"{kind}s", {}).items():
            if one.get("external"):
                continue
            spec = {"Name": self.scoped(f"{kind}s", key), "Labels": self.labels(one.get("labels"))}
            if "driver" in one:
                spec["Driver"] = taken(one, DRIVER)
            else:
                spec["Data"] = base64.b64encode(_content(one["file"])).decode()
            if "template_driver" in one:
                spec["Templating"] = {"Name": one["template_driver"]}
            yield kept(spec) | {"Labels": spec["Labels"]}

    # -- services ---------------------------------------------------------------------------------
    def service(self, session: Session, key: str) -> Json:
        """The spec of one service, with what it refers to looked up; CliError names it."""
        try:
            return self._service(session, key, self.file["services"][key])
        except CliError as error:
            raise CliError(f"service {key}: {error}") from None

    def _service(self, session: Session, key: str, service: Json) -> Json:
        deploy = service.get("deploy") or {}
        ports = sorted(service.get("ports", []), key=lambda port: port.get("published", 0))
        placement = deploy.get("placement", {})
        spreads = [
            {"Spread": {"SpreadDescriptor": one.get("spread", "")}}
            for one in placement.get("preferences", [])
        ]
        log = taken(service.get("logging", {}), LOG)
        task: Json = {
            "ContainerSpec": self._container(session, service),
            "Resources": _resources(deploy.get("resources", {})),
            "Placement": taken(placement, PLACEMENT) | kept({"Preferences": spreads}),
            "Networks": self._attachments(key, service.get("networks") or {"default": None}),
            "ForceUpdate": 0,
        }
        restart = _restart(service.get("restart", ""), deploy.get("restart_policy"))
        endpoint = {"Mode": deploy.get("endpoint_mode", "").lower()}
        policies = {
            "UpdateConfig": _policy(deploy.get("update_config")),
            "RollbackConfig": _policy(deploy.get("rollback_config")),
        }
        return kept(policies) | {
            "Name": f"{self.name}_{key}",
            "Labels": self.labels(deploy.get("labels")) | {IMAGE: service["image"]},
            "TaskTemplate": task | kept({"RestartPolicy": restart, "LogDriver": log}),
            "Mode": _mode(deploy.get("mode") or "replicated", deploy.get("replicas")),
            "EndpointSpec": kept(endpoint | {"Ports": [taken(port, PORT) for port in ports]}),
        }

    def _container(self, session: Session, service: Json) -> Json:
        pairs = service.get("environment", {}).items()
        hosts = [one.partition(":") for one in service.get("extra_hosts", [])]
        container: Json = {
            "Labels": self.labels(service.get("labels")),
            "Env": sorted(name if value is None else f"{name}={value}" for name, value in pairs),
            "Mounts": [self._mount(mount) for mount in service.get("volumes", [])],
            "Healthcheck": _health(service.get("healthcheck", {})),
            "Hosts": [f"{address} {host}" for host, _, address in hosts],
            "DNSConfig": taken(service, {"Nameservers": "dns", "Search": "dns_search"}),
            "Secrets": self._references(session, "secret", service.get("secrets", [])),
            "Configs": self._references(session, "config", service.get("configs", [])),
            "Ulimits": [_ulimit(*pair) for pair in service.get("ulimits", {}).items()],
        }
        container = taken(service, CONTAINER) | kept(container)
        container["Privileges"] = _privileges(service)
        for name, value in (
            ("Init", service.get("init")),
            ("StopGracePeriod", _ns(service.get("stop_grace_period"))),
        ):
            if value is not None:
                container[name] = value
        capabilities = {f"cap-{way}": service.get(f"cap_{way}", []) for way in ("add", "drop")}
        edit_capabilities(container, capabilities, create=True)
        return container

    def _attachments(self, service: str, networks: Json) -> list[Json]:
        found = []
        for key, attachment in networks.items():
            if key != "default" and key not in self.file.get("networks", {}):
                raise CliError(f"undefined network {go_quote(key)}")
            said = attachment or {}
            options = taken(said, {"DriverOpts": "driver_opts"})
            target, aliases = self.scoped("networks", key), [*said.get("aliases", []), service]
            found.append({"Target": target, "Aliases": aliases} | options)
        return sorted(found, key=lambda one: str(one["Target"]))

    def _references(self, session: Session, kind: str, written: list[Json]) -> list[Json]:
        known, found = self.file.get(f"{kind}s", {}), []
        for one in written:
            source = one["source"]
            if source not in known:
                raise CliError(f"undefined {kind} {go_quote(source)}")
            owner = {"UID": one.get("uid") or "0", "GID": one.get("gid") or "0"}
            file = {"Name": one.get("target") or source, **owner, "Mode": one.get("mode", 0o444)}
            name = self.scoped(f"{kind}s", source)
            found.append({"File": file, f"{kind.capitalize()}Name": name})
        found = with_ids(session, kind, found) if found else []
        return sorted(found, key=lambda one: str(one[f"{kind.capitalize()}Name"]))

    def _mount(self, mount: Json) -> Json:
        kind, source = mount.get("type") or "volume", mount.get("source", "")
        found = taken(mount, MOUNT)
        if kind not in OPTIONS:
            raise CliError("volume type must be volume, bind, tmpfs, npipe, or cluster")
        for option in OPTIONS:
            if option in mount and option != kind:
                raise CliError(f"{option} options are incompatible with type {kind}")
        if kind == "tmpfs" and source:
            raise CliError("invalid tmpfs source, source must be empty")
        if "bind" in mount:
            found["BindOptions"] = {"Propagation": mount["bind"]["propagation"]}
        if "tmpfs" in mount:
            found["TmpfsOptions"] = {"SizeBytes": mount["tmpfs"]["size"]}
        if kind == "volume" and source:
            found |= self._volume(source, mount.get("volume", {}))
        return found

    def _volume(self, source: str, said: Json) -> Json:
        if source not in self.file.get("volumes", {}):
            raise CliError(f"undefined volume {go_quote(source)}")
        volume = self.file["volumes"][source]
        options: Json = {"NoCopy": said.get("nocopy")}
        if not volume.get("external"):
            options["Labels"] = self.labels(volume.get("labels"))
            options["DriverConfig"] = taken(volume, DRIVER)
        return {"Source": self.scoped("volumes", source), "VolumeOptions": kept(options)}


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        how = "read" if Path(path).is_dir() else "open"
        raise CliError(f"{how} {path}: {str(error.strerror).lower()}") from None


def _privileges(service: Json) -> Json:
    written = service.get("credential_spec", {})
    if len(written) > 1:
        both = " and ".join(f'"{name.capitalize()}"' for name in sorted(written))
        raise CliError(f"invalid credential spec: cannot specify both {both}")
    spec = {name: written.get(name.lower(), "") for name in ("Config", "File", "Registry")}
    found = spec if written else None
    return {"CredentialSpec": found, "SELinuxContext": None, "NoNewPrivileges": False}


def _mode(mode: str, replicas: int | None) -> Json:
    if mode not in MODES:
        raise CliError(f"unknown mode: {mode}")
    if replicas is None:
        return {MODES[mode]: {}}
    if mode.startswith("global"):
        raise CliError("replicas can only be used with replicated or replicated-job mode")
    job = {"MaxConcurrent": replicas, "TotalCompletions": replicas}
    return {MODES[mode]: job if mode == "replicated-job" else {"Replicas": replicas}}


def _policy(written: Json | None) -> Json | None:
    if written is None:
        return None
    policy = {
        "Delay": _ns(written.get("delay")),
        "FailureAction": written.get("failure_action"),
        "Monitor": _ns(written.get("monitor")),
    }
    always = {"Parallelism": written.get("parallelism", 1), "Order": written.get("order", "")}
    return kept(policy) | always | {"MaxFailureRatio": written.get("max_failure_ratio", 0)}


def _restart(restart: str, policy: Json | None) -> Json | None:
    """`deploy.restart_policy`, else what the older `restart` means."""
    if policy is not None:
        found = {
            "Condition": policy.get("condition") or None,
            "Delay": _ns(policy.get("delay")),
            "MaxAttempts": policy.get("max_attempts"),
            "Window": _ns(policy.get("window")),
        }
        return {name: value for name, value in found.items() if value is not None}
    name, colon, attempts = restart.partition(":")
    if colon and not attempts.isdecimal():
        raise CliError("invalid restart policy format: maximum retry count must be an integer")
    if name in ("", "no"):
        return None
    conditions = {"always": "any", "unless-stopped": "any", "on-failure": "on-failure"}
    if name not in conditions:
        raise CliError(f"unknown restart policy: {name}")
    return {"Condition": conditions[name]} | ({"MaxAttempts": int(attempts)} if attempts else {})


def _resources(written: Json) -> Json:
    found = {}
    for name, part in (("Limits", "limits"), ("Reservations", "reservations")):
        if part in written:
            said = written[part]
            things = [one["discrete_resource_spec"] for one in said.get("generic_resources", [])]
            try:
                cpus = parse_cpus(said["cpus"]) if "cpus" in said else 0
            except ValueError as error:
                raise CliError(str(error)) from None
            generic = [
                {"DiscreteResourceSpec": kept({"Kind": t["kind"], "Value": t["value"]})}
                for t in things
            ]
            amounts = {"NanoCPUs": cpus, "MemoryBytes": int(said.get("memory", 0))}
            found[name] = kept(amounts | {"Pids": said.get("pids"), "GenericResources": generic})
    return found


def _health(written: Json) -> Json:
    if written.get("disable"):
        if written.get("test"):
            raise CliError("test and disable can't be set at the same time")
        return {"Test": ["NONE"]}
    times = {field: _ns(value) for field, value in taken(written, TIMES).items()}
    return taken(written, {"Test": "test", "Retries": "retries"}) | kept(times)


def _ulimit(name: str, written: Any) -> Json:
    limits = written if isinstance(written, dict) else {"soft": written, "hard": written}
    return {"Name": name, "Hard": limits["hard"], "Soft": limits["soft"]}
