"""Validation of service specs before a manager stores them, in SwarmKit's order and words.

Source: swarmkit manager/controlapi/{common,service}.go.
"""

from __future__ import annotations

import re
from collections import Counter

from swarmlab import model
from swarmlab.errors import BadParameter, InvalidArgument, Unimplemented
from swarmlab.manager import constraints
from swarmlab.manager.secrets import check_references
from swarmlab.manager.store import Store
from swarmlab.model.image_reference import ImageReference
from swarmlab.simulation import MS
from swarmlab.templates.task_templates import MADE_UP, expand_container

SERVICE_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*+[A-Za-z0-9])*+")
SERVICE_NAME_LENGTH_MAX = 63
NANO_CPUS_MIN, MEMORY_BYTES_MIN = 1_000_000, 4 * 1024 * 1024


def check_name(name: str) -> None:
    """Whether a service or network may have this name."""
    if not name:
        raise InvalidArgument("meta: name must be provided")
    if not SERVICE_NAME.fullmatch(name):
        raise InvalidArgument("name must be valid as a DNS name component")
    if len(name) > SERVICE_NAME_LENGTH_MAX:
        raise InvalidArgument("name must be 63 characters or fewer")


def check_service(spec: model.ServiceSpec) -> None:
    """Check everything in a service's spec that does not depend on the store."""
    check_name(spec.name)
    task = spec.task
    for kind in ("Limits", "Reservations"):
        _check_resources(task.at("Resources", kind, default=model.Document()))
    if task.restart.delay_ns < 0:
        raise InvalidArgument("TaskSpec: restart-delay cannot be negative")
    if task.restart.window_ns < 0:
        raise InvalidArgument("TaskSpec: restart-window cannot be negative")
    constraints.parse(task.constraints)
    check_references(task, model.Secret)
    check_references(task, model.Config)
    _check_container(task)
    _check_mode(spec)
    _check_endpoint(spec)


def _check_resources(resources: model.Document) -> None:
    nano_cpus = resources.get("NanoCPUs") or 0
    if nano_cpus and nano_cpus < NANO_CPUS_MIN:
        raise InvalidArgument(f"invalid cpu value {nano_cpus / 1e9:g}: Must be at least 0.001")
    memory_bytes = resources.get("MemoryBytes") or 0
    if memory_bytes and memory_bytes < MEMORY_BYTES_MIN:
        raise InvalidArgument(f"invalid memory value {memory_bytes}: Must be at least 4MiB")


def _check_container(task: model.TaskSpec) -> None:
    try:
        expand_container(task.container, MADE_UP)
    except BadParameter as error:
        raise InvalidArgument(str(error)) from None
    if not task.image:
        raise InvalidArgument("ContainerSpec: image reference must be provided")
    try:
        ImageReference.parse(task.image)
    except BadParameter:
        message = f'ContainerSpec: "{task.image}" is not a valid repository/tag'
        raise InvalidArgument(message) from None
    targets = Counter(mount.get("Target", "") for mount in task.container.get("Mounts") or ())
    for target, count in targets.items():
        if count > 1:
            raise InvalidArgument(f"ContainerSpec: duplicate mount point: {target}")
    health = task.container.get("Healthcheck") or {}
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if health.get(key) and health[key] < MS:
            raise InvalidArgument(f"ContainerSpec: {key} in HealthConfig cannot be less than 1ms")
    if (health.get("Retries") or 0) < 0:
        raise InvalidArgument("ContainerSpec: Retries in HealthConfig cannot be negative")


def _check_mode(spec: model.ServiceSpec) -> None:
    if not -1 < spec.replicas < 2**63:
        raise InvalidArgument("Number of replicas must be non-negative")
    job = spec.at("Mode", "ReplicatedJob", default={})
    if not -1 < job.get("MaxConcurrent", 0) < 2**63:
        raise InvalidArgument("Maximum concurrent jobs must not be negative")
    if not -1 < job.get("TotalCompletions", 0) < 2**63:
        raise InvalidArgument("Total completed jobs must not be negative")
    if spec.mode.endswith("-job"):
        if "UpdateConfig" in spec:
            raise InvalidArgument("Jobs may not have an update config")
        return
    _check_update_config(spec.update_config)


def _check_update_config(config: model.UpdateConfig) -> None:
    if config.delay_ns < 0:
        raise InvalidArgument("TaskSpec: update-delay cannot be negative")
    if config.monitor_ns < 0:
        raise InvalidArgument("TaskSpec: update-monitor cannot be negative")
    if not 0 <= config.max_failure_ratio <= 1:
        raise InvalidArgument(
            "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1"
        )


def _check_endpoint(spec: model.ServiceSpec) -> None:
    published: set[tuple[str, int]] = set()
    for port in spec.ports:
        if model.is_ingress(port) and spec.endpoint.get("Mode") == "dnsrr":
            raise InvalidArgument(
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode"
            )
        if port.get("PublishedPort") and model.published(port) in published:
            raise InvalidArgument("EndpointSpec: duplicate published ports provided")
        published.add(model.published(port))


def check_networks(spec: model.ServiceSpec, view: Store) -> None:
    """Refuse an explicit attachment to the ingress network: published ports attach to it."""
    for attachment in spec.task.networks:
        network = view.get(model.SwarmNetwork, attachment.get("Target", ""))
        if network is not None and network.spec.get("Ingress"):
            raise InvalidArgument(
                f'Service cannot be explicitly attached to the ingress network "{network.name}"'
            )


def check_ports(spec: model.ServiceSpec, view: Store, own_id: str = "") -> None:
    """Refuse a published port that conflicts with another service's; two host ports do not."""
    wanted = {model.published(port): port for port in spec.ports if port.get("PublishedPort")}
    for service in view.all(model.Service) if wanted else ():
        theirs = [*service.spec.ports, *(service.endpoint or model.EMPTY).get("Ports", ())]
        for port in theirs if service.id != own_id else ():
            own_port = wanted.get(model.published(port))
            if own_port and (model.is_ingress(port) or model.is_ingress(own_port)):
                how = "an ingress" if model.is_ingress(port) else "a host-published"
                raise InvalidArgument(
                    f"port '{port['PublishedPort']}' is already in use by service "
                    f"'{service.name}' ({service.id}) as {how} port"
                )


def check_update(old: model.ServiceSpec, new: model.ServiceSpec) -> None:
    """Refuse changes that no update of a service may make."""
    was, now = old.get("Networks") or (), new.get("Networks") or ()
    if was != now and new.task.networks == now:  # not those of its tasks
        raise Unimplemented("networks must be migrated to TaskSpec before being changed")
    if old.mode != new.mode:
        raise Unimplemented("service mode change is not allowed")
    if old.name != new.name:
        raise Unimplemented("renaming services is not supported")
