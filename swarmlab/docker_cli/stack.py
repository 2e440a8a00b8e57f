"""`docker stack …`: the services of a Compose file, which share a label."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from swarmlab.docker_cli.compose import load
from swarmlab.docker_cli.compose_values import Filled
from swarmlab.docker_cli.compose_yaml import Loader
from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import write_list
from swarmlab.docker_cli.node import write_tasks
from swarmlab.docker_cli.objects import name_of
from swarmlab.docker_cli.progress import POLL_S, wait_for_services
from swarmlab.docker_cli.service import find_services, write_services
from swarmlab.docker_cli.service_spec import resolve_image
from swarmlab.docker_cli.session import ApiNotFound, CliError, Json, Session
from swarmlab.docker_cli.stack_spec import IMAGE, NAMESPACE, ComposeStack
from swarmlab.errors import BadParameter
from swarmlab.model.image_reference import ImageReference
from swarmlab.templates.go_text import go_quote
from swarmlab.units import natural_key

IMAGE_ID = re.compile("(sha256:)?[0-9a-f]{64}")
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


def _labelled(session: Session, stack: str, kind: str) -> list[Json]:
    """The objects of a kind that bear the stack's label."""
    filters = {"label": [f"{NAMESPACE}={stack}"]}
    objects: list[Json] = session.get(f"/{kind}s", filters=filters) or []
    return objects


# -- deploy ---------------------------------------------------------------------------------------
def deploy(session: Session, arguments: Arguments) -> None:
    _check_names(arguments.words)
    file = load(session, arguments["compose-file"], warn=True)
    for name, service in file["services"].items():
        if not service.get("image"):
            raise CliError(f"invalid image reference for service {name}: no image specified")
        try:
            ImageReference.parse(service["image"])
        except BadParameter as error:
            if not IMAGE_ID.fullmatch(service["image"]):
                fault = f"invalid image reference for service {name}: {error}"
                raise CliError(fault) from None
    resolve = arguments.given.get("resolve-image", "always")
    if resolve not in RESOLVE:
        raise CliError(f"Invalid option {resolve} for flag --resolve-image")
    if "detach" not in arguments.given:
        session.warn(DETACHED)
    if not session.get("/info")["Swarm"]["ControlAvailable"]:
        raise CliError(NO_MANAGER)
    stack = ComposeStack(arguments.words[0], file)
    if arguments["prune"]:
        names = {f"{stack.name}_{key}" for key in file["services"]}
        services = _labelled(session, stack.name, "service")
        _remove(session, "service", [s for s in services if name_of(s) not in names])
    _create_networks(session, stack)
    for kind in ("secret", "config"):
        for spec in stack.files(kind):
            _create_or_update_file(session, kind, spec)
    specs = [stack.service(session, key) for key in file["services"]]
    old = {name_of(service): service for service in _labelled(session, stack.name, "service")}
    ids = [_create_or_update_service(session, s, old.get(s["Name"]), resolve) for s in specs]
    if not arguments.given.get("detach", True):
        session.end(wait_for_services(session, ids, quiet=arguments["quiet"]))


def _create_networks(session: Session, stack: ComposeStack) -> None:
    networks = list(stack.networks())
    for name, network in networks:
        if network.get("external") and name not in PREDEFINED:
            _check_external(session, name)
    existing = {name_of(network) for network in _labelled(session, stack.name, "network")}
    for name, network in networks:
        if not network.get("external") and name not in existing:
            session.print(f"Creating network {name}")
            _create(session, "network", stack.body(name, network))


def _check_external(session: Session, name: str) -> None:
    declared = f"network {go_quote(name)} is declared as external, but "
    try:
        scope = session.get(f"/networks/{name}")["Scope"]
    except ApiNotFound:
        how = "You need to create a swarm-scoped network before the stack is deployed"
        raise CliError(f"{declared}could not be found. {how}") from None
    if scope != "swarm":
        raise CliError(
            f'{declared}it is not in the right scope: {go_quote(scope)} instead of "swarm"'
        )


def _create(session: Session, kind: str, body: Json) -> Json:
    with _failing_to(f"create {kind} {body['Name']}"):
        created: Json = session.post(f"/{kind}s/create", body)
    return created


@contextmanager
def _failing_to(action: str) -> Iterator[None]:
    try:
        yield
    except CliError as error:
        raise CliError(f"failed to {action}: {error}") from None


def _create_or_update_file(session: Session, kind: str, spec: Json) -> None:
    """Create a secret or config; where its name exists, send its spec, which may change labels."""
    name = spec["Name"]
    try:
        existing = session.get(f"/{kind}s/{name}")
    except ApiNotFound:
        session.print(f"Creating {kind} {name}")
        _create(session, kind, spec)
        return
    with _failing_to(f"update {kind} {name}"):
        session.update(kind, existing, spec)


def _create_or_update_service(
    session: Session, spec: Json, existing: Json | None, resolve: str
) -> str:
    """The service's ID."""
    name, container = spec["Name"], spec["TaskTemplate"]["ContainerSpec"]
    if existing is None:
        session.print(f"Creating service {name}")
        resolve_image(session, spec, ask=resolve != "never")
        return str(_create(session, "service", spec)["ID"])
    session.print(f"Updating service {name} (id: {existing['ID']})")
    task = existing["Spec"]["TaskTemplate"]
    same = existing["Spec"]["Labels"].get(IMAGE) == container["Image"]
    if same and resolve != "always":
        container["Image"] = task["ContainerSpec"]["Image"]
    ask = resolve == "always" or (resolve == "changed" and not same)
    warnings = resolve_image(session, spec, ask=ask)
    spec["TaskTemplate"]["ForceUpdate"] = task.get("ForceUpdate", 0)
    with _failing_to(f"update service {name}"):
        answer = session.update("service", existing, spec)
    session.warn(*(answer.get("Warnings") or []), *warnings)
    return str(existing["ID"])


# -- rm -------------------------------------------------------------------------------------------
def rm(session: Session, arguments: Arguments) -> None:
    _check_names(arguments.words)
    errors = []
    for stack in arguments.words:
        kinds = ("service", "secret", "config", "network")
        objects = {kind: _labelled(session, stack, kind) for kind in kinds}
        if not any(objects.values()):
            session.warn(f"Nothing found in stack: {stack}")
            continue
        removed = [_remove(session, kind, items) for kind, items in objects.items()]
        if not all(removed):
            errors.append(f"failed to remove some resources from stack: {stack}")
        elif not arguments.given.get("detach", True):
            while _runs_tasks(session, stack):
                session.sleep(POLL_S)
    session.end(errors)


def _runs_tasks(session: Session, stack: str) -> bool:
    tasks = _labelled(session, stack, "task")
    return any(task["Status"]["State"] == "running" for task in tasks)


def _remove(session: Session, kind: str, objects: list[Json]) -> bool:
    """Whether all of them could be removed."""
    success = True
    for item in sorted(objects, key=name_of) if kind == "service" else objects:
        item_id = item["Id"] if "Id" in item else item["ID"]
        session.print(f"Removing {kind} {name_of(item)}")
        try:
            session.call("DELETE", f"/{kind}s/{item_id}")
        except CliError as error:
            session.err.write(f"Failed to remove {kind} {item_id}: {error}")
            success = False
    return success


# -- lists ----------------------------------------------------------------------------------------
def ls(session: Session, arguments: Arguments) -> None:
    services = session.get("/services", filters={"label": [NAMESPACE]}) or []
    counts = Counter(service["Spec"]["Labels"][NAMESPACE] for service in services)
    rows = [{"name": name, "services": counts[name]} for name in sorted(counts, key=natural_key)]
    write_list(session, arguments, "stack ls", rows)


def ps(session: Session, arguments: Arguments) -> None:
    tasks = session.get("/tasks", filters=_filters(arguments))
    if not tasks:
        raise CliError(f"nothing found in stack: {arguments.words[0]}")
    write_tasks(session, arguments, tasks)


def services(session: Session, arguments: Arguments) -> None:
    services = find_services(session, arguments, _filters(arguments))
    if not services:
        session.warn(f"Nothing found in stack: {arguments.words[0]}")
        return
    write_services(session, arguments, services)


def _filters(arguments: Arguments) -> dict[str, list[str]]:
    """The filters that were given, and the stack's label."""
    _check_names(arguments.words)
    filters = arguments.filters()
    labels = [*filters.get("label", []), f"{NAMESPACE}={arguments.words[0]}"]
    return filters | {"label": labels}


# -- config ---------------------------------------------------------------------------------------
class Dumper(yaml.SafeDumper):
    """Lists are indented below their key, and texts that look like something else are quoted."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


READERS: Any = (yaml.SafeLoader(""), Loader(""))


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    tags = {reader.resolve(yaml.ScalarNode, text, (True, False)) for reader in READERS}
    odd = text in ("y", "Y", "n", "N") or tags != {"tag:yaml.org,2002:str"}
    style = "|" if "\n" in text else '"' if odd else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)
Dumper.add_representer(Filled, _text)


def config(session: Session, arguments: Arguments) -> None:
    file = load(session, arguments["compose-file"], fill=not arguments["skip-interpolation"])
    style: Any = {"sort_keys": False, "width": 10**6, "allow_unicode": True}
    session.out.write(yaml.dump(file, Dumper=Dumper, **style))
