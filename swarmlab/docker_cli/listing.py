"""Lists as tables, JSON lines or templates, and `inspect`: the output that many commands share.

What they show is in `tables.txt` and `pretty.txt`.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from swarmlab.docker_cli import ports, text
from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.template import (
    FUNCTIONS,
    HEADER_FUNCTIONS,
    TableRow,
    Template,
    TemplateError,
    escape,
    to_json,
)
from swarmlab.model.image_reference import listed_name
from swarmlab.templates.go_text import go_quote
from swarmlab.templates.template import expression
from swarmlab.units import S, binary_size, decimal_size, go_duration, human_duration, unix_seconds

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list can show: columns by name with title and value, and its default template."""

    go_type: str
    titles: Mapping[str, str]
    values: Mapping[str, str]
    template: str


@cache
def listings() -> dict[str, Listing]:
    """The lists of tables.txt by name."""
    lists = {}
    for block in (HERE / "tables.txt").read_text("utf-8").strip().split("\n\n")[1:]:
        head, *lines = block.split("\n")
        name, go_type = head.split("  ")
        template = "".join(line[2:] for line in lines if line.startswith("= "))
        columns = [line.split("  ", 2) for line in lines if line[0] != "="]
        default = [f"{{{{.{column[1:]}}}}}" for column, *_ in columns if column[0] == "+"]
        lists[name] = Listing(
            go_type=go_type,
            titles={column.lstrip("+"): title.strip() for column, title, _ in columns},
            values={column.lstrip("+"): value for column, _, value in columns},
            template=template.replace("\\t", "\t") or "\t".join(default),
        )
    return lists


def functions(session: Session, *, no_trunc: bool) -> dict[str, Callable[..., Any]]:
    """The functions that tables.txt and pretty.txt call; `no_trunc`: do not shorten."""
    return {
        **FUNCTIONS,
        "ago": lambda stamp: f"{human_duration(session.clock() - unix_seconds(stamp))} ago",
        "addresses": lambda managers: sorted(manager["Addr"] for manager in managers),
        "ansic": lambda stamp: datetime.fromisoformat(stamp).strftime("%a %b %e %H:%M:%S %Y"),
        "base64": lambda data: base64.b64decode(str(data or "")).decode(errors="replace"),
        "cap": lambda word: text.capitalize(str(word or "")),
        "containerports": lambda entries: ports.show_container_ports(entries or []),
        "count": lambda number: "N/A" if number == -1 else str(number),
        "cpus": lambda nanos: f"{(nanos or 0) / 10**9:.10g}",
        "cut": lambda line, width: line if no_trunc else text.ellipsis(str(line or ""), width),
        "duration": lambda ns: go_duration(ns or 0),
        "gotime": text.go_time,
        "has": lambda mapping, name: mapping.get(name) is not None,
        "hostports": lambda entries: ports.show_host_ports(entries or []),
        "human": lambda ns: human_duration((ns or 0) / S),
        "id": lambda line: line if no_trunc else text.short_id(line),
        "image": lambda name: name if no_trunc else listed_name(str(name or "")),
        "localtime": text.local_time,
        "marked": lambda line: f'"{line}"' if line else "",
        "memory": lambda size: binary_size(size) if size else "",
        "number": lambda value: value or 0,
        "pairs": lambda labels: ",".join(sorted(f"{k}={v}" for k, v in (labels or {}).items())),
        "plugins": _plugins,
        "ports": lambda entries: ports.show_ports(entries or []),
        "quoted": lambda line: go_quote(line) if line else "",
        "short": text.short_id,
        "size": lambda size, digits: "N/A" if size == -1 else decimal_size(size, digits),
        "strip": str.strip,
        "text": lambda value: value or "",
        "tls": lambda own, root: (
            "Unknown" if not own or not root else "Ready" if own == root else "Needs Rotation"
        ),
        "whole": lambda number: int(float(number)),
    }


def _plugins(plugins: Iterable[Json]) -> dict[str, list[str]]:
    """Plugin names by type."""
    names: dict[str, list[str]] = {}
    for plugin in plugins:
        names.setdefault(plugin["Type"], []).append(plugin["Name"])
    return names


def dig(value: Any, path: str, default: Any = "") -> Any:
    """`value["A"]["B"]` for the path `A.B`; `default` where a step is missing."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return default
    return value


def write_list(
    session: Session, arguments: Arguments, name: str, objects: Iterable[Json], *, columns: str = ""
) -> None:
    """Print API objects as the list `name`, by `--format`, `--quiet` and `--no-trunc`.

    `columns`: the template of the table instead of the list's own.
    """
    listing, given = listings()[name], arguments.given
    source = given.get("format") or "table"
    if source == "table":
        source = "{{.ID}}" if given.get("quiet") else f"table {columns or listing.template}"
    table = source.startswith("table")
    source = "{{json .}}" if source == "json" else source.removeprefix("table").strip(" ")
    source = source.replace("\\t", "\t").replace("\\n", "\n")
    called = functions(session, no_trunc=bool(given.get("no-trunc")))
    values = {column: expression(value, called) for column, value in listing.values.items()}
    template = Template(source)
    lines = [template.render(_row(listing, values, item)) for item in objects]
    if table:
        lines.insert(0, Template(source, HEADER_FUNCTIONS).render(listing.titles))
    written = "".join(line + "\n" for line in lines)
    session.out.write(text.align(written) if table else written)


def _row(listing: Listing, expressions: Mapping[str, Any], item: Json) -> TableRow:
    values = {name: value(item, {}) for name, value in expressions.items()}
    row = TableRow(
        {k: v if v is None or isinstance(v, bool) else str(v or "") for k, v in values.items()}
    )
    row.go_type = listing.go_type
    return row


def pretty(session: Session, name: str, item: Json) -> str:
    """An API object in the template `name` of pretty.txt."""
    blocks = re.split(r"^== (.+)\n", (HERE / "pretty.txt").read_text("utf-8"), flags=re.MULTILINE)
    source = dict(zip(blocks[1::2], blocks[2::2], strict=True))[name].rstrip("\n")
    return Template(source, functions(session, no_trunc=True)).render(item) + "\n"


def write_inspect(
    session: Session, arguments: Arguments, fetch: Callable[[str], Any], *, escaped: bool = True
) -> None:
    """Print the objects that the arguments name; errors of those that are missing come last."""
    source, path = arguments.given.get("format", ""), arguments.command.path
    if arguments.given.get("pretty") or source == "pretty":
        for reference in arguments.words:
            session.out.write(pretty(session, path, fetch(reference)))
        return
    if source.startswith("pretty"):
        raise CliError("cannot supply extra formatting options to the pretty template")
    template = parse_format(source)
    objects, errors = session.collect(arguments.words, lambda reference: [fetch(reference)])
    if template:
        lines, faults = session.collect(objects, lambda item: [template.render(item) + "\n"])
        session.out.write("".join(lines) or "\n")
        errors += faults
    else:
        compact = source == "json"
        written = to_json(objects) if compact else json.dumps(objects, indent=4, ensure_ascii=False)
        session.print(escape(written) if escaped else written)
    session.end(errors)


def parse_format(source: str) -> Template | None:
    """The template of `--format`; None where JSON is wanted."""
    try:
        return Template(source) if source not in ("", "json") else None
    except TemplateError as error:
        raise CliError(str(error), 64) from None


def labels(texts: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a mapping; a bare `KEY` has the empty value."""
    return dict(text.partition("=")[::2] for text in texts)
