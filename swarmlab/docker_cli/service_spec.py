"""From the flags of `service create` and `service update` to a service's spec.

Most of it stands in `service_fields.txt`. Create is an update of an empty spec: its `--env` is the
`--env-add` of update.
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

# Groups that one flag calls into being begin with these.
GROUPS: dict[str, Json] = {
    "UpdateConfig": UPDATE_DEFAULTS,
    "RollbackConfig": UPDATE_DEFAULTS,
    "RestartPolicy": RESTART_DEFAULTS,
    "Resources": {"Limits": {}, "Reservations": {}},
}
CONTAINER = "TaskTemplate.ContainerSpec."
LABELS = {
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
    text = Path(__file__).with_name("service_fields.txt").read_text()
    blocks = text.replace(" C.", f" {CONTAINER}").replace(" T.", " TaskTemplate.").split("\n\n")[1:]
    return [[line.split() for line in b.splitlines() if not line.startswith("#")] for b in blocks]


def _put(spec: Json, path: str, value: Any, *, zero: bool = False) -> None:
    """Sets the field at `path`, making what leads there; a zero takes the field away."""
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
    container = {"Image": image, "Init": False, "DNSConfig": {}} | (
        {"Args": words} if words else {}
    )
    task = {"ContainerSpec": container, "Resources": GROUPS["Resources"], "Placement": {}}
    spec: Json = {
        "Labels": {},
        "TaskTemplate": copy.deepcopy(task) | {"ForceUpdate": 0},
        "Mode": _mode(arguments),
        "EndpointSpec": {"Mode": "vip"},
    }
    if lines := [line for path in arguments["env-file"] for line in env_lines(path)]:
        spec["TaskTemplate"]["ContainerSpec"]["Env"] = lines
    edit(session, spec, arguments, create=True)
    return spec


def _mode(arguments: Arguments) -> Json:
    mode = str(arguments.given.get("mode", "replicated"))
    replicas, concurrent = arguments["replicas"], arguments["max-concurrent"]
    jobs, everywhere = "can only be used with {}replicated-job mode", mode.startswith("global")
    policies = [flag for flag in arguments.given if flag.startswith(("update-", "rollback-"))]
    per_node = bool(arguments["replicas-max-per-node"])
    refusals = (
        (mode not in MODES, f"Unknown mode: {mode}, only replicated and global supported"),
        (mode == "global" and replicas is not None, "replicas " + jobs.format("replicated or ")),
        (everywhere and per_node, "replicas-max-per-node " + jobs.format("replicated or ")),
        (mode != "replicated-job" and concurrent is not None, "max-concurrent " + jobs.format("")),
        (
            mode == "global-job" and replicas is not None,
            "replicas " + jobs.format("replicated or "),
        ),
        (
            mode.endswith("job") and policies,
            "update and rollback configuration is not supported for jobs",
        ),
    )
    for refused, text in refusals:
        if refused:
            raise CliError(text)
    counts: dict[str, Json] = {
        "replicated": {"Replicas": replicas},
        "replicated-job": {
            "MaxConcurrent": replicas if concurrent is None else concurrent,
            "TotalCompletions": replicas,
        },
    }
    found = {k: v for k, v in counts.get(mode, {}).items() if v is not None}
    return {MODES[mode]: found}


def edit(session: Session, spec: Json, arguments: Arguments, *, create: bool = False) -> None:
    """Applies the flags that were given to `spec`, in place."""
    given, add = arguments.given, "" if create else "-add"
    _edit_health(spec, given)
    if not create and "replicas" in given:
        if "Replicated" not in spec["Mode"]:
            raise CliError("replicas can only be used with replicated mode")
        spec["Mode"]["Replicated"]["Replicas"] = given["replicas"]
    fields, lists = tables()
    for flag, path, *zero in fields:
        if flag in given:
            _put(spec, path, given[flag], zero=bool(zero))
    for flag, path in LABELS.items():
        new, gone = labels(given.get(flag + add, [])), labels(given.get(f"{flag}-rm", []))
        if new or gone:
            kept = {k: v for k, v in dig(spec, path, {}).items() if k not in gone} | new
            _put(spec, path, kept, zero=True)
    for flag, path, key, *options in lists:
        added, removed = given.get(flag + add, []), given.get(f"{flag}-rm", [])
        if added or removed:
            found = dig(spec, path, [])
            added, removed = _resolve(session, flag, found, added, removed, create=create)
            _put(spec, path, _edit_list(found, key, added, removed, options, create=create))
    edit_capabilities(spec["TaskTemplate"]["ContainerSpec"], given, create=create)
    if given.get("log-driver"):
        more = labels(given.get("log-opt", []))
        driver = {"Name": given["log-driver"]} | ({"Options": more} if more else {})
        spec["TaskTemplate"]["LogDriver"] = driver
    if given.get("force"):
        spec["TaskTemplate"]["ForceUpdate"] = spec["TaskTemplate"].get("ForceUpdate", 0) + 1


def _keys(item: Any, key: str) -> Any:
    """What tells `item` from others in its list."""
    if isinstance(item, str):
        return item.partition("=")[0] if key == "=" else item
    return tuple(str(dig(item, path)) for path in key.split(","))


def _edit_list(
    found: list[Any],
    key: str,
    added: list[Any],
    removed: list[Any],
    options: list[str],
    *,
    create: bool,
) -> list[Any]:
    if key == "host":
        return list(dict.fromkeys(_without_hosts(found, removed) + added))
    lost = [
        one
        for one in removed
        if "must" in options and not any(_keys(f, key) == (one,) for f in found)
    ]
    if lost:
        raise CliError(f"could not find generic-resource `{lost[0]}` to remove it")
    gone = [_keys(one, key) if isinstance(one, dict) or key in "-=" else (one,) for one in removed]
    if "one" in options:
        new: dict[Any, Any] = {}
        for one in added:
            new.pop(_keys(one, key), None)
            new[_keys(one, key)] = one
        found, added = ([one for one in found if _keys(one, key) not in new], list(new.values()))
    kept = [one for one in found if _keys(one, key) not in gone or key == "-"]
    kept += [one for one in added if one not in found or isinstance(one, str)]
    if key == "-":
        kept = [one for one in kept if one not in gone]
    order = next((option for option in options if option.startswith("sorted")), "")
    if order and (not create or "always" in options):
        kept.sort(key=lambda one: _keys(one, order.partition("=")[2] or key))
    return kept


def _without_hosts(found: list[str], removed: list[str]) -> list[str]:
    """`ADDRESS NAME…` entries without the removed `NAME` or `NAME:ADDRESS`."""
    pairs = [one.partition(":")[::2] for one in removed]
    kept = []
    for address, *names in map(str.split, found):
        names = [n for n in names if not any(n == h and a in ("", address) for h, a in pairs)]
        kept += [" ".join([address, *names])] if names else []
    return kept


def _resolve(
    session: Session,
    flag: str,
    found: list[Json],
    added: list[Any],
    removed: list[Any],
    *,
    create: bool,
) -> tuple[list[Any], list[Any]]:
    """Names of networks, secrets and configs to their IDs."""
    if flag in ("secret", "config") and added:
        return with_ids(session, flag, added), removed
    if flag != "network":
        return added, removed

    def network_id(reference: str) -> str:
        return str(session.get(f"/networks/{reference}", scope="swarm")["Id"])

    removed, there = [network_id(one) for one in removed], {one["Target"] for one in found}
    resolved = [one | {"Target": network_id(one["Target"])} for one in added]
    for one, new in zip(added, resolved, strict=True):
        if not create and new["Target"] in there - set(removed):
            raise CliError(f"service is already attached to network {one['Target']}")
    return resolved, removed


def with_ids(session: Session, kind: str, references: list[Json]) -> list[Json]:
    """References to secrets or configs with the IDs that belong to their names."""
    name, targets = f"{kind.capitalize()}Name", [one["File"]["Name"] for one in references]
    for at, one in enumerate(references):
        if targets[at] in targets[:at]:
            raise CliError(f"duplicate {kind} target for {one[name]} not allowed")
    filters = {"name": [one[name] for one in references]}
    known = {s["Spec"]["Name"]: s["ID"] for s in session.get(f"/{kind}s", filters=filters) or []}
    if lost := next((one[name] for one in references if one[name] not in known), None):
        raise CliError(f"{kind} not found: {lost}")
    return [one | {f"{kind.capitalize()}ID": known[one[name]]} for one in references]


def _edit_health(spec: Json, given: Mapping[str, Any]) -> None:
    """What no table says of health checks: the command, and none at all."""
    asked = any(flag.startswith("health-") for flag in given)
    test = dig(spec, f"{CONTAINER}Healthcheck.Test", [])
    if given.get("no-healthcheck"):
        if asked:
            raise CliError("--no-healthcheck conflicts with --health-* options")
        _put(spec, f"{CONTAINER}Healthcheck", {"Test": ["NONE"]})
    elif "health-cmd" in given:
        command = given["health-cmd"]
        _put(spec, f"{CONTAINER}Healthcheck.Test", command and ["CMD-SHELL", command])
    elif asked and test == ["NONE"]:
        _put(spec, f"{CONTAINER}Healthcheck.Test", [])


def edit_capabilities(container: Json, given: Mapping[str, Any], *, create: bool) -> None:
    """Adding what was dropped only takes the drop back, and the other way round."""
    adds, drops = (_capabilities(given.get(flag, [])) for flag in ("cap-add", "cap-drop"))
    if not adds and not drops:
        return
    added, dropped = (_capabilities(container.get(f"Capability{k}") or []) for k in ("Add", "Drop"))
    added, dropped = added * ("RESET" not in adds), dropped * ("RESET" not in drops)
    drops = [one for one in drops if one not in adds]
    undropped = [] if create else [one for one in adds if one in dropped]
    unadded = [] if create else [one for one in drops if one in added]
    added = [one for one in added if one not in unadded] + [o for o in adds if o not in undropped]
    dropped = [o for o in dropped if o not in undropped] + [o for o in drops if o not in unadded]
    for name, chosen in (("Add", added), ("Drop", dropped)):
        known = sorted({*chosen} - {"RESET"})
        _put(container, f"Capability{name}", ["ALL"] if "ALL" in known else known)


def _capabilities(names: Iterable[str]) -> list[str]:
    upper = (name.strip().upper() for name in names)
    return [n if n.startswith("CAP_") or n in ("ALL", "RESET") else f"CAP_{n}" for n in upper]


def resolve_image(session: Session, spec: Json, *, ask: bool) -> list[str]:
    """Tags the image and, when to `ask` a registry, pins it; the warning where that fails."""
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    image = container["Image"]
    if "@" not in image and ":" not in image.rpartition("/")[2]:
        image = container["Image"] = f"{image}:latest"
    if not ask:
        return []
    try:
        found = session.get(f"/distribution/{image}/json")
    except CliError:
        return [UNPINNED.format(image)]
    if "@" not in image:
        container["Image"] = f"{image}@{found['Descriptor']['digest']}"
    platforms = [
        {"OS": p["os"]}
        | ({"Architecture": p["architecture"]} if p["architecture"] != "arm" else {})
        for p in found.get("Platforms") or []
    ]
    if platforms:
        task["Placement"] = (task.get("Placement") or {}) | {"Platforms": platforms}
    return []
