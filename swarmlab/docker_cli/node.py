"""`docker node …`, and the table of tasks that `service ps` and `stack ps` print too."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, labels, write_inspect, write_list
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.units import natural_key


def ls(session: Session, arguments: Arguments) -> None:
    nodes = session.get("/nodes", filters=arguments.filters()) or []
    swarm = session.get("/info")["Swarm"] if nodes and not arguments["quiet"] else {}
    extra = {"self": swarm.get("NodeID", ""), "root": dig(swarm, "Cluster.TLSInfo", None)}
    nodes.sort(key=lambda node: natural_key(node["Description"]["Hostname"]))
    write_list(session, arguments, "node ls", [node | extra for node in nodes])


def node_id(session: Session, reference: str) -> str:
    """`reference` itself, or the ID of the answering node for `self`."""
    if reference != "self":
        return reference
    own_id = str(session.get("/info")["Swarm"]["NodeID"])
    if not own_id:
        session.get("/nodes")
        raise CliError("node ID not found in /info")
    return own_id


def ps(session: Session, arguments: Arguments) -> None:
    filters = arguments.filters()

    def fetch(reference: str) -> list[Json]:
        node = session.get(f"/nodes/{node_id(session, reference)}")
        filters.setdefault("node", []).append(node["ID"])  # docker asks for the earlier ones again
        return session.get("/tasks", filters=filters) or []

    tasks, errors = session.collect(arguments.words or ["self"], fetch)
    if tasks or not errors:
        write_tasks(session, arguments, tasks)
    session.end(errors)


def name_finder(session: Session, *, resolve: bool) -> Callable[[str, str], str]:
    """A function of a `node` or `service` and its ID to its name, and of a `task` to its slot.

    It asks once for each; the ID itself stands for a name that is missing or not to `resolve`.
    """

    @cache
    def find(kind: str, object_id: str) -> str:
        if kind == "task":
            return str(session.get(f"/tasks/{object_id}").get("Slot", 0))
        if resolve and object_id:
            with suppress(CliError):
                item = session.get(f"/{kind}s/{object_id}")
                return dig(item, "Spec.Name") or dig(item, "Description.Hostname") or object_id
        return object_id

    return find


def write_tasks(session: Session, arguments: Arguments, tasks: list[Json]) -> None:
    """Print tasks by slot, the newest first and the older ones indented below it."""
    name_of = name_finder(session, resolve=not arguments["no-resolve"])
    for task in tasks:
        slot = task.get("Slot") or task.get("NodeID", "")
        task["title"] = f"{name_of('service', task['ServiceID'])}.{slot}"
        task["node"] = name_of("node", task.get("NodeID", ""))
    tasks = sorted(tasks, key=lambda task: str(task["CreatedAt"]), reverse=True)
    tasks.sort(key=lambda task: natural_key(task["title"]))
    shown = {task["ID"]: task["title"] for task in tasks}
    if (arguments["format"] or "table").startswith("table"):
        for newer, older in pairwise(tasks):
            if newer["title"] == older["title"]:
                shown[older["ID"]] = rf" \_ {older['title']}"
    write_list(session, arguments, "tasks", [task | {"name": shown[task["ID"]]} for task in tasks])


def inspect(session: Session, arguments: Arguments) -> None:
    write_inspect(session, arguments, lambda node: session.get(f"/nodes/{node_id(session, node)}"))


def update(session: Session, arguments: Arguments) -> None:
    def change(node: Json) -> str:
        spec = node["Spec"]
        for flag, field in (("role", "Role"), ("availability", "Availability")):
            if flag in arguments.given:
                spec[field] = arguments[flag]
        node_labels = spec["Labels"] = (spec.get("Labels") or {}) | labels(arguments["label-add"])
        for key in arguments["label-rm"]:
            if key not in node_labels:
                raise CliError(f"key {key} doesn't exist in node's labels")
            del node_labels[key]
        return ""

    _change_each(session, arguments.words, change, "{}")


def _change_each(
    session: Session, references: list[str], change: Callable[[Json], str], done: str
) -> None:
    """Change each node; a text that `change` returns is printed and the node left as it is."""
    for reference in references:
        node = session.get(f"/nodes/{reference}")
        if unchanged := change(node):
            session.print(unchanged)
            continue
        session.update("node", node, node["Spec"])
        session.print(done.format(reference))


def promote(session: Session, arguments: Arguments) -> None:
    _set_role(session, arguments, "manager", "Node {} promoted to a manager in the swarm.")


def demote(session: Session, arguments: Arguments) -> None:
    _set_role(session, arguments, "worker", "Manager {} demoted in the swarm.")


def _set_role(session: Session, arguments: Arguments, role: str, done: str) -> None:
    def change(node: Json) -> str:
        if node["Spec"].get("Role") == role:
            return f"Node {node['ID']} is already a {role}."
        node["Spec"]["Role"] = role
        return ""

    _change_each(session, arguments.words, change, done)
