"""`docker node …`, and the table of tasks that `service ps` prints too."""

from collections.abc import Callable

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, labels, write_inspect, write_list
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.units import natural_key


def ls(session: Session, arguments: Arguments) -> None:
    nodes = session.get("/nodes", filters=arguments.filters()) or []
    swarm = session.get("/info")["Swarm"] if nodes and not arguments["quiet"] else {}
    more = {"self": swarm.get("NodeID", ""), "root": dig(swarm, "Cluster.TLSInfo", None)}
    nodes.sort(key=lambda node: natural_key(node["Description"]["Hostname"]))
    write_list(session, arguments, "node ls", [node | more for node in nodes])


def node_id(session: Session, reference: str) -> str:
    """`self` means the node that answers."""
    if reference != "self":
        return reference
    found = str(session.get("/info")["Swarm"]["NodeID"])
    if not found:
        session.get("/nodes")
        raise CliError("node ID not found in /info")
    return found


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
    """IDs to names, each asked for once; the ID itself where nobody knows."""

    def __init__(self, session: Session, *, resolve: bool = True) -> None:
        self.session, self.resolve = session, resolve
        self.known: dict[str, str] = {}

    def node(self, node_id: str) -> str:
        return self._name(f"/nodes/{node_id}", node_id, "Spec.Name", "Description.Hostname")

    def service(self, service_id: str) -> str:
        path = f"/services/{service_id}"
        return self._name(path, service_id, "Spec.Name", insertDefaults="false")

    def _name(self, path: str, one_id: str, *fields: str, **query: str) -> str:
        if self.resolve and one_id and one_id not in self.known:
            try:
                found = self.session.get(path, **query)
                self.known[one_id] = next(filter(None, (dig(found, f) for f in fields)), one_id)
            except CliError:
                pass
        return self.known.setdefault(one_id, one_id)


def write_tasks(session: Session, arguments: Arguments, tasks: list[Json]) -> None:
    """Tasks of one slot together, the newest first, the others set in below it."""
    names = Names(session, resolve=not arguments["no-resolve"])
    for task in tasks:
        place = task.get("Slot") or task.get("NodeID", "")
        task["title"] = f"{names.service(task['ServiceID'])}.{place}"
        task["node"] = names.node(task.get("NodeID", ""))
    tasks = sorted(tasks, key=lambda task: str(task["CreatedAt"]), reverse=True)
    tasks.sort(key=lambda task: natural_key(task["title"]))
    indent = r" \_ " if (arguments["format"] or "table").startswith("table") else ""
    before = [None, *(task["title"] for task in tasks)]
    shown = {
        task["ID"]: indent * (task["title"] == last) + task["title"]
        for task, last in zip(tasks, before, strict=False)
    }
    rows = [task | {"name": shown[task["ID"]]} for task in tasks]
    write_list(session, arguments, "tasks", rows)


def inspect(session: Session, arguments: Arguments) -> None:
    path = "/nodes/{}"
    write_inspect(session, arguments, lambda r: session.get(path.format(node_id(session, r))))


def update(session: Session, arguments: Arguments) -> None:
    def change(node: Json) -> str:
        spec = node["Spec"]
        for flag, field in (("role", "Role"), ("availability", "Availability")):
            if flag in arguments.given:
                spec[field] = arguments[flag]
        own = spec["Labels"] = (spec.get("Labels") or {}) | labels(arguments["label-add"])
        for key in arguments["label-rm"]:
            if key not in own:
                raise CliError(f"key {key} doesn't exist in node's labels")
            del own[key]
        return ""

    _change_each(session, arguments.words, change, "{}")


def _change_each(
    session: Session, references: list[str], change: Callable[[Json], str], done: str
) -> None:
    """Changes each node; what `change` returns is printed instead of changing anything."""
    for reference in references:
        node = session.get(f"/nodes/{reference}")
        if nothing_to_do := change(node):
            session.print(nothing_to_do)
            continue
        path = f"/nodes/{node['ID']}/update"
        session.post(path, node["Spec"], version=str(node["Version"]["Index"]))
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


def rm(session: Session, arguments: Arguments) -> None:
    session.each(arguments.words, "DELETE", "/nodes/{}", force=arguments["force"])
