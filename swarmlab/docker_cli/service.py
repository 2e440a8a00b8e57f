"""`docker service …`; what the flags of create and update mean is in `service_spec`."""

from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, write_inspect, write_list
from swarmlab.docker_cli.node import node_id, write_tasks
from swarmlab.docker_cli.progress import wait_for_service, wait_for_services
from swarmlab.docker_cli.service_spec import MODES, edit, fresh_spec, resolve_image
from swarmlab.docker_cli.session import ApiNotFound, CliError, Json, Session
from swarmlab.units import natural_key


def ls(session: Session, arguments: Arguments) -> None:
    write_services(session, arguments, find_services(session, arguments, arguments.filters()))


def find_services(session: Session, arguments: Arguments, filters: Json) -> list[Json]:
    """Services that match, with the counts of their tasks unless only IDs are printed."""
    status = "" if arguments["quiet"] else "true"
    services: list[Json] = session.get("/services", filters=filters, status=status) or []
    return services


def write_services(session: Session, arguments: Arguments, services: list[Json]) -> None:
    """Print the table; `tables.txt` has its columns below `service ls`."""
    services.sort(key=lambda service: natural_key(service["Spec"]["Name"]))
    write_list(session, arguments, "service ls", map(with_counts, services))


def with_counts(service: Json) -> Json:
    """`service` with its mode and replicas as the list shows them."""
    modes = service["Spec"]["Mode"]
    mode = next((name.replace("-", " ") for name, key in MODES.items() if key in modes), "")
    status = service.get("ServiceStatus", {})
    running, desired = status.get("RunningTasks", 0), status.get("DesiredTasks", 0)
    completed, counts = status.get("CompletedTasks", 0), f"{running}/{desired}"
    limit = dig(service, "Spec.TaskTemplate.Placement.MaxReplicas", 0)
    if mode.endswith("job"):
        total = dig(modes, "ReplicatedJob.TotalCompletions", desired + completed)
        counts += f" ({completed}/{total} completed)"
    elif limit and mode == "replicated":
        counts += f" (max {limit} per node)"
    return service | {"mode": mode, "replicas": counts}


def ps(session: Session, arguments: Arguments) -> None:
    filters = arguments.filters()
    ids, missing = _resolve(session, arguments.words)
    if not ids:
        session.end(missing)
    filters["service"] = [*filters.get("service", []), *ids]
    if "node" in filters:
        filters["node"] = [node_id(session, node) for node in filters["node"]]
    if arguments["quiet"]:
        arguments.given["no-trunc"] = True
    write_tasks(session, arguments, session.get("/tasks", filters=filters) or [])
    session.end(missing)


def _resolve(session: Session, references: list[str]) -> tuple[list[str], list[str]]:
    """IDs of the services, by whole ID, else name, else the beginning of the ID; and errors."""
    by_id = session.get("/services", filters={"id": references}) or []
    by_name = session.get("/services", filters={"name": references}) or []

    def resolve(reference: str) -> list[str]:
        exact = [service["ID"] for service in by_id if service["ID"] == reference]
        exact += [s["ID"] for s in by_name if s["Spec"]["Name"] == reference]
        prefixed = [service["ID"] for service in by_id if service["ID"].startswith(reference)]
        if not exact and not prefixed:
            raise CliError(f"no such service: {reference}")
        if not exact and len(prefixed) > 1:
            raise CliError(f"multiple services found with provided prefix: {reference}")
        return exact[:1] or prefixed

    return session.collect(references, resolve)


def inspect(session: Session, arguments: Arguments) -> None:
    def fetch(reference: str) -> Json:
        try:
            service: Json = session.get(f"/services/{reference}", insertDefaults="true")
        except ApiNotFound:
            raise CliError(f"Error: no such service: {reference}") from None
        if arguments["pretty"]:
            service["networks"] = _network_names(session, service)
        return service

    write_inspect(session, arguments, fetch)


def _network_names(session: Session, service: Json) -> list[str]:
    ids = [network["Target"] for network in dig(service, "Spec.TaskTemplate.Networks", [])]
    names, _ = session.collect(
        ids, lambda network_id: [session.get(f"/networks/{network_id}", scope="swarm")["Name"]]
    )
    return names if len(names) == len(ids) else ids


def create(session: Session, arguments: Arguments) -> None:
    spec = fresh_spec(session, arguments)
    warnings = resolve_image(session, spec, ask=not arguments["no-resolve-image"])
    reply = session.post("/services/create", spec)
    session.warn(*(reply.get("Warnings") or []), *warnings)
    session.print(reply["ID"])
    _settle(session, arguments, reply["ID"])


def _settle(session: Session, arguments: Arguments, reference: str) -> None:
    if not arguments["detach"]:
        wait_for_service(session, reference, quiet=arguments["quiet"])


def _read(session: Session, reference: str) -> Json:
    service: Json = session.get(f"/services/{reference}", insertDefaults="false")
    return service


def _write(session: Session, service: Json, *warnings: str, **query: Any) -> None:
    answer = session.update("service", service, service["Spec"], **query)
    session.warn(*(answer.get("Warnings") or []), *warnings)


def update(session: Session, arguments: Arguments) -> None:
    reference = arguments.words[0]
    service = _read(session, reference)
    rollback = "previous" if arguments["rollback"] else ""
    if rollback and set(arguments.given) - {"rollback", "detach", "quiet"}:
        raise CliError("other flags may not be combined with --rollback")
    edit(session, service["Spec"], arguments)
    ask = "image" in arguments.given and not arguments["no-resolve-image"]
    warnings = resolve_image(session, service["Spec"], ask=ask)
    _write(session, service, *warnings, registryAuthFrom="spec", rollback=rollback)
    session.print(reference)
    _settle(session, arguments, reference)


def rollback(session: Session, arguments: Arguments) -> None:
    reference = arguments.words[0]
    _write(session, _read(session, reference), rollback="previous")
    session.print(reference)
    _settle(session, arguments, reference)


def scale(session: Session, arguments: Arguments) -> None:
    for word in arguments.words:
        name, _, count = word.partition("=")
        if not name or not count:
            raise CliError(
                f"invalid scale specifier '{word}'.\nSee 'docker service scale --help'.\n\nUsage:"
                f"  docker {arguments.command.usage}\n\nScale one or multiple replicated services"
            )
    scaled, errors = session.collect(arguments.words, lambda word: _scale_one(session, word))
    if not arguments["detach"]:
        errors += wait_for_services(session, scaled)
    session.end(errors)


def _scale_one(session: Session, word: str) -> list[str]:
    reference, _, count = word.partition("=")
    try:
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
        _write(session, service)
    except CliError as error:
        raise CliError(f"{reference}: {error}") from None
    session.print(f"{reference} scaled to {int(count)}")
    return [reference]
