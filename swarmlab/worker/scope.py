"""The variables of a shell, and what the words of a script become with them."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from swarmlab.worker.script import Part, Word

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.Div: operator.floordiv,
}  # fmt: skip


class Scope:
    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.variables: dict[str, str] = {}
        self.args: list[str] = []  # $1, $2, …
        self.status = 0  # $?

    def expand(self, word: Word) -> list[str]:
        """The fields that `word` becomes; an unquoted value is split at blanks."""
        fields, exists = [""], False
        for part in word:
            value = self._value(part)
            exists = exists or part.quoted or bool(value.strip())
            pieces = [value] if part.quoted or part.kind == "text" else value.split() or [""]
            fields[-1] += pieces[0]
            fields += pieces[1:]
        return fields if exists else []

    def joined(self, word: Word) -> str:
        """What `word` becomes where nothing is split."""
        return "".join(self._value(part) for part in word)

    def _value(self, part: Part) -> str:
        name, joined = part.text, " ".join(self.args)
        if part.kind == "text":
            return name
        if part.kind == "sum":
            text = re.sub(r"\$?([A-Za-z_]\w*)", self._number, name).strip()
            return str(_sum(ast.parse(text, mode="eval").body))
        if name.isdigit():
            value = ["sh", *self.args][int(name)] if int(name) <= len(self.args) else ""
        else:
            special = {"?": str(self.status), "$": "1", "!": "7", "@": joined, "*": joined,
                       "#": str(len(self.args))}  # fmt: skip
            known = {**self.environment, **self.variables, **special}
            value = known.get(name, "")
        replace = {"+": bool(value), "": False}.get(part.operator, not value)
        if replace and part.operator == "=":
            self.variables[name] = part.other
        return part.other if replace else "" if part.operator == "+" else value

    def _number(self, name: re.Match[str]) -> str:
        return self._value(Part("variable", name[1], True)) or "0"


def _sum(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            return int(OPERATORS[type(op)](_sum(left), _sum(right)))
    return 0
