"""Templates of `--format`: their functions, and errors that end a command."""

import json
import re
from typing import Any

from swarmlab.docker_cli.session import CliError
from swarmlab.templates.go_text import Struct
from swarmlab.templates.template import BUILTINS, Functions, GoTemplate, GoTemplateError


class TemplateError(CliError):
    """A template that cannot be parsed or rendered; the text is Go's."""


class Template(GoTemplate):
    def __init__(self, source: str, functions: Functions | None = None) -> None:
        try:
            super().__init__(source, FUNCTIONS if functions is None else functions)
        except GoTemplateError as error:
            raise TemplateError(f"template parsing error: {error}") from None

    def render(self, dot: Any) -> str:
        try:
            return super().render(dot)
        except GoTemplateError as error:
            raise TemplateError(f"template parsing error: {error}") from None


class TableRow(Struct):
    """A row of a list: values by the column names of `--format`."""


def to_json(value: Any) -> str:
    """Compact JSON; of a TableRow in alphabetical order, and escaped the way Go does."""
    row = isinstance(value, TableRow)
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=row)
    return escape(text) if row else text


def escape(text: str) -> str:
    """JSON the way Go writes it: `<`, `>` and `&` are escaped."""
    return re.sub("[<>&]", lambda mark: f"\\u{ord(mark[0]):04x}", text)


FUNCTIONS: Functions = {
    **BUILTINS,
    "json": to_json,
    "join": lambda parts, separator: separator.join(map(str, parts)),
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "title": lambda text: re.sub(r"\b[a-z]", lambda letter: letter[0].upper(), str(text)),
    "split": lambda text, separator: str(text).split(separator),
    "truncate": lambda text, length: str(text)[:length],
    "pad": lambda text, left, right: f"{' ' * left}{text}{' ' * right}" if text else "",
}
# In the header of a table these return the column's title unchanged.
CHANGE_VALUES = ("json", "join", "lower", "upper", "title", "split", "truncate")
HEADER_FUNCTIONS = {**FUNCTIONS, **dict.fromkeys(CHANGE_VALUES, lambda title, *_: title)}
