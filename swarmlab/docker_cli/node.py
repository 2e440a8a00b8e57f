"""`docker node …`: who is in the swarm, in which role, doing what."""

from collections.abc import Callable, Iterator

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import Listing, dig, remove_each, write_inspect, write_list
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.tasks import collect, node_id, write_tasks
from swarmlab.docker_cli.text import binary_size, capitalize, go_time, natural_key

NODES = Listing(
    go_type="*node.nodeContext",
    titles={
        "ID": "ID",
        "Self": "",
        "Hostname": "HOSTNAME",
        "Status": "STATUS",
        "Availability": "AVAILABILITY",
        "ManagerStatus": "MANAGER STATUS",
        "EngineVersion": "ENGINE VERSION",
        "TLSStatus": "TLS STATUS",
    },
    shown="{{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}"
    "\t{{.ManagerStatus}}\t{{.EngineVersion}}",
)


def ls(session: Session, arguments: Arguments) -> None:
    nodes = session.get("/nodes", filters=arguments.filters()) or []
    info = session.get("/info")["Swarm"] if nodes and not arguments["quiet"] else {}
    nodes.sort(key=lambda node: natural_key(dig(node, "Description.Hostname")))
    write_list(session, arguments, NODES, (_row(node, info) for node in nodes))


def _row(node: Json, swarm: Json) -> Json:
    status, description = node.get("ManagerStatus", {}), node["Description"]
    mine, root = description.get("TLSInfo"), dig(swarm, "Cluster.TLSInfo", None)
    tls = "Unknown" if not mine or not root else "Ready" if mine == root else "Needs Rotation"
    reach = "leader" if status.get("Leader") else status.get("Reachability", "")
    return {
        "ID": node["ID"],
        "Self": node["ID"] == swarm.get("NodeID"),
        "Hostname": description.get("Hostname", ""),
        "Status": capitalize(node["Status"].get("State", "")),
        "Availability": capitalize(node["Spec"].get("Availability", "")),
        "ManagerStatus": capitalize(reach),
        "EngineVersion": dig(description, "Engine.EngineVersion"),
        "TLSStatus": tls,
    }


def ps(session: Session, arguments: Arguments) -> None:
    def fetch(reference: str) -> list[Json]:
        node = session.get(f"/nodes/{node_id(session, reference)}")
        filters = arguments.filters() | {"node": [node["ID"]]}
        return session.get("/tasks", filters=filters) or []

    tasks, errors = collect(session, arguments.words or ["self"], fetch)
    if tasks or not errors:
        write_tasks(session, arguments, tasks, whole=arguments["no-trunc"])
    if errors:
        raise CliError("\n".join(errors))


def inspect(session: Session, arguments: Arguments) -> None:
    def fetch(reference: str) -> Json:
        found: Json = session.get(f"/nodes/{node_id(session, reference)}")
        return found

    write_inspect(session, arguments, fetch, pretty)


def pretty(node: Json) -> Iterator[str]:
    """`docker node inspect --pretty`."""
    description, manager = node["Description"], node.get("ManagerStatus")
    yield f"ID:\t\t\t{node['ID']}"
    if name := node["Spec"].get("Name"):
        yield f"Name:\t\t\t{name}"
    yield from labels("Labels:", node["Spec"].get("Labels"))
    yield f"Hostname:              \t{description.get('Hostname', '')}"
    yield f"Joined at:             \t{capitalize(go_time(node['CreatedAt']))}"
    yield from ("Status:", f" State:\t\t\t{capitalize(node['Status'].get('State', ''))}")
    if message := node["Status"].get("Message"):
        yield f" Message:              \t{capitalize(message)}"
    yield f" Availability:         \t{capitalize(node['Spec'].get('Availability', ''))}"
    if address := node["Status"].get("Addr"):
        yield f" Address:\t\t{address}"
    if manager:
        yield from ("Manager Status:", f" Address:\t\t{manager.get('Addr', '')}")
        yield f" Raft Status:\t\t{capitalize(manager.get('Reachability', ''))}"
        yield f" Leader:\t\t{'Yes' if manager.get('Leader') else 'No'}"
    yield from _machine(description)


def _machine(description: Json) -> Iterator[str]:
    memory = dig(description, "Resources.MemoryBytes", 0)
    yield "Platform:"
    yield f" Operating System:\t{dig(description, 'Platform.OS')}"
    yield f" Architecture:\t\t{dig(description, 'Platform.Architecture')}"
    yield from ("Resources:", f" CPUs:\t\t\t{dig(description, 'Resources.NanoCPUs', 0) // 10**9}")
    yield f" Memory:\t\t{binary_size(memory) if memory else ''}"
    plugins: dict[str, list[str]] = {}
    for plugin in dig(description, "Engine.Plugins", []):
        plugins.setdefault(plugin["Type"], []).append(plugin["Name"])
    if plugins:
        yield from ("Plugins:", *(f" {k}:\t\t{', '.join(plugins[k])}" for k in sorted(plugins)))
    yield f"Engine Version:\t\t{dig(description, 'Engine.EngineVersion')}"
    yield from labels("Engine Labels:", dig(description, "Engine.Labels", {}))
    if tls := description.get("TLSInfo"):
        yield from ("TLS Info:", " TrustRoot:", tls["TrustRoot"])
        yield f" Issuer Subject:\t{tls['CertIssuerSubject']}"
        yield f" Issuer Public Key:\t{tls['CertIssuerPublicKey']}"


def labels(title: str, found: dict[str, str] | None) -> Iterator[str]:
    """A title and ` - key=value` lines; nothing where there are no labels."""
    if found:
        yield title
    for key in sorted(found or {}):
        yield f" - {key}={found[key]}" if found and found[key] else f" - {key}"


def update(session: Session, arguments: Arguments) -> None:
    def change(node: Json) -> str:
        spec = node["Spec"]
        for flag, field in (("role", "Role"), ("availability", "Availability")):
            if flag in arguments.given:
                spec[field] = arguments[flag]
        own = spec["Labels"] = spec.get("Labels") or {}
        own |= dict(text.partition("=")[::2] for text in arguments["label-add"])
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


def _set_role(role: str, done: str) -> Callable[[Session, Arguments], None]:
    def command(session: Session, arguments: Arguments) -> None:
        def change(node: Json) -> str:
            if node["Spec"].get("Role") == role:
                return f"Node {node['ID']} is already a {role}."
            node["Spec"]["Role"] = role
            return ""

        _change_each(session, arguments.words, change, done)

    return command


def rm(session: Session, arguments: Arguments) -> None:
    def remove(reference: str) -> None:
        session.call("DELETE", f"/nodes/{reference}", force=arguments["force"])

    remove_each(session, arguments.words, remove)


HANDLERS = {
    "node ls": ls,
    "node ps": ps,
    "node inspect": inspect,
    "node update": update,
    "node promote": _set_role("manager", "Node {} promoted to a manager in the swarm."),
    "node demote": _set_role("worker", "Manager {} demoted in the swarm."),
    "node rm": rm,
}
