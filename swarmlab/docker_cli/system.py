"""`docker info`, `version`, `events`, and `inspect` for every kind of object."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from swarmlab.docker_cli.containers import moment
from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import parse_format, pretty, write_inspect
from swarmlab.docker_cli.session import ApiNotFound, CliError, Json, Session
from swarmlab.docker_cli.template import TableRow, Template, TemplateError, to_json
from swarmlab.docker_cli.text import align
from swarmlab.model.versions import API_VERSION, DOCKER_VERSION
from swarmlab.templates.go_text import go_quote
from swarmlab.units import S

CLIENT = {
    "Version": DOCKER_VERSION,
    "ApiVersion": API_VERSION,
    "DefaultAPIVersion": API_VERSION,
    "GitCommit": "e6534b4",
    "GoVersion": "go1.24.3",
    "Os": "linux",
    "Arch": "amd64",
    "BuildTime": "Fri May 30 12:07:14 2025",
    "Context": "default",
}
# Kind of object -> its path, in the order in which `docker inspect` looks for a name.
PATHS = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "network": "/networks/{}",
    "volume": "/volumes/{}",
    "service": "/services/{}",
    "task": "/tasks/{}",
    "node": "/nodes/{}",
    "plugin": "/plugins/{}/json",
    "secret": "/secrets/{}",
    "config": "/configs/{}",
}
SWARM_KINDS = {"service", "task", "node", "secret", "config"}
EVENT_FIELDS = ("status", "id", "from", "Type", "Action", "Actor", "scope", "time", "timeNano")


def info(session: Session, arguments: Arguments) -> None:
    engine = session.get("/info")
    if source := arguments["format"]:
        client: Json = CLIENT | {"Debug": False, "Plugins": [], "Warnings": None}
        _write(session, source, engine | {"ClientInfo": client})
        return
    session.out.write(pretty(session, "info", engine) + "\n")
    session.warn(*(engine.get("Warnings") or []))


def _write(session: Session, source: str, value: Json) -> None:
    template = parse_format(source)
    session.print(template.render(value) if template else to_json(value))


def version(session: Session, arguments: Arguments) -> None:
    servers, errors = session.collect(["/version"], lambda path: [session.get(path)])
    client = CLIENT | {"ApiVersion": str(session.client._version)}
    both = {"Client": client, "Server": servers[0] if servers else None}
    if source := arguments["format"]:
        _write(session, source, both)
    else:
        session.out.write(align(pretty(session, "version", both), minimum=20, padding=1))
    session.end(errors)


def inspect(session: Session, arguments: Arguments) -> None:
    only = arguments["type"]
    kinds = '", "'.join(sorted(PATHS))
    choices = f'must be one of "{kinds}"'
    if only == "":
        raise CliError(f"type is empty: {choices}")
    if only and only not in PATHS:
        raise CliError(f"unknown type: {go_quote(only)}: {choices}")

    def fetch(reference: str) -> Json:
        if only:
            return _fetch(session, arguments, only, reference)
        is_manager = None
        for kind in PATHS:
            if kind in SWARM_KINDS and is_manager is None:
                is_manager = session.get("/info")["Swarm"]["ControlAvailable"]
            with suppress(ApiNotFound):
                if is_manager or kind not in SWARM_KINDS:
                    return _fetch(session, arguments, kind, reference)
        raise CliError(f"Error: No such object: {reference}")

    write_inspect(session, arguments, fetch, escaped=False)


def inspect_kind(session: Session, arguments: Arguments) -> None:
    """`docker container|image|volume inspect`."""
    path = PATHS[arguments.kind]

    def fetch(reference: str) -> Any:
        return session.get(path.format(reference), size=arguments.given.get("size"))

    write_inspect(session, arguments, fetch, escaped=False)


def _fetch(session: Session, arguments: Arguments, kind: str, reference: str) -> Json:
    defaults = "true" if kind == "service" else ""
    size = arguments["size"] and kind == "container"
    path = PATHS[kind].format(reference)
    item: Json = session.get(path, insertDefaults=defaults, size=size)
    if arguments["size"] and not size:
        session.warn(f"WARNING: --size ignored for {kind}")
    return item


def events(session: Session, arguments: Arguments) -> None:
    """Print events from `--since` to `--until`, or until interrupted."""
    source = arguments.given.get("format", "")
    empty = TableRow(dict.fromkeys(EVENT_FIELDS, ""))
    empty.go_type = "*events.Message"
    try:
        template = Template("{{json .}}" if source == "json" else source) if source else None
        if template:
            template.render(empty)
    except TemplateError as error:
        fault = str(error).removeprefix("template parsing error: ")
        raise CliError(f"Error parsing format: {fault}", 64) from None
    times = {name: moment(session, arguments[name]) for name in ("since", "until")}
    query = times | {"filters": arguments.filters()}
    for line in session.open("GET", "/events", live=True, **query).iter_lines():
        if line:
            event = json.loads(line)
            session.print(template.render(event) if template else _event_line(event))


def _event_line(event: Json) -> str:
    seconds, ns = divmod(event["timeNano"], S)
    stamp = datetime.fromtimestamp(seconds, UTC).astimezone()
    when = f"{stamp:%Y-%m-%dT%H:%M:%S}.{ns:09d}{stamp:%z}"
    when = f"{when[:-2]}:{when[-2:]}" if stamp.utcoffset() else f"{when[:-5]}Z"
    actor = event["Actor"]
    attributes = ", ".join(f"{k}={v}" for k, v in sorted((actor["Attributes"] or {}).items()))
    details = f" ({attributes})" if attributes else ""
    return f"{when} {event['Type']} {event['Action']} {actor['ID']}{details}"
