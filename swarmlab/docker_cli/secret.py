"""`docker secret …` and `docker config …`: the same commands twice, but for a few words."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import (
    Listing,
    dig,
    join_labels,
    remove_each,
    write_inspect,
    write_list,
)
from swarmlab.docker_cli.node import labels
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import capitalize, go_quote, go_time, human_duration, seconds_of

TITLES = {"ID": "ID", "Name": "NAME"}
TIMES = {"CreatedAt": "CREATED", "UpdatedAt": "UPDATED", "Labels": "LABELS"}
LISTINGS = {
    "secret": Listing(
        go_type="*secret.secretContext",
        titles=TITLES | {"Driver": "DRIVER"} | TIMES,
        shown="ID Name Driver CreatedAt UpdatedAt",
    ),
    "config": Listing(
        go_type="*config.configContext",
        titles=TITLES | TIMES,
        shown="ID Name CreatedAt UpdatedAt",
    ),
}
READ_LIMIT = {"secret": 2 * 500 * 1024, "config": 2 * 1000 * 1024}


def _create(kind: str) -> Callable[[Session, Arguments], None]:
    def create(session: Session, arguments: Arguments) -> None:
        name, *files = arguments.words
        driver = arguments["driver"] if kind == "secret" else None
        if driver and files:
            raise CliError("When using secret driver secret data must be empty")
        data = b"" if driver else _read(session, kind, files[0] if files else "")
        pairs = dict(text.partition("=")[::2] for text in arguments["label"])
        body: Json = {"Name": name, "Labels": pairs}
        if data:
            body["Data"] = base64.b64encode(data).decode()
        for field, driver_name in (("Driver", driver), ("Templating", arguments["template-driver"])):
            if driver_name:
                body[field] = {"Name": driver_name}
        session.print(session.post(f"/{kind}s/create", body)["ID"])

    return create


def _read(session: Session, kind: str, file: str) -> bytes:
    source = "STDIN" if file == "-" else file
    before = f"Error reading content from {go_quote(file)}: " if kind == "config" else ""
    if not file:
        raise CliError(f"{before}{kind} file is required")
    try:
        data = session.stdin if file == "-" else Path(file).read_bytes()
    except OSError as error:
        fault = f"open {file}: {str(error.strerror).lower()}"
        raise CliError(f"{before}error reading from {file}: {fault}") from None
    if not data:
        raise CliError(f"{before}error reading from {source}: data is empty")
    return data[: READ_LIMIT[kind]]


def _ls(kind: str) -> Callable[[Session, Arguments], None]:
    def ls(session: Session, arguments: Arguments) -> None:
        found = session.get(f"/{kind}s", filters=arguments.filters()) or []
        found.sort(key=lambda one: str(one["Spec"]["Name"]))
        write_list(session, arguments, LISTINGS[kind], (_row(session, kind, one) for one in found))

    return ls


def _row(session: Session, kind: str, one: Json) -> Json:
    ages = (human_duration(session.clock() - seconds_of(one[at])) for at in ("CreatedAt", "UpdatedAt"))
    created, updated = ages
    row = {
        "ID": one["ID"],
        "Name": one["Spec"]["Name"],
        "CreatedAt": f"{created} ago",
        "UpdatedAt": f"{updated} ago",
        "Labels": join_labels(one["Spec"].get("Labels")),
    }
    return row | ({"Driver": dig(one, "Spec.Driver.Name")} if kind == "secret" else {})


def _inspect(kind: str) -> Callable[[Session, Arguments], None]:
    def inspect(session: Session, arguments: Arguments) -> None:
        def fetch(reference: str) -> Json:
            found: Json = session.get(f"/{kind}s/{reference}")
            return found

        write_inspect(session, arguments, fetch, _pretty_secret if kind == "secret" else _pretty_config)

    return inspect


def _pretty_secret(secret: Json) -> Iterator[str]:
    yield f"ID:              {secret['ID']}"
    yield f"Name:              {secret['Spec']['Name']}"
    yield from labels("Labels:", secret["Spec"].get("Labels"))
    yield f"Driver:            {dig(secret, 'Spec.Driver.Name')}"
    yield f"Created at:        {capitalize(go_time(secret['CreatedAt']))}"
    yield f"Updated at:        {capitalize(go_time(secret['UpdatedAt']))}"


def _pretty_config(config: Json) -> Iterator[str]:
    yield f"ID:\t\t\t{config['ID']}"
    yield f"Name:\t\t\t{config['Spec']['Name']}"
    yield from labels("Labels:", config["Spec"].get("Labels"))
    yield f"Created at:            \t{capitalize(go_time(config['CreatedAt']))}"
    yield f"Updated at:            \t{capitalize(go_time(config['UpdatedAt']))}"
    yield "Data:"
    yield base64.b64decode(config["Spec"].get("Data", "")).decode(errors="replace")


def _rm(kind: str) -> Callable[[Session, Arguments], None]:
    def rm(session: Session, arguments: Arguments) -> None:
        def remove(reference: str) -> None:
            session.call("DELETE", f"/{kind}s/{reference}")

        remove_each(session, arguments.words, remove)

    return rm


HANDLERS = {
    f"{kind} {verb}": make(kind)
    for kind in LISTINGS
    for verb, make in (("create", _create), ("ls", _ls), ("inspect", _inspect), ("rm", _rm))
}
