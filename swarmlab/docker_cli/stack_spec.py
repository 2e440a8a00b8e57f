"""Converts a loaded Compose file to the API's networks, secrets, configs and services.

Source: docker/cli cli/compose/convert.
"""

import base64
from collections.abc import Iterator
from typing import Any

from swarmlab.docker_cli.flag_types import parse_cpus
from swarmlab.docker_cli.service_spec import MODES, edit_capabilities, mode_spec, with_ids
from swarmlab.docker_cli.session import CliError, Json, Session, read_file
from swarmlab.templates.go_text import go_quote
from swarmlab.units import parse_duration

NAMESPACE, IMAGE = "com.docker.stack.namespace", "com.docker.stack.image"
MOUNT_TYPES = ("bind", "volume", "tmpfs")  # also the keys of a mount's options

# API field -> key of the Compose file, for values that are passed on unchanged.
CONTAINER = {
    **{"Image": "image", "Command": "entrypoint", "Args": "command", "Hostname": "hostname"},
    **{"Dir": "working_dir", "User": "user", "StopSignal": "stop_signal", "TTY": "tty"},
    **{"OpenStdin": "stdin_open", "ReadOnly": "read_only", "Isolation": "isolation"},
    **{"Sysctls": "sysctls", "StopGracePeriod": "stop_grace_period"},
}
MOUNT = {"Type": "type", "Target": "target", "ReadOnly": "read_only", "Source": "source"}
MOUNT |= {"Consistency": "consistency"}
PORT = {"Protocol": "protocol", "TargetPort": "target", "PublishedPort": "published"}
PORT |= {"PublishMode": "mode"}
DRIVER = {"Name": "driver", "Options": "driver_opts"}
RESOURCE = {"Kind": "kind", "Value": "value"}
LOG = {"Name": "driver", "Options": "options"}
PLACEMENT = {"Constraints": "constraints", "MaxReplicas": "max_replicas_per_node"}
HEALTH = {"Test": "test", "Interval": "interval", "Timeout": "timeout", "Retries": "retries"}
HEALTH |= {"StartPeriod": "start_period", "StartInterval": "start_interval"}
POLICY = {"Delay": "delay", "FailureAction": "failure_action", "Monitor": "monitor"}
RESTART = {"Condition": "condition", "Delay": "delay", "Window": "window"}
DURATIONS = {"delay", "monitor", "window", "stop_grace_period"}
DURATIONS |= {"interval", "timeout", "start_period", "start_interval"}


def pick(block: Json, fields: dict[str, str]) -> Json:
    """The API's fields from the block's keys that are not empty, durations as nanoseconds."""
    return {
        field: parse_duration(block[key]) if key in DURATIONS else block[key]
        for field, key in fields.items()
        if block.get(key)
    }


def non_empty(fields: Json) -> Json:
    """Without empty values, which Go omits."""
    return {name: value for name, value in fields.items() if value}


class ComposeStack:
    """A loaded file, and the stack's name, which prefixes the name of each object."""

    def __init__(self, name: str, file: Json) -> None:
        self.name, self.file = name, file

    def scoped(self, section: str, key: str) -> str:
        """The name in the swarm of the object that the file calls `key`."""
        block = self.file.get(section, {}).get(key) or {}
        return str(block.get("name") or f"{self.name}_{key}")

    def labels(self, labels: Json | None) -> Json:
        return {**(labels or {}), NAMESPACE: self.name}

    # -- networks, secrets, configs ---------------------------------------------------------------
    def networks(self) -> Iterator[tuple[str, Json]]:
        """(name, block of the file) of each network that a service is on."""
        services = self.file["services"].values()
        used = {key for service in services for key in service.get("networks") or ["default"]}
        for key in sorted(used):
            yield self.scoped("networks", key), self.file.get("networks", {}).get(key) or {}

    def body(self, name: str, network: Json) -> Json:
        ipam = network.get("ipam", {})
        pools = [{"Subnet": pool.get("subnet", "")} for pool in ipam.get("config", [])]
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
        for key, block in self.file.get(f"{kind}s", {}).items():
            if block.get("external"):
                continue
            spec: Json = {"Name": self.scoped(f"{kind}s", key)}
            if "driver" in block:
                spec["Driver"] = pick(block, DRIVER)
            elif content := read_file(block["file"]):
                spec["Data"] = base64.b64encode(content).decode()
            if "template_driver" in block:
                spec["Templating"] = {"Name": block["template_driver"]}
            yield spec | {"Labels": self.labels(block.get("labels"))}

    # -- services ---------------------------------------------------------------------------------
    def service(self, session: Session, key: str) -> Json:
        """The spec of one service with the IDs it refers to; an error names the service."""
        try:
            return self._service(session, key, self.file["services"][key])
        except CliError as error:
            raise CliError(f"service {key}: {error}") from None

    def _service(self, session: Session, key: str, service: Json) -> Json:
        deploy = service.get("deploy") or {}
        ports = sorted(service.get("ports", []), key=lambda port: port.get("published", 0))
        placement = deploy.get("placement", {})
        spreads = [
            {"Spread": {"SpreadDescriptor": preference.get("spread", "")}}
            for preference in placement.get("preferences", [])
        ]
        log = pick(service.get("logging", {}), LOG)
        task: Json = {
            "ContainerSpec": self._container(session, service),
            "Resources": _resources(deploy.get("resources", {})),
            "Placement": pick(placement, PLACEMENT) | non_empty({"Preferences": spreads}),
            "Networks": self._attachments(key, service.get("networks") or {"default": None}),
            "ForceUpdate": 0,
        }
        restart = _restart(service.get("restart", ""), deploy.get("restart_policy"))
        endpoint = {"Mode": deploy.get("endpoint_mode", "").lower()}
        policies = {
            "UpdateConfig": _policy(deploy.get("update_config")),
            "RollbackConfig": _policy(deploy.get("rollback_config")),
        }
        return non_empty(policies) | {
            "Name": f"{self.name}_{key}",
            "Labels": self.labels(deploy.get("labels")) | {IMAGE: service["image"]},
            "TaskTemplate": task | non_empty({"RestartPolicy": restart, "LogDriver": log}),
            "Mode": _mode(deploy.get("mode") or "replicated", deploy.get("replicas")),
            "EndpointSpec": non_empty(endpoint | {"Ports": [pick(port, PORT) for port in ports]}),
        }

    def _container(self, session: Session, service: Json) -> Json:
        pairs = service.get("environment", {}).items()
        hosts = [host.partition(":") for host in service.get("extra_hosts", [])]
        container: Json = {
            "Labels": self.labels(service.get("labels")),
            "Env": sorted(name if value is None else f"{name}={value}" for name, value in pairs),
            "Mounts": [self._mount(mount) for mount in service.get("volumes", [])],
            "Healthcheck": _health(service.get("healthcheck", {})),
            "Hosts": [f"{address} {host}" for host, _, address in hosts],
            "DNSConfig": pick(service, {"Nameservers": "dns", "Search": "dns_search"}),
            "Secrets": self._references(session, "secret", service.get("secrets", [])),
            "Configs": self._references(session, "config", service.get("configs", [])),
            "Ulimits": [_ulimit(*pair) for pair in service.get("ulimits", {}).items()],
        }
        container = pick(service, CONTAINER) | non_empty(container)
        container["Privileges"] = _privileges(service)
        if "init" in service:
            container["Init"] = service["init"]
        capabilities = {f"cap-{way}": service.get(f"cap_{way}", []) for way in ("add", "drop")}
        edit_capabilities(container, capabilities, create=True)
        return container

    def _attachments(self, service: str, networks: Json) -> list[Json]:
        attachments = []
        for key, block in networks.items():
            if key != "default" and key not in self.file.get("networks", {}):
                raise CliError(f"undefined network {go_quote(key)}")
            block = block or {}
            target, aliases = self.scoped("networks", key), [*block.get("aliases", []), service]
            options = pick(block, {"DriverOpts": "driver_opts"})
            attachments.append({"Target": target, "Aliases": aliases} | options)
        return sorted(attachments, key=lambda attachment: str(attachment["Target"]))

    def _references(self, session: Session, kind: str, blocks: list[Json]) -> list[Json]:
        """References to secrets or configs, by name."""
        references, field = [], f"{kind.capitalize()}Name"
        for block in blocks:
            source = block["source"]
            if source not in self.file.get(f"{kind}s", {}):
                raise CliError(f"undefined {kind} {go_quote(source)}")
            file = {
                "Name": block.get("target") or source,
                "UID": block.get("uid") or "0",
                "GID": block.get("gid") or "0",
                "Mode": block.get("mode", 0o444),
            }
            references.append({"File": file, field: self.scoped(f"{kind}s", source)})
        references = with_ids(session, kind, references) if references else []
        return sorted(references, key=lambda reference: str(reference[field]))

    def _mount(self, mount: Json) -> Json:
        kind, source = mount.get("type") or "volume", mount.get("source", "")
        spec = pick(mount, MOUNT)
        if kind not in MOUNT_TYPES:
            raise CliError("volume type must be volume, bind, tmpfs, npipe, or cluster")
        for option in MOUNT_TYPES:
            if option in mount and option != kind:
                raise CliError(f"{option} options are incompatible with type {kind}")
        if kind == "tmpfs" and source:
            raise CliError("invalid tmpfs source, source must be empty")
        if "bind" in mount:
            spec["BindOptions"] = pick(mount["bind"], {"Propagation": "propagation"})
        if "tmpfs" in mount:
            spec["TmpfsOptions"] = pick(mount["tmpfs"], {"SizeBytes": "size"})
        if kind == "volume" and source:
            spec |= self._volume(source, mount.get("volume", {}))
        return spec

    def _volume(self, source: str, written: Json) -> Json:
        if source not in self.file.get("volumes", {}):
            raise CliError(f"undefined volume {go_quote(source)}")
        volume = self.file["volumes"][source]
        options: Json = {"NoCopy": written.get("nocopy")}
        if not volume.get("external"):
            options["Labels"] = self.labels(volume.get("labels"))
            options["DriverConfig"] = pick(volume, DRIVER)
        return {"Source": self.scoped("volumes", source), "VolumeOptions": non_empty(options)}


def _privileges(service: Json) -> Json:
    written = service.get("credential_spec", {})
    if len(written) > 1:
        both = " and ".join(f'"{name.capitalize()}"' for name in sorted(written))
        raise CliError(f"invalid credential spec: cannot specify both {both}")
    spec = {name: written.get(name.lower(), "") for name in ("Config", "File", "Registry")}
    privileges = {"SELinuxContext": None, "NoNewPrivileges": False}
    return {"CredentialSpec": spec if written else None} | privileges


def _mode(mode: str, replicas: int | None) -> Json:
    if mode not in MODES:
        raise CliError(f"Unknown mode: {mode}")
    if mode.startswith("global") and replicas is not None:
        raise CliError("replicas can only be used with replicated or replicated-job mode")
    return mode_spec(mode, replicas)


def _policy(written: Json | None) -> Json | None:
    if written is None:
        return None
    always = {"Parallelism": written.get("parallelism", 1), "Order": written.get("order", "")}
    always["MaxFailureRatio"] = written.get("max_failure_ratio", 0)
    return pick(written, POLICY) | always


def _restart(restart: str, policy: Json | None) -> Json | None:
    """The restart policy of `deploy.restart_policy`, else of the older `restart`."""
    if policy is not None:
        attempts = policy.get("max_attempts")
        always = {} if attempts is None else {"MaxAttempts": attempts}
        return pick(policy, RESTART) | always
    name, colon, count = restart.partition(":")
    if colon and not count.isdecimal():
        raise CliError("invalid restart policy format: maximum retry count must be an integer")
    if name in ("", "no"):
        return None
    conditions = {"always": "any", "unless-stopped": "any", "on-failure": "on-failure"}
    if name not in conditions:
        raise CliError(f"unknown restart policy: {name}")
    return {"Condition": conditions[name]} | ({"MaxAttempts": int(count)} if count else {})


def _resources(written: Json) -> Json:
    return {
        field: _amounts(written[key])
        for field, key in (("Limits", "limits"), ("Reservations", "reservations"))
        if key in written
    }


def _amounts(written: Json) -> Json:
    try:
        cpus = parse_cpus(written.get("cpus", "0"))
    except ValueError as error:
        raise CliError(str(error)) from None
    resources = [
        {"DiscreteResourceSpec": pick(item.get("discrete_resource_spec", {}), RESOURCE)}
        for item in written.get("generic_resources", [])
    ]
    amounts: Json = {"NanoCPUs": cpus, "MemoryBytes": int(written.get("memory", 0))}
    return non_empty(amounts | {"Pids": written.get("pids"), "GenericResources": resources})


def _health(written: Json) -> Json:
    if written.get("disable"):
        if written.get("test"):
            raise CliError("test and disable can't be set at the same time")
        return {"Test": ["NONE"]}
    return non_empty(pick(written, HEALTH))


def _ulimit(name: str, written: Any) -> Json:
    limits = written if isinstance(written, dict) else {"soft": written, "hard": written}
    return {"Name": name, "Hard": limits["hard"], "Soft": limits["soft"]}
