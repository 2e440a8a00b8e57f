"""The tiny shell's language: a text becomes a list of instructions with jumps.

Nothing nests at run time, so a run is a counter and some variables: plain data, which a copied
simulation carries along. `$(…)` and pipes collect output in a hidden variable. Instructions:

    ("run", words, redirects, background)   a simple command
    ("jump", target)                        also "jump if", "jump unless" the last status is 0
    ("match", word, patterns, target)       `case`: go on if a pattern fits, else to target
    ("each", name, words, target)           `for`: bind the next word, or leave for target
    ("begin",), ("end", variable)           collect what is written between them
    ("status", value), ("not",)             set the last status, or turn it round
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn


class ScriptError(Exception):
    """The text is not of our shell; said as `sh` says it."""


class Part(NamedTuple):
    """A piece of a word: its text, or the name of the `variable`, or the `sum` to work out."""

    kind: str
    text: str
    quoted: bool
    operator: str = ""  # of ${text:-other}: - + or =
    other: str = ""


Word = tuple[Part, ...]
Instruction = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Script:
    instructions: tuple[Instruction, ...]

    def __deepcopy__(self, memo: dict[int, Any]) -> Script:
        return self


@lru_cache(maxsize=4096)
def compile_script(text: str) -> Script:
    """Raises ScriptError with the shell's own words."""
    compiler = _Compiler(text)
    compiler.block()
    if compiler.tokens:
        compiler.unexpected()
    return Script(tuple(compiler.code))


def one_command(argv: tuple[str, ...]) -> Script:
    """A script that runs `argv` as it stands."""
    words = tuple((Part("text", word, True),) for word in argv)
    return Script((("run", words, (), False),))


_NESTED = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_PIECE = (
    rf"\$\((?P<sum>{_NESTED})\)|\$(?P<command>{_NESTED})|`(?P<tick>[^`]*)`"
    r"|\$(?P<name>\d|[A-Za-z_]\w*|[?$#@*!])"
    r"|\$\{(?P<braced>\w+|[?#@*!])(?::?(?P<operator>[-+=])(?P<other>[^}]*))?\}"
)
_INSIDE_QUOTES = re.compile(rf'{_PIECE}|\\(?P<escaped>["\\$`\n])|(?P<plain>[^"\\$`]+|[\\$])', re.S)
_WORD = re.compile(
    rf"{_PIECE}|'(?P<literal>[^']*)'|\"(?P<quoted>(?:\\.|\${_NESTED}|[^\"\\])*)\""
    r"|\\(?P<escaped>.)|(?P<plain>[^\s;&|()<>\"'\\$`]+|\$)",
    re.S,
)
_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]|[012]?(?:>>|>&|>|<)")
_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+|#[^\n]*")


def _parts(pieces: Iterator[re.Match[str]], quoted: bool) -> Iterator[Part]:
    for piece in pieces:
        kind, text = str(piece.lastgroup), piece[str(piece.lastgroup)]
        if kind == "quoted":
            inside = tuple(_parts(_INSIDE_QUOTES.finditer(text), quoted=True))
            yield from inside or (Part("text", "", True),)
        elif kind in ("command", "tick"):
            yield Part("command", text[1:-1] if kind == "command" else text, quoted)
        elif kind == "sum":
            yield Part("sum", text[1:-1], quoted)
        elif kind in ("name", "braced", "other"):
            name = piece["name"] or piece["braced"]
            yield Part("variable", name, quoted, piece["operator"] or "", piece["other"] or "")
        else:
            yield Part("text", text, quoted or kind != "plain")


def _tokens(text: str) -> Iterator[str | Word]:
    """Operators as text, words as their parts."""
    at = 0
    while at < len(text):
        if found := _BLANK.match(text, at):
            at = found.end()
        elif found := _OPERATOR.match(text, at):
            yield found[0]
            at = found.end()
        else:
            pieces = []
            while found := _WORD.match(text, at):
                pieces.append(found)
                at = found.end()
            if not pieces:
                raise ScriptError("syntax error: unterminated quoted string")
            yield tuple(_parts(iter(pieces), quoted=False))


class _Compiler:
    """Recursive descent: each rule of the grammar appends its instructions to `code`."""

    def __init__(self, text: str, code: list[Instruction] | None = None) -> None:
        self.tokens = list(_tokens(text))
        self.code: list[Instruction] = [] if code is None else code
        self.loops: list[tuple[int, list[int]]] = []  # (start, the `break`s to be aimed)

    # -- tokens ----------------------------------------------------------------
    def peek(self) -> str:
        """The next token if it is an operator or may be a keyword; else empty."""
        token = self.tokens[0] if self.tokens else "end of file"
        if isinstance(token, str):
            return token
        return token[0].text if len(token) == 1 and not token[0].quoted else ""

    def accept(self, *wanted: str) -> str:
        """Take the next token if it is one of `wanted`."""
        found = self.peek()
        if not self.tokens or found not in wanted:
            return ""
        del self.tokens[0]
        return found

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            self.unexpected(f' (expecting "{wanted}")')

    def unexpected(self, hint: str = "") -> NoReturn:
        found = self.peek() if not self.tokens else f'"{self.peek() or "word"}"'
        raise ScriptError(f"syntax error: unexpected {found}{hint}")

    def word(self) -> Word:
        """Take a word; its `$(…)` are run first, each into a hidden variable."""
        if not self.tokens or isinstance(self.tokens[0], str):
            self.unexpected()
        return tuple(self.hoisted(part) for part in self.tokens.pop(0) if isinstance(part, Part))

    def hoisted(self, part: Part) -> Part:
        if part.kind != "command":
            return part
        name = f"#{len(self.code)}"
        self.code.append(("begin",))
        _Compiler(part.text, self.code).block()
        self.code.append(("end", name))
        return Part("variable", name, part.quoted)

    # -- jumps -----------------------------------------------------------------
    def hole(self) -> int:
        """Room for a jump whose target is not known yet; until then it does nothing."""
        self.code.append(("pass",))
        return len(self.code) - 1

    def aim(self, *holes: int, jump: str = "jump") -> None:
        for hole in holes:
            self.code[hole] = (jump, len(self.code))

    # -- rules -----------------------------------------------------------------
    def block(self, *ends: str) -> None:
        """Commands up to one of `ends`, which stays."""
        while True:
            while self.accept(";", "\n"):
                pass
            if not self.tokens or self.peek() in ends:
                return
            self.and_or()
            if self.accept("&"):
                name, *rest = self.code[-1]
                self.code[-1] = (name, *rest[:-1], True) if name == "run" else (name, *rest)
            elif self.tokens and self.peek() not in (";", "\n", *ends):
                self.unexpected()

    def and_or(self) -> None:
        self.pipeline()
        while operator := self.accept("&&", "||"):
            self.accept("\n")
            hole = self.hole()
            self.pipeline()
            self.aim(hole, jump="jump if" if operator == "||" else "jump unless")

    def pipeline(self) -> None:
        negated = self.accept("!")
        start = self.hole()
        self.command()
        while self.accept("|"):
            self.code[start] = ("begin",)
            self.code.append(("end", "|"))
            start = self.hole()
            self.command()
        if negated:
            self.code.append(("not",))

    def command(self) -> None:
        word = self.peek()
        if word in ("break", "continue") and self.loops and self.accept(word):
            start, breaks = self.loops[-1]
            breaks.append(self.hole()) if word == "break" else self.code.append(("jump", start))
        elif word in ("{", "(") and self.accept(word):
            closing = "}" if word == "{" else ")"
            self.block(closing)
            self.expect(closing)
        elif word in ("if", "while", "until", "for", "case") and self.accept(word):
            {"if": self.if_, "for": self.for_, "case": self.case}.get(word, self.while_)(word)
        else:
            self.simple()

    def if_(self, _: str) -> None:
        self.block("then")
        self.expect("then")
        otherwise = self.hole()
        self.block("elif", "else", "fi")
        done = self.hole()
        self.aim(otherwise, jump="jump unless")
        if self.accept("elif"):
            self.if_("elif")
        else:
            if self.accept("else"):
                self.block("fi")
            else:
                self.code.append(("status", 0))
            self.expect("fi")
        self.aim(done)

    def while_(self, word: str) -> None:
        start = len(self.code)
        self.block("do")
        leave = self.hole()
        self.body(start)
        self.aim(leave, jump="jump if" if word == "until" else "jump unless")
        self.leave()

    def body(self, start: int) -> None:
        self.accept(";", "\n")
        self.expect("do")
        self.loops.append((start, []))
        self.block("done")
        self.expect("done")
        self.code.append(("jump", start))

    def leave(self) -> None:
        self.code.append(("status", 0))
        self.aim(*self.loops.pop()[1])

    def for_(self, _: str) -> None:
        name = self.word()[0].text
        self.expect("in")
        words = []
        while self.tokens and self.peek() not in (";", "\n", "do"):
            words.append(self.word())
        start = self.hole()
        self.body(start)
        self.code[start] = ("each", name, tuple(words), len(self.code))
        self.leave()

    def case(self, _: str) -> None:
        word = self.word()
        self.expect("in")
        done = []
        while self.accept("\n") or not self.accept("esac"):
            if self.peek() in ("\n", "esac"):
                continue
            self.accept("(")
            patterns = [self.word()]
            while self.accept("|"):
                patterns.append(self.word())
            self.expect(")")
            start = self.hole()
            self.block(";;", "esac")
            self.accept(";;")
            done.append(self.hole())
            self.code[start] = ("match", word, tuple(patterns), len(self.code))
        self.code.append(("status", 0))
        self.aim(*done)

    def simple(self) -> None:
        words: list[Word] = []
        redirects: list[tuple[int, str, Word]] = []
        while self.tokens:
            token = self.tokens[0]
            if not isinstance(token, str):
                words.append(self.word())
            elif operator := token.lstrip("012").strip(";|()\n") if token != "&" else "":
                if operator[0] not in "<>":
                    break
                del self.tokens[0]
                stream = int(token[0]) if token[0].isdigit() else int(operator != "<")
                redirects.append((stream, operator, self.word()))
            else:
                break
        if not words and not redirects:
            self.unexpected()
        self.code.append(("run", tuple(words), tuple(redirects), False))
