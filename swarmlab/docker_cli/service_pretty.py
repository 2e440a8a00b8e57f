"""`docker service inspect --pretty`: a service told in lines."""

from collections.abc import Iterator
from typing import Any

from swarmlab.docker_cli.listing import dig
from swarmlab.docker_cli.session import Json
from swarmlab.docker_cli.text import binary_size, go_duration, go_value, human_duration, seconds_of


def pretty(service: Json, now: float, networks: list[str]) -> Iterator[str]:
    """The lines for `service` at Unix second `now`; `networks` are the names of its networks."""
    spec = service["Spec"]
    task = spec["TaskTemplate"]
    yield from ("", f"ID:\t\t{service['ID']}", f"Name:\t\t{spec['Name']}")
    yield from _pairs("Labels:", spec.get("Labels"), "=")
    yield from _mode(spec["Mode"])
    yield from _update_status(service.get("UpdateStatus") or {}, now)
    yield from _placement(task.get("Placement") or {})
    yield from _policy("Update", spec.get("UpdateConfig"))
    yield from _policy("Rollback", spec.get("RollbackConfig"))
    yield from _container(task["ContainerSpec"])
    yield from _log_driver(task.get("LogDriver"))
    yield from _resources(task.get("Resources"))
    if networks:
        yield f"Networks: {' '.join(networks)} "
    yield f"Endpoint Mode:\t{dig(spec, 'EndpointSpec.Mode')}"
    yield from _ending(dig(service, "Endpoint.Ports", []), dig(task, "ContainerSpec.Healthcheck", {}))


def _pairs(title: str, found: Any, separator: str) -> Iterator[str]:
    if found:
        yield title
        for key in sorted(found):
            yield f" {key}{separator}{found[key]}" if found[key] else f" {key}"


def _mode(mode: Json) -> Iterator[str]:
    name = "\tGlobal" if "Global" in mode else "\tReplicated" if "Replicated" in mode else ""
    yield f"Service Mode:{name}"
    if (replicas := dig(mode, "Replicated.Replicas", None)) is not None:
        yield f" Replicas:\t{replicas}"


def _update_status(status: Json, now: float) -> Iterator[str]:
    if not status.get("State"):
        return
    yield from ("UpdateStatus:", f" State:\t\t{status['State']}")
    if started := status.get("StartedAt"):
        yield f" Started:\t{human_duration(now - seconds_of(started))} ago"
    if status["State"] == "completed" and (ended := status.get("CompletedAt")):
        yield f" Completed:\t{human_duration(now - seconds_of(ended))} ago"
    yield f" Message:\t{status.get('Message', '')}"


def _placement(placement: Json) -> Iterator[str]:
    yield "Placement:"
    if constraints := placement.get("Constraints"):
        yield f" Constraints:\t{go_value(constraints)}"
    preferences = [dig(p, "Spread.SpreadDescriptor") for p in placement.get("Preferences") or []]
    if preferences:
        yield f" Preferences:   {go_value([f'spread={p}' for p in preferences])}"
    if limit := placement.get("MaxReplicas"):
        yield f" Max Replicas Per Node:   {limit}"


def _policy(name: str, policy: Json | None) -> Iterator[str]:
    if policy is None:
        return
    yield from (f"{name}Config:", f" Parallelism:\t{policy.get('Parallelism', 0)}")
    if delay := policy.get("Delay"):
        yield f" Delay:\t\t{go_duration(delay)}"
    yield f" On failure:\t{policy.get('FailureAction', '')}"
    if monitor := policy.get("Monitor"):
        yield f" Monitoring Period: {go_duration(monitor)}"
    yield f" Max failure ratio: {go_value(policy.get('MaxFailureRatio', 0))}"
    yield f" {name + ' order:':<18} {policy.get('Order', '')}"


def _container(container: Json) -> Iterator[str]:
    yield from ("ContainerSpec:", f" Image:\t\t{container.get('Image', '')}")
    for title, field in (("Args", "Args"), ("Env", "Env")):
        if words := container.get(field):
            yield f" {title}:\t\t{' '.join(words)} "
    if folder := container.get("Dir"):
        yield f" Dir:\t\t{folder}"
    if (init := container.get("Init")) is not None:
        yield f" Init:\t\t{go_value(init)}"
    if user := container.get("User"):
        yield f" User: {user}"
    added, dropped = container.get("CapabilityAdd"), container.get("CapabilityDrop")
    if added or dropped:
        yield "Capabilities:"
    for title, names in (("Add", added), ("Drop", dropped)):
        if names:
            yield f" {title}: {', '.join(names)}"
    yield from _pairs("SysCtls:", container.get("Sysctls"), ": ")
    limits = container.get("Ulimits") or []
    yield from _pairs("Ulimits:", {u["Name"]: f"{u['Soft']}:{u['Hard']}" for u in limits}, ": ")
    yield from _files(container)


def _files(container: Json) -> Iterator[str]:
    if mounts := container.get("Mounts"):
        yield "Mounts:"
        for mount in mounts:
            yield f" Target:\t{mount.get('Target', '')}"
            yield f"  Source:\t{mount.get('Source', '')}"
            yield f"  ReadOnly:\t{go_value(mount.get('ReadOnly', False))}"
            yield f"  Type:\t\t{mount.get('Type', '')}"
    for title, name in (("Configs", "ConfigName"), ("Secrets", "SecretName")):
        if references := container.get(title):
            yield f"{title}:"
            for one in references:
                yield from (f" Target:\t{dig(one, 'File.Name')}", f"  Source:\t{one[name]}")


def _log_driver(driver: Json | None) -> Iterator[str]:
    if driver is None:
        return
    yield "Log Driver:"
    if name := driver.get("Name"):
        yield f" Name:\t\t{name}"
    if options := driver.get("Options"):
        yield " LogOpts:"
        yield from (f"  {k}:       {options[k]}" if options[k] else f"  {k}" for k in sorted(options))
    yield ""


def _resources(resources: Json | None) -> Iterator[str]:
    if resources is None:
        return
    yield "Resources:"
    limits = resources.get("Limits") or {}
    for title, found in ((" Reservations:", resources.get("Reservations") or {}), (" Limits:", limits)):
        cpus, memory = found.get("NanoCPUs", 0), found.get("MemoryBytes", 0)
        if cpus or memory or found.get("Pids"):
            yield title
        if cpus:
            yield f"  CPU:\t\t{cpus / 10**9:g}"
        if memory:
            yield f"  Memory:\t{binary_size(memory)}"
    if pids := limits.get("Pids"):
        yield f"  PIDs:\t\t{pids}"


def _ending(ports: list[Json], health: Json) -> Iterator[str]:
    """Ports and health check; the spaces and the blank line at the end are docker's own."""
    lines: list[str] = []
    for port in ports:
        lines.append(f" PublishedPort = {port.get('PublishedPort', 0)}")
        lines.append(f"  Protocol = {port.get('Protocol', '')}")
        lines.append(f"  TargetPort = {port.get('TargetPort', 0)}")
        lines.append(f"  PublishMode = {port.get('PublishMode', '')}")
    if lines:
        yield "Ports:"
        lines[-1] += " "
    if health:
        first = " Healthcheck:"
        lines[-1:] = [f"{lines[-1]}{first}"] if lines else [first]
        lines.append(f"  Interval = {go_duration(health.get('Interval', 0))}")
        lines.append(f"  Retries = {health.get('Retries', 0)}")
        lines.append(f"  StartPeriod =\t{go_duration(health.get('StartPeriod', 0))}")
        lines.append(f"  Timeout =\t{go_duration(health.get('Timeout', 0))}")
        if tests := health.get("Test"):
            lines += ["  Tests:", *(f"\t Test = {test}" for test in tests)]
            lines[-1] += " "
    yield from lines
    yield ""
