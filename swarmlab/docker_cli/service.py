"""`docker service …` but for create and update, which are in `service_spec`."""

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import Listing, dig, remove_each, write_inspect, write_list
from swarmlab.docker_cli.progress import wait_for_service
from swarmlab.docker_cli.publish import show_ports
from swarmlab.docker_cli.service_pretty import pretty
from swarmlab.docker_cli.service_spec import edit, fresh_spec, resolve_image
from swarmlab.docker_cli.session import ApiError, CliError, Json, Session
from swarmlab.docker_cli.tasks import node_id, write_tasks
from swarmlab.docker_cli.text import image_name, natural_key, short_id

SERVICES = Listing(
    go_type="*service.serviceContext",
    titles={
        "ID": "ID",
        "Name": "NAME",
        "Mode": "MODE",
        "Replicas": "REPLICAS",
        "Image": "IMAGE",
        "Ports": "PORTS",
    },
    shown="ID Name Mode Replicas Image Ports",
)
MODES = {
    "Global": "global",
    "Replicated": "replicated",
    "ReplicatedJob": "replicated job",
    "GlobalJob": "global job",
}


def ls(session: Session, arguments: Arguments) -> None:
    status = "" if arguments["quiet"] else "true"
    services = session.get("/services", filters=arguments.filters(), status=status) or []
    services.sort(key=lambda service: natural_key(service["Spec"]["Name"]))
    write_list(session, arguments, SERVICES, map(service_row, services))


def service_row(service: Json) -> Json:
    spec = service["Spec"]
    mode = next((MODES[key] for key in MODES if key in spec["Mode"]), "")
    return {
        "ID": short_id(service["ID"]),
        "Name": spec["Name"],
        "Mode": mode,
        "Replicas": _replicas(service, mode),
        "Image": image_name(dig(spec, "TaskTemplate.ContainerSpec.Image")),
        "Ports": show_ports(dig(service, "Endpoint.Ports", [])),
    }


def _replicas(service: Json, mode: str) -> str:
    status = service.get("ServiceStatus", {})
    running, desired = status.get("RunningTasks", 0), status.get("DesiredTasks", 0)
    completed, counts = status.get("CompletedTasks", 0), f"{running}/{desired}"
    if mode.endswith("job"):
        total = dig(service, "Spec.Mode.ReplicatedJob.TotalCompletions", desired + completed)
        return f"{counts} ({completed}/{total} completed)"
    limit = dig(service, "Spec.TaskTemplate.Placement.MaxReplicas", 0)
    return f"{counts} (max {limit} per node)" if limit and mode == "replicated" else counts


def ps(session: Session, arguments: Arguments) -> None:
    filters = arguments.filters()
    found, missing = _find(session, arguments.words)
    if not found:
        raise CliError("\n".join(missing))
    filters["service"] = [*filters.get("service", []), *found]
    if "node" in filters:
        filters["node"] = [node_id(session, one) for one in filters["node"]]
    tasks = session.get("/tasks", filters=filters) or []
    whole = arguments["no-trunc"] or arguments["quiet"]
    write_tasks(session, arguments, tasks, whole=whole)
    if missing:
        raise CliError("\n".join(missing))


def _find(session: Session, references: list[str]) -> tuple[list[str], list[str]]:
    """IDs of the services: by whole ID, else by name, else by the beginning of the ID."""
    by_id = session.get("/services", filters={"id": references}) or []
    by_name = session.get("/services", filters={"name": references}) or []
    found: list[str] = []
    missing: list[str] = []
    for ref in references:
        exact = [s["ID"] for s in by_id if s["ID"] == ref]
        exact += [s["ID"] for s in by_name if s["Spec"]["Name"] == ref]
        prefixed = [s["ID"] for s in by_id if s["ID"].startswith(ref)]
        if not exact and len(prefixed) > 1:
            raise CliError(f"multiple services found with provided prefix: {ref}")
        found += exact[:1] or prefixed
        missing += [] if exact or prefixed else [f"no such service: {ref}"]
    return found, missing


def inspect(session: Session, arguments: Arguments) -> None:
    def fetch(reference: str) -> Json:
        try:
            found: Json = session.get(f"/services/{reference}", insertDefaults="true")
        except ApiError as error:
            if error.status == 404:
                raise CliError(f"Error: no such service: {reference}") from None
            raise
        return found

    def show(service: Json) -> list[str]:
        return list(pretty(service, session.clock(), _network_names(session, service)))

    write_inspect(session, arguments, fetch, show)


def _network_names(session: Session, service: Json) -> list[str]:
    names = []
    for network in dig(service, "Spec.TaskTemplate.Networks", []):
        try:
            names.append(session.get(f"/networks/{network['Target']}", scope="swarm")["Name"])
        except CliError:
            names.append(network["Target"])
    return names


def create(session: Session, arguments: Arguments) -> None:
    spec = fresh_spec(session, arguments)
    warnings: list[str] = []
    if not arguments["no-resolve-image"]:
        warnings = resolve_image(session, spec)
    reply = session.post("/services/create", spec)
    session.warn(*(reply.get("Warnings") or []), *warnings)
    session.print(reply["ID"])
    _settle(session, arguments, reply["ID"])


def _settle(session: Session, arguments: Arguments, reference: str) -> None:
    if not arguments["detach"]:
        wait_for_service(session, reference, quiet=arguments["quiet"])


def _read(session: Session, reference: str) -> Json:
    found: Json = session.get(f"/services/{reference}", insertDefaults="false")
    return found


def _write(session: Session, service: Json, **query: str) -> list[str]:
    path, version = f"/services/{service['ID']}/update", str(service["Version"]["Index"])
    reply = session.post(path, service["Spec"], version=version, **query)
    return list(reply.get("Warnings") or []) if isinstance(reply, dict) else []


def update(session: Session, arguments: Arguments) -> None:
    reference = arguments.words[0]
    service = _read(session, reference)
    query, warnings = {"registryAuthFrom": "spec"}, []
    if arguments["rollback"]:
        if set(arguments.given) - {"rollback", "detach", "quiet"}:
            raise CliError("other flags may not be combined with --rollback")
        query["rollback"] = "previous"
    edit(session, service["Spec"], arguments)
    if "image" in arguments.given and not arguments["no-resolve-image"]:
        warnings = resolve_image(session, service["Spec"])
    session.warn(*_write(session, service, **query), *warnings)
    session.print(reference)
    _settle(session, arguments, reference)


def rollback(session: Session, arguments: Arguments) -> None:
    reference = arguments.words[0]
    session.warn(*_write(session, _read(session, reference), rollback="previous"))
    session.print(reference)
    _settle(session, arguments, reference)


def scale(session: Session, arguments: Arguments) -> None:
    _check_scale(arguments)
    errors, scaled = [], []
    for word in arguments.words:
        reference, _, count = word.partition("=")
        try:
            session.warn(*_scale_one(session, reference, count))
        except CliError as error:
            errors.append(f"{reference}: {error}")
            continue
        session.print(f"{reference} scaled to {int(count)}")
        scaled.append(reference)
    for reference in scaled if not arguments["detach"] else ():
        try:
            wait_for_service(session, reference)
        except CliError as error:
            errors.append(f"{reference}: {error}")
    if errors:
        raise CliError("\n".join(errors))


def _check_scale(arguments: Arguments) -> None:
    command = arguments.command
    if not arguments.words:
        fault = "docker: 'docker service scale' requires at least 1 argument"
        raise command.refuse(fault, verb="See")
    for word in arguments.words:
        name, _, count = word.partition("=")
        if not name or not count:
            raise CliError(
                f"invalid scale specifier '{word}'.\nSee 'docker service scale --help'.\n\n"
                f"Usage:  docker {command.usage}\n\nScale one or multiple replicated services"
            )


def _scale_one(session: Session, reference: str, count: str) -> list[str]:
    if not count.isdecimal():
        fault = f'strconv.ParseUint: parsing "{count}": invalid syntax'
        raise CliError(f"invalid replicas value {count}: {fault}")
    service = _read(session, reference)
    mode = service["Spec"]["Mode"]
    if "Replicated" in mode:
        mode["Replicated"]["Replicas"] = int(count)
    elif "ReplicatedJob" in mode:
        mode["ReplicatedJob"]["TotalCompletions"] = int(count)
    else:
        raise CliError("scale can only be used with replicated or replicated-job mode")
    return _write(session, service)


def rm(session: Session, arguments: Arguments) -> None:
    def remove(reference: str) -> None:
        session.call("DELETE", f"/services/{reference}")

    remove_each(session, arguments.words, remove)


def logs(session: Session, arguments: Arguments) -> None:
    from swarmlab.docker_cli.containers import service_logs

    service_logs(session, arguments)


HANDLERS = {
    "service create": create,
    "service inspect": inspect,
    "service logs": logs,
    "service ls": ls,
    "service ps": ps,
    "service rm": rm,
    "service rollback": rollback,
    "service scale": scale,
    "service update": update,
}
