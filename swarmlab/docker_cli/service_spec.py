"""Turns the flags of `service create` and `service update` into a service's spec.

`service_fields.txt` says which flag sets which field. Create is an update of an empty spec: its
`--env` is the `--env-add` of update.
Source: docker/cli cli/command/service/opts.go, cli/command/service/update.go.
"""

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, labels
from swarmlab.docker_cli.session import CliError, Json, Session, env_lines
from swarmlab.model.specs import RESTART_DEFAULTS, UPDATE_DEFAULTS

# What a group of fields starts with when a flag sets the first of them.
GROUPS: dict[str, Json] = {
    "UpdateConfig": UPDATE_DEFAULTS,
    "RollbackConfig": UPDATE_DEFAULTS,
    "RestartPolicy": RESTART_DEFAULTS,
    "Resources": {"Limits": {}, "Reservations": {}},
}
CONTAINER = "TaskTemplate.ContainerSpec."
LABEL_FIELDS = {
    "label": "Labels",
    "container-label": CONTAINER + "Labels",
    "sysctl": CONTAINER + "Sysctls",
}
# The words of `--mode` and `deploy.mode`, and their fields in a spec.
MODES = {
    "replicated": "Replicated",
    "global": "Global",
    "replicated-job": "ReplicatedJob",
    "global-job": "GlobalJob",
}
UNPINNED = """\
image {0} could not be accessed on a registry to record
its digest. Each node will access {0} independently,
possibly leading to different nodes running different
versions of the image.
"""


@cache
def tables() -> list[list[list[str]]]:
    """The two tables of service_fields.txt, as rows of words."""
    text = Path(__file__).with_name("service_fields.txt").read_text("utf-8")
    blocks = text.replace(" C.", f" {CONTAINER}").replace(" T.", " TaskTemplate.").split("\n\n")[1:]
    return [[line.split() for line in b.splitlines() if not line.startswith("#")] for b in blocks]


def _put(spec: Json, path: str, value: Any, *, zero: bool = False) -> None:
    """Set the field at `path` and create its parents; a zero removes the field unless `zero`."""
    *parents, last = path.split(".")
    for name in parents:
        if name == "Resources" or spec.get(name) is None:
            spec[name] = copy.deepcopy(GROUPS.get(name, {})) | (spec.get(name) or {})
        spec = spec[name]
    if value or zero:
        spec[last] = value
    else:
        spec.pop(last, None)


def fresh_spec(session: Session, arguments: Arguments) -> Json:
    """The spec that `service create` posts."""
    image, *words = arguments.words
    container: Json = {"Image": image, "Init": False, "DNSConfig": {}}
    if words:
        container["Args"] = words
    if lines := [line for path in arguments["env-file"] for line in env_lines(path)]:
        container["Env"] = lines
    spec: Json = {
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": container,
            "Resources": copy.deepcopy(GROUPS["Resources"]),
            "Placement": {},
            "ForceUpdate": 0,
        },
        "Mode": _mode(arguments),
        "EndpointSpec": {"Mode": "vip"},
    }
    edit(session, spec, arguments, create=True)
    return spec


def _mode(arguments: Arguments) -> Json:
    mode = str(arguments.given.get("mode", "replicated"))
    replicas, concurrent = arguments["replicas"], arguments["max-concurrent"]
    policies = any(flag.startswith(("update-", "rollback-")) for flag in arguments.given)
    only_replicated = "can only be used with replicated or replicated-job mode"
    if mode not in MODES:
        raise CliError(f"Unknown mode: {mode}, only replicated and global supported")
    if mode == "global" and replicas is not None:
        raise CliError(f"replicas {only_replicated}")
    if mode.startswith("global") and arguments["replicas-max-per-node"]:
        raise CliError(f"replicas-max-per-node {only_replicated}")
    if mode != "replicated-job" and concurrent is not None:
        raise CliError("max-concurrent can only be used with replicated-job mode")
    if mode == "global-job" and replicas is not None:
        raise CliError(f"replicas {only_replicated}")
    if mode.endswith("job") and policies:
        raise CliError("update and rollback configuration is not supported for jobs")
    return mode_spec(mode, replicas, concurrent)


def mode_spec(mode: str, replicas: int | None, concurrent: int | None = None) -> Json:
    """The `Mode` of a spec, with the counts that were given; a job runs all at once by default."""
    counts: dict[str, int | None] = {}
    if mode == "replicated":
        counts = {"Replicas": replicas}
    elif mode == "replicated-job":
        concurrent = replicas if concurrent is None else concurrent
        counts = {"MaxConcurrent": concurrent, "TotalCompletions": replicas}
    return {MODES[mode]: {name: count for name, count in counts.items() if count is not None}}


def edit(session: Session, spec: Json, arguments: Arguments, *, create: bool = False) -> None:
    """Apply the flags that were given to `spec`, in place."""
    given, add = arguments.given, "" if create else "-add"
    container, task = spec["TaskTemplate"]["ContainerSpec"], spec["TaskTemplate"]
    _edit_health(spec, given)
    if not create and "replicas" in given:
        if "Replicated" not in spec["Mode"]:
            raise CliError("replicas can only be used with replicated mode")
        spec["Mode"]["Replicated"]["Replicas"] = given["replicas"]
    fields, lists = tables()
    for flag, path, *zero in fields:
        if flag in given:
            _put(spec, path, given[flag], zero=bool(zero))
    for flag, path in LABEL_FIELDS.items():
        new, old = labels(given.get(flag + add, [])), labels(given.get(f"{flag}-rm", []))
        if new or old:
            kept = {k: v for k, v in dig(spec, path, {}).items() if k not in old}
            _put(spec, path, kept | new, zero=True)
    for flag, path, key, *options in lists:
        added, removed = given.get(flag + add, []), given.get(f"{flag}-rm", [])
        if added or removed:
            items = dig(spec, path, [])
            if flag in ("secret", "config") and added:
                added = with_ids(session, flag, added)
            elif flag == "network":
                added, removed = _network_ids(session, items, added, removed, create=create)
            _put(spec, path, _edit_list(items, key, added, removed, options, create=create))
    edit_capabilities(container, given, create=create)
    if given.get("log-driver"):
        task["LogDriver"] = {"Name": given["log-driver"]}
        if pairs := labels(given.get("log-opt", [])):
            task["LogDriver"]["Options"] = pairs
    if given.get("force"):
        task["ForceUpdate"] = task.get("ForceUpdate", 0) + 1


def _key_of(item: Any, key: str) -> Any:
    """The part of `item` that tells it from others in its list."""
    if isinstance(item, str):
        return item.partition("=")[0] if key == "=" else item
    return tuple(str(dig(item, path)) for path in key.split(","))


def _edit_list(
    items: list[Any],
    key: str,
    added: list[Any],
    removed: list[Any],
    options: list[str],
    *,
    create: bool,
) -> list[Any]:
    """`items` without the removed and with the added ones; see service_fields.txt."""
    if key == "host":
        return list(dict.fromkeys(_without_hosts(items, removed) + added))
    removed_keys = [
        _key_of(item, key) if isinstance(item, dict) or key in "-=" else (item,) for item in removed
    ]
    if "must" in options:
        keys = [_key_of(item, key) for item in items]
        for name, missing in zip(removed, removed_keys, strict=True):
            if missing not in keys:
                raise CliError(f"could not find generic-resource `{name}` to remove it")
    if "one" in options:
        newest: dict[Any, Any] = {}
        for item in added:
            newest.pop(_key_of(item, key), None)
            newest[_key_of(item, key)] = item
        added = list(newest.values())
        items = [item for item in items if _key_of(item, key) not in newest]
    kept = [item for item in items if _key_of(item, key) not in removed_keys or key == "-"]
    kept += [item for item in added if item not in items or isinstance(item, str)]
    if key == "-":
        kept = [item for item in kept if item not in removed_keys]
    order = next((option for option in options if option.startswith("sorted")), "")
    if order and (not create or "always" in options):
        kept.sort(key=lambda item: _key_of(item, order.partition("=")[2] or key))
    return kept


def _without_hosts(hosts: list[str], removed: list[str]) -> list[str]:
    """`ADDRESS NAME…` entries without the removed `NAME` or `NAME:ADDRESS`."""
    pairs = [host.partition(":")[::2] for host in removed]
    kept = []
    for address, *names in map(str.split, hosts):
        names = [n for n in names if not any(n == h and a in ("", address) for h, a in pairs)]
        kept += [" ".join([address, *names])] if names else []
    return kept


def _network_ids(
    session: Session,
    attached: list[Json],
    added: list[Json],
    removed: list[str],
    *,
    create: bool,
) -> tuple[list[Json], list[str]]:
    """The added and removed networks with their names resolved to IDs."""

    def network_id(reference: str) -> str:
        return str(session.get(f"/networks/{reference}", scope="swarm")["Id"])

    removed = [network_id(name) for name in removed]
    kept = {network["Target"] for network in attached} - set(removed)
    resolved = [network | {"Target": network_id(network["Target"])} for network in added]
    for network, new in zip(added, resolved, strict=True):
        if not create and new["Target"] in kept:
            raise CliError(f"service is already attached to network {network['Target']}")
    return resolved, removed


def with_ids(session: Session, kind: str, references: list[Json]) -> list[Json]:
    """References to secrets or configs with the IDs that belong to their names."""
    field, targets = f"{kind.capitalize()}Name", set()
    for reference in references:
        target = reference["File"]["Name"]
        if target in targets:
            raise CliError(f"duplicate {kind} target for {reference[field]} not allowed")
        targets.add(target)
    filters = {"name": [reference[field] for reference in references]}
    items = session.get(f"/{kind}s", filters=filters) or []
    ids = {item["Spec"]["Name"]: item["ID"] for item in items}
    for reference in references:
        if reference[field] not in ids:
            raise CliError(f"{kind} not found: {reference[field]}")
    return [ref | {f"{kind.capitalize()}ID": ids[ref[field]]} for ref in references]


def _edit_health(spec: Json, given: Mapping[str, Any]) -> None:
    """The command of a health check, and `--no-healthcheck`."""
    path = f"{CONTAINER}Healthcheck"
    has_flags = any(flag.startswith("health-") for flag in given)
    if given.get("no-healthcheck"):
        if has_flags:
            raise CliError("--no-healthcheck conflicts with --health-* options")
        _put(spec, path, {"Test": ["NONE"]})
    elif "health-cmd" in given:
        command = given["health-cmd"]
        _put(spec, f"{path}.Test", command and ["CMD-SHELL", command])
    elif has_flags and dig(spec, f"{path}.Test", []) == ["NONE"]:
        _put(spec, f"{path}.Test", [])


def edit_capabilities(container: Json, given: Mapping[str, Any], *, create: bool) -> None:
    """Adding what was dropped only takes the drop back, and the other way round."""
    adds, drops = (_capabilities(given.get(flag, [])) for flag in ("cap-add", "cap-drop"))
    if not adds and not drops:
        return
    added, dropped = (_capabilities(container.get(f"Capability{k}") or []) for k in ("Add", "Drop"))
    added, dropped = added * ("RESET" not in adds), dropped * ("RESET" not in drops)
    drops = [name for name in drops if name not in adds]
    undropped = [] if create else [name for name in adds if name in dropped]
    unadded = [] if create else [name for name in drops if name in added]
    for field, names in (
        ("CapabilityAdd", ({*added} - {*unadded}) | ({*adds} - {*undropped})),
        ("CapabilityDrop", ({*dropped} - {*undropped}) | ({*drops} - {*unadded})),
    ):
        _put(container, field, ["ALL"] if "ALL" in names else sorted(names - {"RESET"}))


def _capabilities(names: Iterable[str]) -> list[str]:
    upper = (name.strip().upper() for name in names)
    return [n if n.startswith("CAP_") or n in ("ALL", "RESET") else f"CAP_{n}" for n in upper]


def resolve_image(session: Session, spec: Json, *, ask: bool) -> list[str]:
    """Tag the image and, when to `ask` a registry, pin its digest; a warning where that fails."""
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    image = container["Image"]
    if "@" not in image and ":" not in image.rpartition("/")[2]:
        image = container["Image"] = f"{image}:latest"
    if not ask:
        return []
    try:
        manifest = session.get(f"/distribution/{image}/json")
    except CliError:
        return [UNPINNED.format(image)]
    if "@" not in image:
        container["Image"] = f"{image}@{manifest['Descriptor']['digest']}"
    platforms = [
        {"OS": p["os"]}
        | ({"Architecture": p["architecture"]} if p["architecture"] != "arm" else {})
        for p in manifest.get("Platforms") or []
    ]
    if platforms:
        task["Placement"] = (task.get("Placement") or {}) | {"Platforms": platforms}
    return []
