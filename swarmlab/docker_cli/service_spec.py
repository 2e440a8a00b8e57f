"""What the flags of `service create` and `service update` do to a service's spec, as tables.

Create is an update of an empty spec: its `--env` is the `--env-add` of update.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.session import CliError, Json, Session

C, T = "TaskTemplate.ContainerSpec.", "TaskTemplate."
S = 10**9
HEALTH = C + "Healthcheck."

# Flag to the field that holds its value.
FIELDS = {
    "name": "Name",
    "image": C + "Image",
    "args": C + "Args",
    "entrypoint": C + "Command",
    "hostname": C + "Hostname",
    "workdir": C + "Dir",
    "user": C + "User",
    "init": C + "Init",
    "tty": C + "TTY",
    "read-only": C + "ReadOnly",
    "stop-signal": C + "StopSignal",
    "stop-grace-period": C + "StopGracePeriod",
    "isolation": C + "Isolation",
    "oom-score-adj": C + "OomScoreAdj",
    "health-interval": HEALTH + "Interval",
    "health-timeout": HEALTH + "Timeout",
    "health-retries": HEALTH + "Retries",
    "health-start-period": HEALTH + "StartPeriod",
    "health-start-interval": HEALTH + "StartInterval",
    "limit-cpu": T + "Resources.Limits.NanoCPUs",
    "limit-memory": T + "Resources.Limits.MemoryBytes",
    "limit-pids": T + "Resources.Limits.Pids",
    "reserve-cpu": T + "Resources.Reservations.NanoCPUs",
    "reserve-memory": T + "Resources.Reservations.MemoryBytes",
    "restart-condition": T + "RestartPolicy.Condition",
    "restart-delay": T + "RestartPolicy.Delay",
    "restart-max-attempts": T + "RestartPolicy.MaxAttempts",
    "restart-window": T + "RestartPolicy.Window",
    "replicas-max-per-node": T + "Placement.MaxReplicas",
    "endpoint-mode": "EndpointSpec.Mode",
}
for _prefix, _group in (("update", "UpdateConfig"), ("rollback", "RollbackConfig")):
    FIELDS |= {
        f"{_prefix}-parallelism": f"{_group}.Parallelism",
        f"{_prefix}-delay": f"{_group}.Delay",
        f"{_prefix}-failure-action": f"{_group}.FailureAction",
        f"{_prefix}-monitor": f"{_group}.Monitor",
        f"{_prefix}-max-failure-ratio": f"{_group}.MaxFailureRatio",
        f"{_prefix}-order": f"{_group}.Order",
    }
_UPDATE = {"Parallelism": 1, "FailureAction": "pause", "Monitor": 5 * S, "MaxFailureRatio": 0}
# A group that one flag calls into being begins with these.
GROUP_DEFAULTS: dict[str, Json] = {
    "UpdateConfig": _UPDATE | {"Order": "stop-first"},
    "RollbackConfig": _UPDATE | {"Order": "stop-first"},
    T + "RestartPolicy": {"Condition": "any", "Delay": 5 * S, "MaxAttempts": 0},
}
# Fields that are sent even when they are zero; of all others a zero is left out.
KEPT = {"Init", "StopGracePeriod", "Parallelism", "MaxFailureRatio", "MaxAttempts", "Window"}
KEPT_IN = {T + "RestartPolicy.Delay"}


def _text(item: Any) -> Any:
    return item


def _env_key(item: str) -> str:
    return item.partition("=")[0]


def _nested(*names: str) -> Callable[[Json], Any]:
    def key(item: Json) -> Any:
        for name in names:
            item = item[name]
        return item

    return key


@dataclass(frozen=True, slots=True)
class Collection:
    """A list in the spec that flags add to and remove from, each item known by its key."""

    path: str
    key: Callable[[Any], Any] = _text
    order: Callable[[Any], Any] | None = None  # how an update sorts it
    unique: bool = False  # an added item takes the place of the one with its key


COLLECTIONS = {
    "constraint": Collection(T + "Placement.Constraints", order=_text),
    "placement-pref": Collection(T + "Placement.Preferences", _nested("Spread", "SpreadDescriptor")),
    "env": Collection(C + "Env", _env_key, unique=True),
    "group": Collection(C + "Groups", order=_text),
    "dns": Collection(C + "DNSConfig.Nameservers", order=_text, unique=True),
    "dns-search": Collection(C + "DNSConfig.Search", order=_text, unique=True),
    "dns-option": Collection(C + "DNSConfig.Options", order=_text, unique=True),
    "mount": Collection(
        C + "Mounts",
        _nested("Target"),
        order=lambda mount: (mount.get("Source", ""), mount["Target"]),
        unique=True,
    ),
    "ulimit": Collection(C + "Ulimits", _nested("Name"), order=_nested("Name"), unique=True),
    "secret": Collection(C + "Secrets", _nested("SecretName")),
    "config": Collection(C + "Configs", _nested("ConfigName")),
    "generic-resource": Collection(
        T + "Resources.Reservations.GenericResources",
        _nested("DiscreteResourceSpec", "Kind"),
        order=_nested("DiscreteResourceSpec", "Kind"),
        unique=True,
    ),
}
LABELS = {"label": "Labels", "container-label": C + "Labels", "sysctl": C + "Sysctls"}
HEALTH_FLAGS = ("cmd", "interval", "timeout", "retries", "start-period", "start-interval")
UNPINNED = """\
image {0} could not be accessed on a registry to record
its digest. Each node will access {0} independently,
possibly leading to different nodes running different
versions of the image.
"""


def _at(spec: Json, path: str) -> tuple[Json, str]:
    """The object that holds the last name of `path`, made where it is missing."""
    *parents, last = path.split(".")
    for depth, name in enumerate(parents, 1):
        if spec.get(name) is None:
            spec[name] = copy.deepcopy(GROUP_DEFAULTS.get(".".join(parents[:depth]), {}))
        spec = spec[name]
    return spec, last


def _put(spec: Json, path: str, value: Any) -> None:
    holder, name = _at(spec, path)
    if value or name in KEPT or path in KEPT_IN:
        holder[name] = value
    else:
        holder.pop(name, None)


def fresh_spec(session: Session, arguments: Arguments) -> Json:
    """The spec that `service create` posts."""
    image, *words = arguments.words
    spec: Json = {
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": {"Image": image, "Init": False, "DNSConfig": {}},
            "Resources": {"Limits": {}, "Reservations": {}},
            "Placement": {},
            "ForceUpdate": 0,
        },
        "Mode": _mode(arguments),
        "EndpointSpec": {"Mode": "vip"},
    }
    if words:
        spec["TaskTemplate"]["ContainerSpec"]["Args"] = words
    if "ReplicatedJob" in spec["Mode"] or "GlobalJob" in spec["Mode"]:
        if any(flag.startswith(("update-", "rollback-")) for flag in arguments.given):
            raise CliError("update and rollback configuration is not supported for jobs")
    edit(session, spec, arguments, create=True)
    return spec


def _mode(arguments: Arguments) -> Json:
    mode = str(arguments.given.get("mode", "replicated"))
    replicas, concurrent = arguments["replicas"], arguments["max-concurrent"]
    if mode not in ("replicated", "global", "replicated-job", "global-job"):
        raise CliError(f"Unknown mode: {mode}, only replicated and global supported")
    jobs = "replicated or replicated-job mode"
    refusals = (
        (mode.startswith("global") and replicas is not None, f"replicas can only be used with {jobs}"),
        (
            mode.startswith("global") and arguments["replicas-max-per-node"],
            f"replicas-max-per-node can only be used with {jobs}",
        ),
        (
            mode != "replicated-job" and concurrent is not None,
            "max-concurrent can only be used with replicated-job mode",
        ),
    )
    for refused, text in refusals if mode != "global-job" else (*refusals[1:], refusals[0]):
        if refused:
            raise CliError(text)
    if mode.startswith("global"):
        return {"Global": {}} if mode == "global" else {"GlobalJob": {}}
    counted = {} if replicas is None else {"TotalCompletions": replicas}
    if mode == "replicated":
        return {"Replicated": {} if replicas is None else {"Replicas": replicas}}
    at_once = replicas if concurrent is None else concurrent
    return {"ReplicatedJob": ({} if at_once is None else {"MaxConcurrent": at_once}) | counted}


def edit(session: Session, spec: Json, arguments: Arguments, *, create: bool = False) -> None:
    """Applies the flags that were given to `spec`, in place."""
    given = arguments.given
    add = "" if create else "-add"
    _check_health(given)
    if not create and "replicas" in given:
        if "Replicated" not in spec["Mode"]:
            raise CliError("replicas can only be used with replicated mode")
        spec["Mode"]["Replicated"]["Replicas"] = given["replicas"]
    for flag, path in FIELDS.items():
        if flag in given:
            _put(spec, path, given[flag])
    for flag, path in LABELS.items():
        _edit_labels(spec, path, given.get(flag + add, []), given.get(f"{flag}-rm", []))
    _edit_env_files(spec, arguments if create else None)
    _edit_health(spec, given)
    _edit_networks(session, spec, given, add)
    for flag, collection in COLLECTIONS.items():
        added, removed = given.get(flag + add, []), given.get(f"{flag}-rm", [])
        if added and flag in ("secret", "config"):
            added = _with_ids(session, flag, added)
        if added or removed:
            _edit_list(spec, collection, added, removed, keep_order=create)
    _edit_ports(spec, given.get(f"publish{add}", []), given.get("publish-rm", []), sort=not create)
    _edit_hosts(spec, given.get(f"host{add}", []), given.get("host-rm", []))
    _edit_capabilities(spec, given, create=create)
    if given.get("log-driver"):
        driver = {"Name": given["log-driver"]}
        options = dict(text.partition("=")[::2] for text in given.get("log-opt", []))
        spec["TaskTemplate"]["LogDriver"] = driver | ({"Options": options} if options else {})
    if "credential-spec" in given:
        _put(spec, C + "Privileges", {"CredentialSpec": given["credential-spec"]})
    if given.get("force"):
        spec["TaskTemplate"]["ForceUpdate"] = spec["TaskTemplate"].get("ForceUpdate", 0) + 1


def _edit_labels(spec: Json, path: str, added: Iterable[str], removed: Iterable[str]) -> None:
    pairs = dict(text.partition("=")[::2] for text in added)
    gone = {text.partition("=")[0] for text in removed}
    if pairs or gone:
        holder, name = _at(spec, path)
        kept = {k: v for k, v in (holder.get(name) or {}).items() if k not in gone}
        holder[name] = kept | pairs


def _edit_list(
    spec: Json, where: Collection, added: list[Any], removed: list[Any], *, keep_order: bool
) -> None:
    holder, name = _at(spec, where.path)
    gone = [where.key(one) if isinstance(one, dict) else one for one in removed]
    found = holder.get(name) or []
    if where.unique:
        new = {where.key(one) for one in added}
        found = [one for one in found if where.key(one) not in new]
        added = list({where.key(one): one for one in added}.values())
    kept = [one for one in found + added if where.key(one) not in gone]
    if where.order and not keep_order:
        kept.sort(key=where.order)
    _put(spec, where.path, kept)


def _edit_env_files(spec: Json, arguments: Arguments | None) -> None:
    lines: list[str] = []
    for path in arguments["env-file"] if arguments else []:
        try:
            text = Path(path).read_text()
        except OSError as error:
            raise CliError(f"open {path}: {str(error.strerror).lower()}") from None
        lines += [ln.lstrip() for ln in text.splitlines() if ln.strip() and not ln.startswith("#")]
    if lines:
        spec["TaskTemplate"]["ContainerSpec"]["Env"] = lines


def _check_health(given: Mapping[str, Any]) -> None:
    if given.get("no-healthcheck") and any(f"health-{name}" in given for name in HEALTH_FLAGS):
        raise CliError("--no-healthcheck conflicts with --health-* options")


def _edit_health(spec: Json, given: Mapping[str, Any]) -> None:
    container = spec["TaskTemplate"]["ContainerSpec"]
    if given.get("no-healthcheck"):
        container["Healthcheck"] = {"Test": ["NONE"]}
    elif any(f"health-{name}" in given for name in HEALTH_FLAGS):
        health = container.setdefault("Healthcheck", {})
        if health.get("Test", [])[:1] == ["NONE"]:
            del health["Test"]
        if "health-cmd" in given:
            _put(spec, HEALTH + "Test", given["health-cmd"] and ["CMD-SHELL", given["health-cmd"]])


def _edit_networks(session: Session, spec: Json, given: Mapping[str, Any], add: str) -> None:
    added, removed = given.get(f"network{add}", []), given.get("network-rm", [])
    if not added and not removed:
        return
    task = spec["TaskTemplate"]
    found = task.get("Networks") or spec.pop("Networks", None) or []
    gone = {_network_id(session, name) for name in removed}
    kept = [one for one in found if one["Target"] not in gone]
    for one in added:
        target = _network_id(session, one["Target"])
        if add and any(other["Target"] == target for other in kept):
            raise CliError(f"service is already attached to network {one['Target']}")
        kept.append(one | {"Target": target})
    task["Networks"] = sorted(kept, key=lambda one: str(one["Target"]))


def _network_id(session: Session, reference: str) -> str:
    return str(session.get(f"/networks/{reference}", scope="swarm")["Id"])


def _with_ids(session: Session, kind: str, references: list[Json]) -> list[Json]:
    """Secret or config references with the IDs of what they name."""
    name, targets = f"{kind.capitalize()}Name", set()
    for one in references:
        if one["File"]["Name"] in targets:
            raise CliError(f"duplicate {kind} target for {one[name]} not allowed")
        targets.add(one["File"]["Name"])
    filters = {"name": [one[name] for one in references]}
    known = {s["Spec"]["Name"]: s["ID"] for s in session.get(f"/{kind}s", filters=filters) or []}
    for one in references:
        if one[name] not in known:
            raise CliError(f"{kind} not found: {one[name]}")
    return [one | {f"{kind.capitalize()}ID": known[one[name]]} for one in references]


def _edit_ports(spec: Json, added: list[Json], removed: list[Json], *, sort: bool) -> None:
    if not added and not removed:
        return

    def text(port: Json) -> str:
        numbers = f"{port.get('PublishedPort', 0)}:{port['TargetPort']}"
        return f"{numbers}/{port.get('Protocol', '')}/{port.get('PublishMode', '')}"

    def same(left: Json, right: Json) -> bool:
        alike = left["TargetPort"] == right["TargetPort"]
        protocols = [p.get("Protocol") or "tcp" for p in (left, right)]
        modes = [p.get("PublishMode") or "ingress" for p in (left, right)]
        return alike and len(set(protocols)) == len(set(modes)) == 1

    endpoint = spec["EndpointSpec"] = spec.get("EndpointSpec") or {}
    found = endpoint.get("Ports") or []
    known = {text(port) for port in found}
    kept = [port for port in found if not any(same(port, gone) for gone in removed)]
    kept += [port for port in added if text(port) not in known]
    endpoint["Ports"] = sorted(kept, key=text) if sort else kept
    if not kept:
        del endpoint["Ports"]


def _edit_hosts(spec: Json, added: list[str], removed: list[str]) -> None:
    if not added and not removed:
        return
    kept: list[str] = []
    for entry in spec["TaskTemplate"]["ContainerSpec"].get("Hosts") or []:
        address, *names = entry.split()
        for gone in removed:
            host, _, only = gone.partition(":")
            names = [n for n in names if n != host or only not in ("", address)]
        kept += [" ".join([address, *names])] if names else []
    _put(spec, C + "Hosts", list(dict.fromkeys(kept + added)))


def _edit_capabilities(spec: Json, given: Mapping[str, Any], *, create: bool) -> None:
    """Adding what was dropped only takes the drop back, and the other way round."""
    adds, drops = (_capabilities(given.get(flag, [])) for flag in ("cap-add", "cap-drop"))
    if not adds and not drops:
        return
    container = spec["TaskTemplate"]["ContainerSpec"]
    added, dropped = (_capabilities(container.get(f"Capability{k}") or []) for k in ("Add", "Drop"))
    if create:
        added, dropped = adds, drops - adds
    else:
        added = set() if "RESET" in adds else added
        dropped = set() if "RESET" in drops else dropped
        for one in drops - adds:
            added.discard(one) if one in added else dropped.add(one)
        for one in adds:
            dropped.discard(one) if one in dropped else added.add(one)
    for name, chosen in (("Add", added), ("Drop", dropped)):
        chosen -= {"RESET"}
        _put(spec, f"{C}Capability{name}", ["ALL"] if "ALL" in chosen else sorted(chosen))


def _capabilities(names: Iterable[str]) -> set[str]:
    upper = (name.strip().upper() for name in names)
    return {n if n.startswith("CAP_") or n in ("ALL", "RESET") else f"CAP_{n}" for n in upper}


def resolve_image(session: Session, spec: Json) -> list[str]:
    """Pins the image to its digest and platforms; the warning when no registry knows it."""
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    image = container["Image"]
    if "@" not in image and ":" not in image.rpartition("/")[2]:
        image = container["Image"] = f"{image}:latest"
    try:
        found = session.get(f"/distribution/{image}/json")
    except CliError:
        return [UNPINNED.format(image)]
    if "@" not in image:
        container["Image"] = f"{image}@{found['Descriptor']['digest']}"
    platforms = [
        {"Architecture": p["architecture"], "OS": p["os"]}
        if p["architecture"].lower() not in ("", "arm")
        else {"OS": p["os"]}
        for p in found.get("Platforms") or []
    ]
    if platforms:
        task["Placement"] = (task.get("Placement") or {}) | {"Platforms": platforms}
    return []
