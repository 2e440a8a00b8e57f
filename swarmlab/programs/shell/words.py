"""The variables of a shell, and how words are expanded with them.

Source: POSIX.1 Shell Command Language, 2.6 Word Expansions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from swarmlab.programs.arithmetic import evaluate
from swarmlab.programs.shell.parser import Node, Part, ScriptError, arithmetic, parts

VALUE_MAX = 1 << 17


class Variables:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.values = dict(environment)
        self.exported = dict.fromkeys(environment)  # in order
        self.arguments: Sequence[str] = ()  # $1, $2, …
        self.functions: dict[str, Node] = {}
        self.special = {"$": "1"}

    def copy(self) -> Variables:
        """What a subshell begins with."""
        copied = Variables(self.values)
        copied.exported, copied.functions = dict(self.exported), dict(self.functions)
        copied.arguments, copied.special = self.arguments, dict(self.special)
        return copied

    def called(self, arguments: Sequence[str]) -> Variables:
        """The same variables, with other arguments."""
        copied = self.copy()
        copied.values, copied.exported, copied.arguments = self.values, self.exported, arguments
        return copied

    @property
    def environment(self) -> dict[str, str]:
        """What programs get."""
        return {name: self.values[name] for name in self.exported if name in self.values}

    def set(self, name: str, value: str) -> None:
        self.values[name] = value[:VALUE_MAX]

    def fields(self, word: str) -> list[str]:
        """The fields of `word` as patterns of file names; unquoted values are split at blanks."""
        fields, exists = [""], False
        for part in parts(word):
            value = self._value(part)
            values = [value] if part.quoted or not part.variable else value.split() or [""]
            exists = exists or bool(value.strip()) or (part.quoted and part.text != "@")
            if part.text == "@" and part.variable and part.quoted:
                values = [*self.arguments] or [""]
            if part.quoted:
                values = [re.sub(r"([*?[])", r"[\1]", value) for value in values]
            fields[-1] += values[0]
            fields += values[1:]
        return fields if exists else []

    def joined(self, word: str) -> str:
        """The expansion of `word` without splitting."""
        return "".join(self._value(part) for part in parts(word))

    def _value(self, part: Part) -> str:
        if not part.variable:
            return part.text
        if expression := arithmetic(part):
            try:
                return str(evaluate(self.joined(expression), self.values))
            except (ValueError, ArithmeticError) as error:
                raise ScriptError(str(error)) from None
        name, numbered = part.text, dict(enumerate(["sh", *self.arguments]))
        special = {"@": " ".join(self.arguments), "#": str(len(self.arguments)), **self.special}
        value = numbered.get(int(name)) if name.isdigit() else special.get(name)
        value = value if value is not None else self.values.get(name)
        if part.sign[-1:] == "+":
            return self.joined(part.argument) if value else ""
        if part.sign and not value:
            return self.joined(part.argument)
        return value or ""


def plain(pattern: str) -> str:
    """The text of a field that is no pattern."""
    return re.sub(r"\[([*?[])\]", r"\1", pattern)
