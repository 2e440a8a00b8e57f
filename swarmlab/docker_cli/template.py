"""The part of Go's text/template that docker's `--format` is used with.

Fields (`{{.A.B}}`), `$`, literals, pipes, `if`, `range` and `with`, trimming (`{{-`, `-}}`) and the
functions of FUNCTIONS. Everything else is refused by name.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmlab.docker_cli.text import go_quote, go_value

ACTION = re.compile(r"\{\{(- )?(.*?)( -)?\}\}", re.DOTALL)
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<field>\.[A-Za-z_][\w.]*|\.)|(?P<variable>\$\w*(?:\.\w+)*)|(?P<word>[A-Za-z_]\w*)"""
    r"""|(?P<mark>:=|[|(),=]))"""
)
UNSUPPORTED = {"template", "define", "block", "break", "continue"}


class TemplateError(Exception):
    """A template that cannot be read or cannot be filled in; the text is Go's."""


class NoValue:
    """What a missing key gives: false, and `<no value>` in print."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "<no value>"


NO_VALUE = NoValue()


class Row(dict[str, Any]):
    """A line of a list: its columns by the names that `--format` knows them by."""

    go_type = ""  # Go's name of it, for the error text


def to_json(value: Any) -> str:
    """Compact JSON; of a Row in alphabetical order, and escaped the way Go does."""
    row = isinstance(value, Row)
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=row)
    return escape(text) if row else text


def escape(text: str) -> str:
    """JSON the way Go writes it: `<`, `>` and `&` are escaped."""
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _join(parts: Sequence[Any], separator: str) -> str:
    return separator.join(map(str, parts))


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[int(key)]
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": to_json,
    "join": _join,
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "title": lambda text: re.sub(r"\b[a-z]", lambda m: m[0].upper(), str(text)),
    "split": lambda text, separator: str(text).split(separator),
    "truncate": lambda text, length: str(text)[: int(length)],
    "pad": lambda text, left, right: f"{' ' * int(left)}{text}{' ' * int(right)}" if text else "",
    "println": lambda *values: " ".join(map(go_value, values)) + "\n",
    "print": lambda *values: "".join(map(go_value, values)),
    "len": len,
    "index": _index,
    "not": lambda value: not value,
    "and": lambda *values: next((v for v in values if not v), values[-1]),
    "or": lambda *values: next((v for v in values if v), values[-1]),
    "eq": lambda first, *others: first in others,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "lt": lambda left, right: left < right,
}
# In the header of a table these leave the column's title as it is.
HEADER_FUNCTIONS = FUNCTIONS | {
    name: lambda title, *_: title
    for name in ("json", "join", "lower", "upper", "title", "split", "truncate")
}


@dataclass
class Scope:
    """Where an expression is evaluated: the dot, the variables, the functions."""

    dot: Any
    variables: dict[str, Any]
    functions: Mapping[str, Callable[..., Any]]

    def at(self, dot: Any, **variables: Any) -> "Scope":
        return Scope(dot, {**self.variables, **variables}, self.functions)


Expression = Callable[[Scope], Any]


@dataclass
class Block:
    """`if`, `range` or `with`: its expression, its body and what stands after `else`."""

    kind: str
    names: list[str]
    value: Expression
    body: "list[Part]" = field(default_factory=list)
    otherwise: "list[Part]" = field(default_factory=list)


Part = str | Expression | Block


class Template:
    """A parsed template.

    >>> Template('{{range .Tags}}{{upper .}} {{end}}').render({"Tags": ["a", "b"]})
    'A B '
    """

    def __init__(self, source: str) -> None:
        self.parts: list[Part] = []
        self._stack: list[tuple[Block | None, list[Part]]] = [(None, self.parts)]
        position = 0
        for action in ACTION.finditer(source):
            text = source[position : action.start()]
            self._text(text.rstrip() if action[1] else text, after_trim=position and self._trimmed)
            self._trimmed = bool(action[3])
            self._action(action[2], source, action.start(2))
            position = action.end()
        if "{{" in source[position:]:
            raise _parse_error(source, "unclosed action")
        self._text(source[position:], after_trim=position and self._trimmed)
        if len(self._stack) > 1:
            raise _parse_error(source, "unexpected EOF")

    def _text(self, text: str, *, after_trim: object) -> None:
        self._stack[-1][1].append(text.lstrip() if after_trim else text)

    def _action(self, action: str, source: str, offset: int) -> None:
        word, _, rest = action.strip().partition(" ")
        block, parts = self._stack[-1]
        if word.startswith("/*"):
            return
        if word in UNSUPPORTED:
            raise TemplateError(f"template: this kit's docker does not know {{{{{word}}}}}")
        if word == "end" and block:
            self._stack.pop()
            if block.kind == "else if":
                self._action("end", source, offset)
        elif word == "else" and block:
            self._stack[-1] = (block, block.otherwise)
            if rest.strip().startswith("if "):
                self._open("else if", rest.strip()[3:], source, offset)
        elif word in ("if", "range", "with"):
            self._open(word, rest, source, offset)
        elif word in ("end", "else"):
            raise _parse_error(source, f"unexpected {{{{{word}}}}}")
        else:
            parts.append(_Reader(action, source, offset).pipeline())

    def _open(self, kind: str, rest: str, source: str, offset: int) -> None:
        names = []
        if found := re.match(r"\s*(\$\w+)\s*(?:,\s*(\$\w+))?\s*:=", rest):
            names, rest = [name for name in found.groups() if name], rest[found.end() :]
        block = Block(kind, names, _Reader(rest, source, offset).pipeline())
        self._stack[-1][1].append(block)
        self._stack.append((block, block.body))

    def render(self, dot: Any, *, header: bool = False) -> str:
        scope = Scope(dot, {"$": dot}, HEADER_FUNCTIONS if header else FUNCTIONS)
        return "".join(_render(self.parts, scope))


def _parse_error(source: str, fault: str) -> TemplateError:
    return TemplateError(f"template: :{source.count(chr(10)) + 1}: {fault}")


def _render(parts: "list[Part]", scope: Scope) -> list[str]:
    written: list[str] = []
    for part in parts:
        if isinstance(part, str):
            written.append(part)
        elif isinstance(part, Block):
            written += _render_block(part, scope)
        else:
            written.append(go_value(part(scope)))
    return written


def _render_block(block: Block, scope: Scope) -> list[str]:
    value = block.value(scope)
    if not value:
        return _render(block.otherwise, scope)
    if block.kind != "range":
        bound = scope.at(value if block.kind == "with" else scope.dot)
        bound.variables.update(zip(block.names, [value], strict=False))
        return _render(block.body, bound)
    items = sorted(value.items()) if isinstance(value, Mapping) else list(enumerate(value))
    written: list[str] = []
    for key, item in items:
        names = dict(zip(block.names, (key, item) if len(block.names) == 2 else (item,), strict=False))
        written += _render(block.body, scope.at(item, **names))
    return written


class _Reader:
    """Reads one action: a pipeline of calls, fields and literals."""

    def __init__(self, action: str, source: str, offset: int) -> None:
        self.source, self.line = source, source.count("\n", 0, offset) + 1
        column = offset - (source.rfind("\n", 0, offset) + 1)
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(action.rstrip()):
            token = TOKEN.match(action, position)
            if not token:
                bad = action[position:].strip()[0]
                raise _parse_error(source, f'unexpected "{bad}" in operand')
            kind = str(token.lastgroup)
            self.tokens.append((kind, token[kind], column + token.start(kind)))
            position = token.end()
        if not self.tokens:
            raise _parse_error(source, "missing value for command")

    def pipeline(self) -> Expression:
        value = self._call(None)
        while self.tokens and self.tokens[0][1] == "|":
            self.tokens.pop(0)
            value = self._call(value)
        return value

    def _call(self, piped: Expression | None) -> Expression:
        function = self.tokens[0][1] if self.tokens and self.tokens[0][0] == "word" else ""
        if function in ("true", "false", "nil"):
            function = ""
        elif function:
            self.tokens.pop(0)
            if function not in FUNCTIONS:
                raise _parse_error(self.source, f"function {go_quote(function)} not defined")
        arguments = []
        while self.tokens and self.tokens[0][1] not in ("|", ")"):
            arguments.append(self._operand())
        if piped:
            arguments.append(piped)
        return self._apply(function, arguments) if function else arguments[0]

    def _apply(self, function: str, arguments: list[Expression]) -> Expression:
        def apply(scope: Scope) -> Any:
            values = [argument(scope) for argument in arguments]
            try:
                return scope.functions[function](*values)
            except (TypeError, LookupError, ValueError) as error:
                raise TemplateError(f"template: :{self.line}: error calling {function}: {error}") from None

        return apply

    def _operand(self) -> Expression:
        kind, text, column = self.tokens.pop(0)
        match kind:
            case "string":
                literal = text[1:-1] if text[0] == "`" else json.loads(text)
                return lambda scope: literal
            case "number":
                number = float(text) if "." in text else int(text)
                return lambda scope: number
            case "word":
                constant = {"true": True, "false": False, "nil": None}[text]
                return lambda scope: constant
            case "field":
                return self._path("", text, column)
            case "variable":
                name, dot, rest = text.partition(".")
                return self._path(name, dot + rest, column)
        if text == "(":
            inner = self.pipeline()
            self.tokens.pop(0)
            return inner
        raise _parse_error(self.source, f"unexpected {go_quote(text)} in operand")

    def _path(self, variable: str, path: str, column: int) -> Expression:
        names = [name for name in path.split(".") if name]

        def look_up(scope: Scope) -> Any:
            value = scope.variables[variable] if variable else scope.dot
            for name in names:
                value = self._field(value, name, path, column)
            return value

        return look_up

    def _field(self, value: Any, name: str, path: str, column: int) -> Any:
        where = f'template: :{self.line}:{column}: executing "" at <{path}>:'
        if isinstance(value, Mapping):
            if name not in value and isinstance(value, Row):
                kind = value.go_type
                raise TemplateError(f"{where} can't evaluate field {name} in type {kind}")
            return value.get(name, NO_VALUE)
        if value is None or isinstance(value, NoValue):
            raise TemplateError(f"{where} nil pointer evaluating field {name}")
        raise TemplateError(f"{where} can't evaluate field {name} in type {type(value).__name__}")
