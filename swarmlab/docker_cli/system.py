"""`docker info`, `version`, `events` and `inspect`: an engine about itself and all it knows."""

import json
from datetime import UTC, datetime

from swarmlab.docker_cli.containers import moment
from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import fill, parse_format, pretty, write_inspect
from swarmlab.docker_cli.session import ApiError, CliError, Json, Session
from swarmlab.docker_cli.template import TableRow, Template, TemplateError, to_json
from swarmlab.docker_cli.text import align, go_quote
from swarmlab.model.versions import API_VERSION, DOCKER_VERSION

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
# Kinds of objects, in the order in which `docker inspect` looks for a name, and their paths.
KINDS = {
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
OF_A_SWARM = {"service", "task", "node", "secret", "config"}
EVENT = ("status", "id", "from", "Type", "Action", "Actor", "scope", "time", "timeNano")


def info(session: Session, arguments: Arguments) -> None:
    found = session.get("/info")
    if source := arguments["format"]:
        client: Json = CLIENT | {"Debug": False, "Plugins": [], "Warnings": None}
        _write(session, source, found | {"ClientInfo": client})
        return
    session.out.write(pretty(session, "info", found) + "\n")
    session.warn(*(found.get("Warnings") or []))


def _write(session: Session, source: str, value: Json) -> None:
    template: Template | None = parse_format(source)
    session.out.write(fill(template, value) if template else to_json(value) + "\n")


def version(session: Session, arguments: Arguments) -> None:
    found, errors = session.collect(["/version"], lambda path: [session.get(path)])
    client = CLIENT | {"ApiVersion": str(session.client._version)}
    shown = {"Client": client, "Server": found[0] if found else None}
    if source := arguments["format"]:
        _write(session, source, shown)
    else:
        session.out.write(align(pretty(session, "version", shown), minimum=20, padding=1))
    session.end(errors)


def inspect(session: Session, arguments: Arguments) -> None:
    wanted = arguments["type"]
    kinds = '", "'.join(sorted(KINDS))
    if wanted == "":
        raise CliError(f'type is empty: must be one of "{kinds}"')
    if wanted and wanted not in KINDS:
        raise CliError(f'unknown type: {go_quote(wanted)}: must be one of "{kinds}"')

    def fetch(reference: str) -> Json:
        if wanted:
            return _fetch(session, arguments, wanted, reference)
        manages = None
        for kind in KINDS:
            if kind in OF_A_SWARM and manages is None:
                manages = session.get("/info")["Swarm"]["ControlAvailable"]
            try:
                if manages or kind not in OF_A_SWARM:
                    return _fetch(session, arguments, kind, reference)
            except ApiError as error:
                if error.status != 404:
                    raise
        raise CliError(f"Error: No such object: {reference}")

    write_inspect(session, arguments, fetch, escaped=False)


def _fetch(session: Session, arguments: Arguments, kind: str, reference: str) -> Json:
    defaults = "true" if kind == "service" else ""
    size = arguments["size"] and kind == "container"
    path = KINDS[kind].format(reference)
    found: Json = session.get(path, insertDefaults=defaults, size=size)
    if arguments["size"] and not size:
        session.warn(f"WARNING: --size ignored for {kind}")
    return found


def events(session: Session, arguments: Arguments) -> None:
    """What happened since, and what happens until; without an end it goes on until interrupted."""
    source = arguments.given.get("format", "")
    empty = TableRow(dict.fromkeys(EVENT, ""))
    empty.go_type = "*events.Message"
    try:
        template = Template("{{json .}}" if source == "json" else source) if source else None
        if template:
            template.render(empty)
    except TemplateError as error:
        raise CliError(f"Error parsing format: {error}", 64) from None
    times = {name: moment(session, arguments[name]) for name in ("since", "until")}
    query = times | {"filters": arguments.filters()}
    for line in session.open("GET", "/events", stream=True, **query).iter_lines():
        if line:
            event = json.loads(line)
            session.print(template.render(event) if template else _event_line(event))


def _event_line(event: Json) -> str:
    seconds, ns = divmod(event["timeNano"], 10**9)
    stamp = datetime.fromtimestamp(seconds, UTC).astimezone()
    when = f"{stamp:%Y-%m-%dT%H:%M:%S}.{ns:09d}{stamp:%z}"
    when = f"{when[:-2]}:{when[-2:]}" if stamp.utcoffset() else f"{when[:-5]}Z"
    actor = event["Actor"]
    attributes = ", ".join(f"{k}={v}" for k, v in sorted((actor["Attributes"] or {}).items()))
    known = f" ({attributes})" if attributes else ""
    return f"{when} {event['Type']} {event['Action']} {actor['ID']}{known}"
