"""Whole numbers as the shell's `$((…))` calculates them, in 64 bits."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from typing import Any

TEXT_MAX = 200
OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.USub: operator.neg,
    ast.UAdd: operator.pos, ast.Not: operator.not_, ast.And: all, ast.Or: any,
}  # fmt: skip


def evaluate(text: str, variables: Mapping[str, str]) -> int:
    """The value of an expression; raises ValueError or ZeroDivisionError."""
    for sign, word in (("&&", " and "), ("||", " or "), ("!=", "≠"), ("!", " not "), ("≠", "!=")):
        text = text.replace(sign, word)
    try:
        if len(text) > TEXT_MAX or "//" in text:
            raise SyntaxError
        return _value(ast.parse(text.strip() or "0", mode="eval").body, variables)
    except (SyntaxError, KeyError, RecursionError, MemoryError):
        raise ValueError("arithmetic syntax error") from None


def _value(node: ast.expr, variables: Mapping[str, str]) -> int:
    match node:
        case ast.Constant(int(number)):
            value = number
        case ast.Name(name):
            value = int(variables.get(name) or "0")
        case ast.UnaryOp(sign, operand):
            value = int(OPERATORS[type(sign)](_value(operand, variables)))
        case ast.BoolOp(sign, operands):
            value = int(OPERATORS[type(sign)](_value(operand, variables) for operand in operands))
        case ast.BinOp(left, sign, right) | ast.Compare(left, [sign], [right]):
            a, b = _value(left, variables), _value(right, variables)
            if isinstance(sign, ast.Div | ast.Mod):  # towards zero, as in C
                quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
                value = quotient if isinstance(sign, ast.Div) else a - b * quotient
            else:
                value = int(OPERATORS[type(sign)](a, b))
        case _:
            raise SyntaxError
    return (value + 2**63) % 2**64 - 2**63
