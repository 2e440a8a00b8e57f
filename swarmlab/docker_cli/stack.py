"""`docker stack …`: many services of one Compose file, held together by a label."""

from collections import Counter
from typing import Any

import yaml

from swarmlab.docker_cli.compose import Loader, load
from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, write_list
from swarmlab.docker_cli.node import write_tasks
from swarmlab.docker_cli.progress import wait_for_service
from swarmlab.docker_cli.service import with_counts
from swarmlab.docker_cli.service_spec import resolve_image
from swarmlab.docker_cli.session import ApiError, CliError, Json, Session
from swarmlab.docker_cli.stack_spec import IMAGE, NAMESPACE, ComposeStack
from swarmlab.docker_cli.text import go_quote
from swarmlab.units import natural_key

RESOLVE = ("always", "changed", "never")
DETACHED = """\
Since --detach=false was not specified, tasks will be created in the background.
In a future release, --detach=false will become the default."""
NO_MANAGER = (
    'this node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect'
    " this node to swarm and try again"
)
PREDEFINED = {"bridge", "host", "none", "default"}


def _check_names(names: list[str]) -> None:
    for name in names:
        if not name.strip(" \t\n\r\v\f\"'"):
            raise CliError(f"invalid stack name: {go_quote(name)}")


def _of(session: Session, stack: str, kind: str) -> list[Json]:
    """What bears the stack's label: services, networks, secrets, configs or tasks."""
    found: list[Json] = session.get(f"/{kind}", filters={"label": [f"{NAMESPACE}={stack}"]}) or []
    return found


def _name(one: Json) -> str:
    return str(dig(one, "Spec.Name", None) or one["Name"])


# -- deploy ---------------------------------------------------------------------------------------
def deploy(session: Session, arguments: Arguments) -> None:
    _check_names(arguments.words)
    file = load(session, arguments["compose-file"], warn=True)
    for name, service in file["services"].items():
        if not service.get("image"):
            fault = f"invalid image reference for service {name}: no image specified"
            raise CliError(fault)
    resolve = arguments.given.get("resolve-image", "always")
    if resolve not in RESOLVE:
        raise CliError(f"Invalid option {resolve} for flag --resolve-image")
    if "detach" not in arguments.given:
        session.warn(DETACHED)
    if not session.get("/info")["Swarm"]["ControlAvailable"]:
        raise CliError(NO_MANAGER)
    stack = ComposeStack(arguments.words[0], file)
    if arguments["prune"]:
        known = {f"{stack.name}_{key}" for key in file["services"]}
        old = [one for one in _of(session, stack.name, "services") if _name(one) not in known]
        _remove(session, "service", old)
    _make_networks(session, stack)
    for kind in ("secret", "config"):
        for spec in stack.files(kind):
            _make_file(session, kind, spec)
    specs = [stack.service(session, key) for key in file["services"]]
    there = {_name(service): service for service in _of(session, stack.name, "services")}
    made = [_make_service(session, spec, there.get(spec["Name"]), resolve) for spec in specs]
    if not arguments.given.get("detach", True):
        _wait(session, made, quiet=arguments["quiet"])


def _make_networks(session: Session, stack: ComposeStack) -> None:
    wanted = list(stack.networks())
    for name, network in wanted:
        if network.get("external") and name not in PREDEFINED:
            _check_external(session, name)
    there = {_name(network) for network in _of(session, stack.name, "networks")}
    for name, network in wanted:
        if not network.get("external") and name not in there:
            session.print(f"Creating network {name}")
            _post(session, f"create network {name}", "/networks/create", stack.body(name, network))


def _check_external(session: Session, name: str) -> None:
    declared = f"network {go_quote(name)} is declared as external, but "
    try:
        scope = session.get(f"/networks/{name}")["Scope"]
    except ApiError as error:
        if error.status != 404:
            raise
        how = "You need to create a swarm-scoped network before the stack is deployed"
        raise CliError(f"{declared}could not be found. {how}") from None
    if scope != "swarm":
        raise CliError(
            f'{declared}it is not in the right scope: {go_quote(scope)} instead of "swarm"'
        )


def _post(session: Session, what: str, path: str, body: Json, **query: str) -> Any:
    try:
        return session.post(path, body, **query)
    except CliError as error:
        raise CliError(f"failed to {what}: {error}") from None


def _make_file(session: Session, kind: str, spec: Json) -> None:
    """A secret or config: made, or, where there is one of that name, its labels changed."""
    name = spec["Name"]
    try:
        found = session.get(f"/{kind}s/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        session.print(f"Creating {kind} {name}")
        _post(session, f"create {kind} {name}", f"/{kind}s/create", spec)
        return
    path, version = f"/{kind}s/{found['ID']}/update", str(found["Version"]["Index"])
    _post(session, f"update {kind} {name}", path, spec, version=version)


def _make_service(session: Session, spec: Json, there: Json | None, resolve: str) -> str:
    """Creates the service, or updates the one that is there; its ID."""
    name, container = spec["Name"], spec["TaskTemplate"]["ContainerSpec"]
    if there is None:
        session.print(f"Creating service {name}")
        resolve_image(session, spec, ask=resolve != "never")
        made = _post(session, f"create service {name}", "/services/create", spec)
        return str(made["ID"])
    session.print(f"Updating service {name} (id: {there['ID']})")
    same = there["Spec"]["Labels"].get(IMAGE) == container["Image"]
    if same and resolve != "always":
        container["Image"] = there["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    ask = resolve == "always" or (resolve == "changed" and not same)
    warnings = resolve_image(session, spec, ask=ask)
    spec["TaskTemplate"]["ForceUpdate"] = there["Spec"]["TaskTemplate"].get("ForceUpdate", 0)
    path, version = f"/services/{there['ID']}/update", str(there["Version"]["Index"])
    said = _post(session, f"update service {name}", path, spec, version=version)
    session.warn(*((said or {}).get("Warnings") or []), *warnings)
    return str(there["ID"])


def _wait(session: Session, ids: list[str], *, quiet: bool) -> None:
    def wait(service: str) -> list[str]:
        try:
            wait_for_service(session, service, quiet=quiet)
        except CliError as error:
            raise CliError(f"{service}: {error}") from None
        return []

    session.end(session.collect(ids, wait)[1])


# -- rm -------------------------------------------------------------------------------------------
def rm(session: Session, arguments: Arguments) -> None:
    _check_names(arguments.words)
    errors = []
    for stack in arguments.words:
        kinds = ("service", "secret", "config", "network")
        found = {kind: _of(session, stack, f"{kind}s") for kind in kinds}
        if not any(found.values()):
            session.warn(f"Nothing found in stack: {stack}")
            continue
        done = [_remove(session, kind, ones) for kind, ones in found.items()]
        if not all(done):
            errors.append(f"failed to remove some resources from stack: {stack}")
        elif not arguments.given.get("detach", True):
            _wait_until_gone(session, stack)
    session.end(errors)


def _remove(session: Session, kind: str, found: list[Json]) -> bool:
    """Whether all of them could be removed."""
    done = True
    for one in sorted(found, key=_name) if kind == "service" else found:
        one_id = one["Id"] if "Id" in one else one["ID"]
        session.print(f"Removing {kind} {_name(one)}")
        try:
            session.call("DELETE", f"/{kind}s/{one_id}")
        except CliError as error:
            session.err.write(f"Failed to remove {kind} {one_id}: {error}")
            done = False
    return done


def _wait_until_gone(session: Session, stack: str) -> None:
    while any(task["Status"]["State"] == "running" for task in _of(session, stack, "tasks")):
        session.sleep(0.2)


# -- lists ----------------------------------------------------------------------------------------
def ls(session: Session, arguments: Arguments) -> None:
    services = session.get("/services", filters={"label": [NAMESPACE]}) or []
    counts = Counter(service["Spec"]["Labels"][NAMESPACE] for service in services)
    rows = [{"name": name, "services": counts[name]} for name in sorted(counts, key=natural_key)]
    write_list(session, arguments, "stack ls", rows)


def ps(session: Session, arguments: Arguments) -> None:
    (stack,) = arguments.words
    _check_names([stack])
    tasks = session.get("/tasks", filters=_filters(stack, arguments))
    if not tasks:
        raise CliError(f"nothing found in stack: {stack}")
    write_tasks(session, arguments, tasks)


def services(session: Session, arguments: Arguments) -> None:
    (stack,) = arguments.words
    _check_names([stack])
    status = "" if arguments["quiet"] else "true"
    found = session.get("/services", filters=_filters(stack, arguments), status=status)
    if not found:
        session.warn(f"Nothing found in stack: {stack}")
        return
    found.sort(key=lambda service: natural_key(_name(service)))
    write_list(session, arguments, "service ls", map(with_counts, found))


def _filters(stack: str, arguments: Arguments) -> dict[str, list[str]]:
    filters = arguments.filters()
    return filters | {"label": [*filters.get("label", []), f"{NAMESPACE}={stack}"]}


# -- config ---------------------------------------------------------------------------------------
class Dumper(yaml.SafeDumper):
    """Lists are indented below their key, and texts that look like something else are quoted."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    readers: Any = (yaml.SafeLoader(""), Loader(""))
    tags = {reader.resolve(yaml.ScalarNode, text, (True, False)) for reader in readers}
    odd = text in ("y", "Y", "n", "N") or tags != {"tag:yaml.org,2002:str"}
    style = "|" if "\n" in text else '"' if odd else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)


def config(session: Session, arguments: Arguments) -> None:
    file = load(session, arguments["compose-file"], fill=not arguments["skip-interpolation"])
    session.out.write(yaml.dump(file, Dumper=Dumper, sort_keys=False, width=10**6))
