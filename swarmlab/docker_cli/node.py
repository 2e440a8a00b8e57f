"""`docker node …`, and the table of tasks that `service ps` and `stack ps` print too."""

from collections.abc import Callable
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


class Names:
    """Looks up names and slots by ID, each once; the ID itself where there is no name."""

    def __init__(self, session: Session, *, resolve: bool = True) -> None:
        self.session, self.resolve = session, resolve
        self.names: dict[str, str] = {}

    def node(self, node_id: str) -> str:
        return self._name(f"/nodes/{node_id}", node_id, "Spec.Name", "Description.Hostname")

    def service(self, service_id: str) -> str:
        path = f"/services/{service_id}"
        return self._name(path, service_id, "Spec.Name", insertDefaults="false")

    def slot(self, task_id: str) -> str:
        if task_id not in self.names:
            self.names[task_id] = str(self.session.get(f"/tasks/{task_id}").get("Slot", 0))
        return self.names[task_id]

    def _name(self, path: str, object_id: str, *fields: str, **query: str) -> str:
        if self.resolve and object_id and object_id not in self.names:
            try:
                answer = self.session.get(path, **query)
                names = filter(None, (dig(answer, field) for field in fields))
                self.names[object_id] = next(names, object_id)
            except CliError:
                pass
        return self.names.setdefault(object_id, object_id)


def write_tasks(session: Session, arguments: Arguments, tasks: list[Json]) -> None:
    """Print tasks by slot, the newest first and the older ones indented below it."""
    names = Names(session, resolve=not arguments["no-resolve"])
    for task in tasks:
        slot = task.get("Slot") or task.get("NodeID", "")
        task["title"] = f"{names.service(task['ServiceID'])}.{slot}"
        task["node"] = names.node(task.get("NodeID", ""))
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
