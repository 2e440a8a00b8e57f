"""Renders the part of Go's text/template that docker's `--format` is used with.

Fields, variables, literals, pipes, `if`, `range`, `with`, trimming and the functions of FUNCTIONS;
an error names everything else. Source: go text/template/parse, text/template/exec.go.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from swarmlab.docker_cli.session import CliError
from swarmlab.docker_cli.text import go_quote, go_value

TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<path>\$\w*(?:\.\w+)*|(?:\.\w+)+|\.)|(?P<word>\w+)|(?P<mark>[|()]))"""
)
ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
Functions = Mapping[str, Callable[..., Any]]
Names = dict[str, Any]
Expression = Callable[[Any, Names], Any]  # of the dot and the variables
CONSTANTS = {"true": True, "false": False, "nil": None}


class TemplateError(CliError):
    """A template that cannot be parsed or rendered; the text is Go's."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"template parsing error: template: :{fault}")


class NoValue:
    """The value of a missing key: false, and printed as `<no value>`."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "<no value>"


NO_VALUE = NoValue()


class TableRow(dict[str, Any]):
    """A row of a list: values by the column names of `--format`."""

    go_type = ""  # Go's name of the row's type, for error texts


def to_json(value: Any) -> str:
    """Compact JSON; of a TableRow in alphabetical order, and escaped the way Go does."""
    row = isinstance(value, TableRow)
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=row)
    return escape(text) if row else text


def escape(text: str) -> str:
    """JSON the way Go writes it: `<`, `>` and `&` are escaped."""
    return re.sub("[<>&]", lambda mark: f"\\u{ord(mark[0]):04x}", text)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[int(key)]
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": to_json,
    "join": lambda parts, separator: separator.join(map(str, parts)),
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "title": lambda text: re.sub(r"\b[a-z]", lambda letter: letter[0].upper(), str(text)),
    "split": lambda text, separator: str(text).split(separator),
    "truncate": lambda text, length: str(text)[:length],
    "pad": lambda text, left, right: f"{' ' * left}{text}{' ' * right}" if text else "",
    "println": lambda *values: " ".join(map(go_value, values)) + "\n",
    "print": lambda *values: "".join(map(go_value, values)),
    "len": len,
    "index": _index,
    "not": lambda value: not value,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "eq": lambda first, *others: first in others,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "lt": lambda left, right: left < right,
}
# In the header of a table these return the column's title unchanged.
HEADER_FUNCTIONS = FUNCTIONS | {
    name: lambda title, *_: title
    for name in ("json", "join", "lower", "upper", "title", "split", "truncate")
}


class Template:
    """A parsed template.

    >>> Template('{{range .Tags}}{{upper .}} {{end}}').render({"Tags": ["a", "b"]})
    'A B '
    """

    def __init__(self, source: str, functions: Functions = FUNCTIONS) -> None:
        self._source = re.sub(r"\s*\{\{- ", "{{ ", re.sub(r" -\}\}\s*", " }}", source))
        self._functions, self._offset = functions, 0
        self._parts, stop = self._body()
        if stop:
            raise self._error(f"unexpected {{{{{stop}}}}}")

    def render(self, dot: Any) -> str:
        return _render(self._parts, dot, {"$": dot})

    def _error(self, fault: str) -> TemplateError:
        return TemplateError(f"{self._source.count(chr(10), 0, self._offset) + 1}: {fault}")

    def _body(self) -> tuple[list[Any], str]:
        """The parts before the next `end` or `else` (or the end), and that action."""
        parts: list[Any] = []
        while match := ACTION.search(self._source, self._offset):
            parts.append(self._source[self._offset : match.start()])
            self._offset, action, at = match.end(), match[1], match.start(1)
            word, _, rest = action.strip().partition(" ")
            if word in ("end", "else"):
                return parts, action.strip()
            if word in ("if", "range", "with"):
                parts.append(self._block(word, rest, at))
            elif word in ("template", "define", "block", "break", "continue"):
                raise self._error(f"{{{{{word}}}}} is not known to this docker")
            elif not word.startswith("/*"):
                parts.append(self._expression(action, at))
        parts.append(self._source[self._offset :])
        self._offset = len(self._source)
        if "{{" in parts[-1]:
            raise self._error("unclosed action")
        return parts, ""

    def _block(self, kind: str, head: str, at: int) -> Callable[[Any, Names], str]:
        bound = re.match(r"\s*(\$\w+)\s*(?:,\s*(\$\w+))?\s*:=", head)
        names = [name for name in bound.groups() if name] if bound else []
        value = self._expression(head[bound.end() if bound else 0 :], at)
        body, stop = self._body()
        otherwise: list[Any] = []
        if stop.startswith("else if "):
            otherwise = [self._block("if", stop[len("else if ") :], at)]
        elif stop == "else":
            otherwise, stop = self._body()
        if not stop:
            raise self._error("unexpected EOF")

        def render(dot: Any, outer: Names) -> str:
            result = value(dot, outer)
            if not result:
                return _render(otherwise, dot, outer)
            if kind != "range":
                inner = dict(zip(names, [result], strict=False))
                return _render(body, result if kind == "with" else dot, outer | inner)
            pairs = sorted(result.items()) if isinstance(result, Mapping) else enumerate(result)
            keep = len(names)
            return "".join(
                _render(body, pair[1], outer | dict(zip(names, pair[-keep:], strict=False)))
                for pair in pairs
            )

        return render

    def _expression(self, text: str, at: int) -> Expression:
        try:
            return expression(text, self._functions, at - self._source.rfind("\n", 0, at) - 1)
        except ValueError as error:
            raise self._error(str(error)) from None


def _render(parts: list[Any], dot: Any, names: Names) -> str:
    return "".join(p if isinstance(p, str) else go_value(p(dot, names)) for p in parts)


def expression(text: str, functions: Functions, column: int = 0) -> Expression:
    """The content of an action: calls and operands, piped; ValueError where it is not valid."""
    tokens: list[tuple[str, str, int]] = []
    position = 0
    while position < len(text.rstrip()):
        if not (token := TOKEN.match(text, position)):
            raise ValueError(f"unexpected {go_quote(text[position:].strip()[0])} in operand")
        kind = str(token.lastgroup)
        tokens.append((kind, token[kind], column + token.start(kind)))
        position = token.end()
    value = _pipeline(tokens, functions)
    if tokens:
        raise ValueError(f"unexpected {go_quote(tokens[0][1])} in command")
    return value


def _pipeline(tokens: list[tuple[str, str, int]], functions: Functions) -> Expression:
    piped: list[Expression] = []
    while True:
        called = ""
        if tokens and tokens[0][0] == "word" and tokens[0][1] not in CONSTANTS:
            called = tokens.pop(0)[1]
            if called not in functions:
                raise ValueError(f"function {go_quote(called)} not defined")
        values = []
        while tokens and tokens[0][1] not in ("|", ")"):
            values.append(_operand(tokens, functions))
        if not called and not values:
            raise ValueError("missing value for command")
        values += piped
        piped = [_call(functions[called], called, values) if called else values[0]]
        if not tokens or tokens[0][1] != "|":
            return piped[0]
        tokens.pop(0)


def _call(function: Callable[..., Any], name: str, operands: list[Expression]) -> Expression:
    def call(dot: Any, names: Names) -> Any:
        values = [operand(dot, names) for operand in operands]
        try:
            return function(*values)
        except (TypeError, LookupError, ValueError) as error:
            raise TemplateError(f"1: error calling {name}: {error}") from None

    return call


def _operand(tokens: list[tuple[str, str, int]], functions: Functions) -> Expression:
    kind, text, column = tokens.pop(0)
    if text == "(":
        inner = _pipeline(tokens, functions)
        if not tokens:
            raise ValueError("unclosed left paren")
        tokens.pop(0)
        return inner
    if kind == "path":
        return _path(text, column)
    if kind == "string":
        constant: Any = text[1:-1] if text[0] == "`" else json.loads(text)
    elif kind == "number":
        constant = float(text) if "." in text else int(text)
    elif text in CONSTANTS:
        constant = CONSTANTS[text]
    else:
        raise ValueError(f"function {go_quote(text)} not defined")
    return lambda dot, names: constant


def _path(text: str, column: int) -> Expression:
    first, *fields = text.split(".")
    where = f'1:{column}: executing "" at <{text}>: can\'t evaluate field'

    def look_up(dot: Any, names: Names) -> Any:
        value = names[first] if first else dot
        for name in filter(None, fields):
            if isinstance(value, Mapping):
                if name not in value and isinstance(value, TableRow):
                    raise TemplateError(f"{where} {name} in type {value.go_type}")
                value = value.get(name, NO_VALUE)
            elif value is not None and not isinstance(value, NoValue):
                raise TemplateError(f"{where} {name} in type {type(value).__name__}")
        return value

    return look_up
