"""The table of tasks that `service ps`, `node ps` and `stack ps` print."""

from collections.abc import Callable

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import Listing, dig, write_list
from swarmlab.docker_cli.publish import show_host_ports
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import (
    capitalize,
    ellipsis,
    human_duration,
    image_name,
    natural_key,
    seconds_of,
    short_id,
)

TASKS = Listing(
    go_type="*task.taskContext",
    titles={
        "ID": "ID",
        "Name": "NAME",
        "Image": "IMAGE",
        "Node": "NODE",
        "DesiredState": "DESIRED STATE",
        "CurrentState": "CURRENT STATE",
        "Error": "ERROR",
        "Ports": "PORTS",
    },
    shown="ID Name Image Node DesiredState CurrentState Error Ports",
)
ERROR_WIDTH = 30


class Names:
    """IDs to names, each asked for once; the ID itself where nobody knows."""

    def __init__(self, session: Session, *, resolve: bool = True) -> None:
        self.session, self.resolve = session, resolve
        self.known: dict[str, str] = {}

    def node(self, node_id: str) -> str:
        return self._name(node_id, f"/nodes/{node_id}", ("Spec.Name", "Description.Hostname"))

    def service(self, service_id: str) -> str:
        return self._name(service_id, f"/services/{service_id}", ("Spec.Name",))

    def _name(self, one_id: str, path: str, fields: tuple[str, ...]) -> str:
        if not self.resolve or not one_id:
            return one_id
        if one_id not in self.known:
            query = {"insertDefaults": "false"} if path.startswith("/services") else {}
            try:
                found = self.session.get(path, **query)
                self.known[one_id] = next(filter(None, (dig(found, f) for f in fields)), one_id)
            except CliError:
                self.known[one_id] = one_id
        return self.known[one_id]


def node_id(session: Session, reference: str) -> str:
    """`self` means the node that answers."""
    if reference != "self":
        return reference
    found = session.get("/info")["Swarm"]["NodeID"]
    if not found:
        session.get("/nodes")
        raise CliError("node ID not found in /info")
    return str(found)


def write_tasks(session: Session, arguments: Arguments, tasks: list[Json], *, whole: bool) -> None:
    """Tasks of one slot together, the newest first, the others set in below it."""
    names = Names(session, resolve=not arguments["no-resolve"])
    titled = [(_title(task, names), task) for task in tasks]
    titled.sort(key=lambda pair: pair[1]["CreatedAt"], reverse=True)
    titled.sort(key=lambda pair: natural_key(pair[0]))
    indent = r" \_ " if (arguments["format"] or "table").startswith("table") else ""
    rows, before = [], None
    for title, task in titled:
        shown = indent + title if title == before else title
        rows.append(_row(session, task, shown, names.node(task.get("NodeID", "")), whole=whole))
        before = title
    write_list(session, arguments, TASKS, rows)


def _title(task: Json, names: Names) -> str:
    return f"{names.service(task['ServiceID'])}.{task.get('Slot') or task.get('NodeID', '')}"


def _row(session: Session, task: Json, name: str, node: str, *, whole: bool) -> Json:
    status = task["Status"]
    age = human_duration(session.clock() - seconds_of(status["Timestamp"]))
    image, error = dig(task, "Spec.ContainerSpec.Image"), status.get("Err", "")
    error = error if whole else ellipsis(error, ERROR_WIDTH)
    return {
        "ID": task["ID"] if whole else short_id(task["ID"]),
        "Name": name,
        "Image": image if whole else image_name(image),
        "Node": node,
        "DesiredState": capitalize(task["DesiredState"]),
        "CurrentState": f"{capitalize(status['State'])} {age.lower()} ago",
        "Error": f'"{error}"' if error else "",
        "Ports": show_host_ports(dig(status, "PortStatus.Ports", [])),
    }


def collect(
    session: Session, references: list[str], fetch: Callable[[str], list[Json]]
) -> tuple[list[Json], list[str]]:
    """What `fetch` gives for each reference, and the errors of those it refused."""
    found: list[Json] = []
    errors: list[str] = []
    for reference in references:
        try:
            found += fetch(reference)
        except CliError as error:
            errors.append(str(error))
    return found, errors
