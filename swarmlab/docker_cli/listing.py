"""Lists as tables, JSON lines or templates, and `inspect`: the shapes that many commands share."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.template import Row, Template, TemplateError, escape, to_json
from swarmlab.docker_cli.text import align


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list can show: the columns by name with their titles, and those shown by default."""

    go_type: str  # for the text of a refused template
    titles: Mapping[str, str]
    shown: str  # names of columns, or a template where it has braces

    def template(self) -> str:
        if "{{" in self.shown:
            return self.shown
        return "\t".join(f"{{{{.{name}}}}}" for name in self.shown.split())


def dig(value: Any, path: str, default: Any = "") -> Any:
    """`value["A"]["B"]` for the path `A.B`; `default` where a step is missing."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return default
    return value


def write_list(
    session: Session, arguments: Arguments, listing: Listing, rows: Iterable[Json], shown: str = ""
) -> None:
    """Prints `rows` as `--format` and `--quiet` say."""
    source = arguments["format"] or "table"
    if source == "table":
        source = "{{.ID}}" if arguments["quiet"] else f"table {shown or listing.template()}"
    is_table = source.startswith("table")
    text = "{{json .}}" if source == "json" else source.removeprefix("table").strip(" ")
    try:
        template = Template(text.replace("\\t", "\t").replace("\\n", "\n"))
        lines = [template.render(_row(listing, row)) for row in rows]
        if is_table:
            lines.insert(0, template.render(listing.titles, header=True))
    except TemplateError as error:
        raise CliError(f"template parsing error: {error}") from None
    session.out.write(align(lines) if is_table else "".join(line + "\n" for line in lines))


def _row(listing: Listing, values: Json) -> Row:
    row = Row(values)
    row.go_type = listing.go_type
    return row


def join_labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(sorted(f"{key}={value}" for key, value in (labels or {}).items()))


def write_inspect(
    session: Session,
    arguments: Arguments,
    fetch: Callable[[str], Any],
    pretty: Callable[[Json], Iterable[str]] | None = None,
    references: Sequence[str] | None = None,
) -> None:
    """Prints the objects that the arguments name; the errors of those that do not exist come last."""
    source = arguments["format"] or ""
    if pretty and (arguments["pretty"] or source == "pretty"):
        for reference in references or arguments.words:
            session.print(*pretty(fetch(reference)))
        return
    if pretty and source.startswith("pretty"):
        raise CliError("cannot supply extra formatting options to the pretty template")
    template = _template(source)
    found, errors = [], []
    for reference in references or arguments.words:
        try:
            found.append(fetch(reference))
        except CliError as error:
            errors.append(str(error))
    if template:
        lines, faults = _fill(template, found)
        session.out.write("".join(lines) or "\n")
        errors += faults
    elif source == "json":
        session.print(escape(to_json(found)))
    else:
        text = escape(json.dumps(found, indent=4, ensure_ascii=False)) if found else "[]"
        session.print(text)
    if errors:
        raise CliError("\n".join(errors))


def _template(source: str) -> Template | None:
    try:
        return Template(source) if source not in ("", "json") else None
    except TemplateError as error:
        raise CliError(f"template parsing error: {error}", 64) from None


def _fill(template: Template, objects: Sequence[Json]) -> tuple[list[str], list[str]]:
    lines, faults = [], []
    for one in objects:
        try:
            lines.append(template.render(one) + "\n")
        except TemplateError as error:
            faults.append(f"template parsing error: {error}")
    return lines, faults


def remove_each(session: Session, references: Sequence[str], remove: Callable[[str], object]) -> None:
    """Removes each, prints those that went, then the errors of the others."""
    errors = []
    for reference in references:
        try:
            remove(reference)
            session.print(reference)
        except CliError as error:
            errors.append(str(error))
    if errors:
        raise CliError("\n".join(errors))
