"""Renders the part of Go's text/template that Docker's users write, in `--format` and in specs.

Fields, variables, literals, pipes, `if`, `range`, `with`, trimming and the functions of BUILTINS;
an error names everything else. Source: go text/template/parse, text/template/{exec,funcs}.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from swarmlab.templates.go_text import Struct, go_printf, go_quote, go_type, go_value

TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<path>\$\w*(?:\.\w+)*|(?:\.\w+)+|\.)|(?P<word>\w+)|(?P<mark>[|()]))"""
)
ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
Functions = Mapping[str, Callable[..., Any]]
Names = dict[str, Any]
Expression = Callable[[Any, Names], Any]  # of the dot and the variables
CONSTANTS = {"true": True, "false": False, "nil": None}
STEPS_MAX = 10_000  # parts that are rendered, so that no nesting of ranges takes for ever
Token = tuple[str, str, int]  # kind, text, column


class GoTemplateError(Exception):
    """A template that cannot be parsed or rendered; the text is Go's."""


class ExecutionError(Exception):
    """What went wrong while a template was rendered, and where."""

    def __init__(self, where: tuple[int, int], node: str, fault: str) -> None:
        line, column = where
        super().__init__(f'{line}:{column}: executing "" at <{node}>: {fault}')


class NoValue:
    """The value of a missing key: false, and printed as `<no value>`."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "<no value>"


NO_VALUE = NoValue()


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping) and not isinstance(key, str):
            raise TypeError(f"value has type {go_type(key)}; should be string")
        value = value.get(key, "") if isinstance(value, Mapping) else value[int(key)]
    return value


BUILTINS: dict[str, Callable[..., Any]] = {
    "println": lambda *values: " ".join(map(go_value, values)) + "\n",
    "print": lambda *values: "".join(map(go_value, values)),
    "printf": go_printf,
    "len": lambda value: len(value or ()),
    "index": _index,
    "not": lambda value: not value,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "eq": lambda first, *others: first in others,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "lt": lambda left, right: left < right,
}


class GoTemplate:
    """A parsed template.

    >>> GoTemplate('{{range .Tags}}<{{.}}>{{end}}').render({"Tags": ["a", "b"]})
    '<a><b>'
    """

    def __init__(
        self,
        source: str,
        functions: Functions = BUILTINS,
        name: str = "",
        *,
        strict: bool = False,
    ) -> None:
        """`strict`: a key that a map lacks is an error (Go's option missingkey=error)."""
        self._source = re.sub(r"\s*\{\{- ", "{{ ", re.sub(r" -\}\}\s*", " }}", source))
        self._functions, self._offset = functions, 0
        self._name, self._strict = name, strict
        try:
            self._parts, stop = self._body()
        except RecursionError:
            raise self._error("exceeded maximum template depth") from None
        if stop:
            raise self._error(f"unexpected {{{{{stop}}}}}")

    def render(self, dot: Any) -> str:
        try:
            names = {"$": dot, "strict": self._strict, "steps": [STEPS_MAX]}
            return _render(self._parts, dot, names)
        except ExecutionError as error:
            text = str(error).replace('executing ""', f'executing "{self._name}"')
            raise GoTemplateError(f"template: {self._name}:{text}") from None

    def _error(self, fault: str) -> GoTemplateError:
        line = self._source.count("\n", 0, self._offset) + 1
        return GoTemplateError(f"template: {self._name}:{line}: {fault}")

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
            line = self._source.count("\n", 0, at) + 1
            column = at - self._source.rfind("\n", 0, at) - 1
            return expression(text, self._functions, line, column)
        except ValueError as error:
            raise self._error(str(error)) from None


def _render(parts: list[Any], dot: Any, names: Names) -> str:
    names["steps"][0] -= 1 + len(parts)
    if names["steps"][0] < 0:
        raise ExecutionError((1, 0), "range", f"this simulation renders {STEPS_MAX} parts at most")
    return "".join(p if isinstance(p, str) else go_value(p(dot, names)) for p in parts)


def expression(text: str, functions: Functions, line: int = 1, column: int = 0) -> Expression:
    """The content of an action: calls and operands, piped; ValueError where it is not valid."""
    tokens: list[Token] = []
    position = 0
    while position < len(text.rstrip()):
        if not (token := TOKEN.match(text, position)):
            character = text[position:].strip()[0]
            if character in '"`':
                raise ValueError("unterminated quoted string")
            raise ValueError(f"unexpected {go_quote(character)} in operand")
        kind = str(token.lastgroup)
        tokens.append((kind, token[kind], column + token.start(kind)))
        position = token.end()
    value = _pipeline(tokens, functions, line)
    if tokens:
        raise ValueError(f"unexpected {go_quote(tokens[0][1])} in command")
    return value


def _pipeline(tokens: list[Token], functions: Functions, line: int) -> Expression:
    piped: list[Expression] = []
    while True:
        called, all_tokens = "", [*tokens]
        if tokens and tokens[0][0] == "word" and tokens[0][1] not in CONSTANTS:
            called = tokens.pop(0)[1]
            if called not in functions:
                raise ValueError(f"function {go_quote(called)} not defined")
        values = []
        while tokens and tokens[0][1] not in ("|", ")"):
            values.append(_operand(tokens, functions, line))
        if not called and not values:
            raise ValueError("missing value for command")
        command = all_tokens[: len(all_tokens) - len(tokens)]
        node, where = " ".join(token[1] for token in command), (line, command[0][2])
        function = functions.get(called) or _not_called(command[0][1], where)
        values += piped
        alone = not called and len(values) == 1
        piped = [values[0] if alone else _call(function, called, values, node, where)]
        if not tokens or tokens[0][1] == ")":
            return piped[0]
        tokens.pop(0)


def _not_called(text: str, where: tuple[int, int]) -> Callable[..., Any]:
    def fail(*values: Any) -> Any:
        raise ExecutionError(where, text, f"can't give argument to non-function {text}")

    return fail


def _call(
    function: Callable[..., Any],
    name: str,
    operands: list[Expression],
    node: str,
    where: tuple[int, int],
) -> Expression:
    def call(dot: Any, names: Names) -> Any:
        values = [operand(dot, names) for operand in operands]
        try:
            return function(*values)
        except (TypeError, LookupError, ValueError) as error:
            raise ExecutionError(where, node, f"error calling {name}: {error}") from None

    return call


def _operand(tokens: list[Token], functions: Functions, line: int) -> Expression:
    kind, text, column = tokens.pop(0)
    if text == "(":
        inner = _pipeline(tokens, functions, line)
        if not tokens:
            raise ValueError("unclosed left paren")
        tokens.pop(0)
        return inner
    if kind == "path":
        return _path(text, line, column)
    if kind == "string":
        constant: Any = text[1:-1] if text[0] == "`" else json.loads(text)
    elif kind == "number":
        constant = float(text) if "." in text else int(text)
    elif text in CONSTANTS:
        constant = CONSTANTS[text]
    else:
        raise ValueError(f"function {go_quote(text)} not defined")
    return lambda dot, names: constant


def _path(text: str, line: int, column: int) -> Expression:
    first, *fields = text.split(".")
    fields = [field for field in fields if field]
    # Go's parser places a chain of fields where its second link begins.
    links = [first, *fields] if first else fields
    column += len(links[0]) + (not first) if len(links) > 1 else 0
    where = line, column

    def look_up(dot: Any, names: Names) -> Any:
        if first and first not in names:
            raise ExecutionError(where, text, f"undefined variable {go_quote(first)}")
        value = names[first] if first else dot
        for name in fields:
            if isinstance(value, Mapping) and name in value:
                value = value[name]
            elif isinstance(value, Mapping) and not isinstance(value, Struct):
                if names.get("strict"):
                    raise ExecutionError(where, text, f'map has no entry for key "{name}"')
                value = NO_VALUE
            elif value is not None and not isinstance(value, NoValue):
                fault = f"can't evaluate field {name} in type {go_type(value)}"
                raise ExecutionError(where, text, fault)
        return value

    return look_up
