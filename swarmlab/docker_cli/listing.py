"""Lists as tables, JSON lines or templates, and `inspect`: the shapes that many commands share.

What they show stands in `tables.txt` and `pretty.txt`.
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
    expression,
    to_json,
)
from swarmlab.units import binary_size, decimal_size, go_duration, human_duration, unix_seconds

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list can show: columns by name with title and value, and the template of its table."""

    go_type: str
    titles: Mapping[str, str]
    values: Mapping[str, str]
    shown: str


@cache
def listings() -> dict[str, Listing]:
    found = {}
    for block in (HERE / "tables.txt").read_text().strip().split("\n\n")[1:]:
        head, *lines = block.split("\n")
        name, go_type = head.split("  ")
        template = "".join(line[2:] for line in lines if line.startswith("= "))
        columns = [re.split(r" {2}", line, maxsplit=2) for line in lines if line[0] != "="]
        shown = [f"{{{{.{column[0][1:]}}}}}" for column in columns if column[0][0] == "+"]
        found[name] = Listing(
            go_type=go_type,
            titles={column[0].lstrip("+"): column[1].strip() for column in columns},
            values={column[0].lstrip("+"): column[2] for column in columns},
            shown=template.replace("\\t", "\t") or "\t".join(shown),
        )
    return found


def functions(session: Session, *, whole: bool) -> dict[str, Callable[..., Any]]:
    """What tables.txt and pretty.txt may call; `whole` is `--no-trunc`."""
    return FUNCTIONS | {
        "ago": lambda stamp: f"{human_duration(session.clock() - unix_seconds(stamp))} ago",
        "addresses": lambda managers: sorted(manager["Addr"] for manager in managers),
        "ansic": lambda stamp: datetime.fromisoformat(stamp).strftime("%a %b %e %H:%M:%S %Y"),
        "base64": lambda data: base64.b64decode(str(data or "")).decode(errors="replace"),
        "cap": lambda word: text.capitalize(str(word or "")),
        "containerports": lambda found: ports.show_container_ports(found or []),
        "count": lambda number: "N/A" if number == -1 else str(number),
        "cpus": lambda nanos: f"{(nanos or 0) / 10**9:.10g}",
        "cut": lambda line, width: line if whole else text.ellipsis(str(line or ""), width),
        "duration": lambda ns: go_duration(ns or 0),
        "gotime": text.go_time,
        "has": lambda found, name: found.get(name) is not None,
        "hostports": lambda found: ports.show_host_ports(found or []),
        "human": lambda ns: human_duration((ns or 0) / 10**9),
        "id": lambda found: found if whole else text.short_id(found),
        "image": lambda name: name if whole else text.image_name(str(name or "")),
        "localtime": text.local_time,
        "marked": lambda line: f'"{line}"' if line else "",
        "memory": lambda size: binary_size(size) if size else "",
        "number": lambda value: value or 0,
        "pairs": lambda found: ",".join(sorted(f"{k}={v}" for k, v in (found or {}).items())),
        "plugins": _plugins,
        "ports": lambda found: ports.show_ports(found or []),
        "quoted": lambda line: text.go_quote(line) if line else "",
        "short": text.short_id,
        "size": lambda size, digits: "N/A" if size == -1 else decimal_size(size, digits),
        "strip": str.strip,
        "text": lambda value: value or "",
        "tls": lambda own, root: (
            "Unknown" if not own or not root else "Ready" if own == root else "Needs Rotation"
        ),
        "whole": lambda number: int(float(number)),
    }


def _plugins(found: Iterable[Json]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for plugin in found:
        kinds.setdefault(plugin["Type"], []).append(plugin["Name"])
    return kinds


def dig(value: Any, path: str, default: Any = "") -> Any:
    """`value["A"]["B"]` for the path `A.B`; `default` where a step is missing."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return default
    return value


def write_list(
    session: Session, arguments: Arguments, name: str, objects: Iterable[Json], *, shown: str = ""
) -> None:
    """Prints API objects as the list `name`, the way `--format`, `-q` and `--no-trunc` say."""
    listing, given = listings()[name], arguments.given
    source = given.get("format") or "table"
    if source == "table":
        source = "{{.ID}}" if given.get("quiet") else f"table {shown or listing.shown}"
    table = source.startswith("table")
    source = "{{json .}}" if source == "json" else source.removeprefix("table").strip(" ")
    source = source.replace("\\t", "\t").replace("\\n", "\n")
    known = functions(session, whole=bool(given.get("no-trunc")))
    columns = {column: expression(value, known) for column, value in listing.values.items()}
    try:
        template = Template(source)
        lines = [template.render(_row(listing, columns, one)) for one in objects]
        if table:
            lines.insert(0, Template(source, HEADER_FUNCTIONS).render(listing.titles))
    except TemplateError as error:
        raise CliError(f"template parsing error: {error}") from None
    written = "".join(line + "\n" for line in lines)
    session.out.write(text.align(written) if table else written)


def _row(listing: Listing, columns: Mapping[str, Any], one: Json) -> TableRow:
    values = {name: value(one, {}) for name, value in columns.items()}
    row = TableRow(
        {k: v if v is None or isinstance(v, bool) else str(v or "") for k, v in values.items()}
    )
    row.go_type = listing.go_type
    return row


def pretty(session: Session, name: str, one: Json) -> str:
    """What `pretty.txt` makes of an API object."""
    blocks = re.split(r"^== (.+)\n", (HERE / "pretty.txt").read_text(), flags=re.MULTILINE)
    source = dict(zip(blocks[1::2], blocks[2::2], strict=True))[name].rstrip("\n")
    return Template(source, functions(session, whole=True)).render(one) + "\n"


def write_inspect(
    session: Session, arguments: Arguments, fetch: Callable[[str], Any], *, escaped: bool = True
) -> None:
    """Prints the objects that the arguments name; errors of those that are missing come last."""
    source, path = arguments.given.get("format", ""), arguments.command.path
    if arguments.given.get("pretty") or source == "pretty":
        for reference in arguments.words:
            session.out.write(pretty(session, path, fetch(reference)))
        return
    if source.startswith("pretty"):
        raise CliError("cannot supply extra formatting options to the pretty template")
    template = parse_format(source)
    found, errors = session.collect(arguments.words, lambda reference: [fetch(reference)])
    if template:
        lines, faults = session.collect(found, lambda one: [fill(template, one)])
        session.out.write("".join(lines) or "\n")
        errors += faults
    else:
        indent = None if source == "json" else 4
        written = json.dumps(found, indent=indent, ensure_ascii=False) if indent else to_json(found)
        session.print(escape(written) if escaped else written if found else "[]")
    session.end(errors)


def parse_format(source: str) -> Template | None:
    """The template of `--format`; None where JSON is wanted."""
    try:
        return Template(source) if source not in ("", "json") else None
    except TemplateError as error:
        raise CliError(f"template parsing error: {error}", 64) from None


def fill(template: Template, one: Json) -> str:
    try:
        return template.render(one) + "\n"
    except TemplateError as error:
        raise CliError(f"template parsing error: {error}") from None


def labels(texts: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a mapping; a bare `KEY` has the empty value."""
    return dict(one.partition("=")[::2] for one in texts)
