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
    rf"\$\((?P<sum>{_NESTED})\)|\$(?P<command>{_NESTED})"
    r"|\$(?P<name>\d|[A-Za-z_]\w*|[?$#@*!])"
    r"|\$\{(?P<braced>\w+|[?#@*!])(?::?(?P<operator>[-+=])(?P<other>[^}]*))?\}"
)
_INSIDE_QUOTES = re.compile(rf'{_PIECE}|\\(?P<escaped>["\\$`\n])|(?P<plain>[^"\\$]+|[\\$])', re.S)
_WORD = re.compile(
    rf"{_PIECE}|'(?P<literal>[^']*)'|\"(?P<quoted>(?:\\.|\${_NESTED}|[^\"\\])*)\""
    r"|\\(?P<escaped>.)|(?P<plain>[^\s;&|()<>\"'\\$]+|\$)",
    re.S,
)
_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]|[012]?(?:>>|>&|>|<)")
_BACKTICKS = re.compile(r"`([^`]*)`")  # the old way to write $(…)
_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+|#[^\n]*")


def _parts(pieces: Iterator[re.Match[str]], quoted: bool) -> Iterator[Part]:
    for piece in pieces:
        kind, text = str(piece.lastgroup), piece[str(piece.lastgroup)]
        if kind == "quoted":
            inside = tuple(_parts(_INSIDE_QUOTES.finditer(text), quoted=True))
            yield from inside or (Part("text", "", True),)
        elif kind in ("command", "sum"):
            yield Part(kind, text[1:-1], quoted)
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
        self.tokens = list(_tokens(_BACKTICKS.sub(r"$(\1)", text)))
        self.code: list[Instruction] = [] if code is None else code

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

    def aim(self, hole: int, jump: str = "jump") -> None:
        """Make the jump at `hole` lead to here."""
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
            self.aim(hole, "jump if" if operator == "||" else "jump unless")

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
        rules = {"if": self.if_, "while": self.while_, "for": self.for_, "case": self.case}
        word = self.accept("{", "(", *rules)
        if not word:
            self.simple()
        elif word in rules:
            rules[word]()
        else:
            closing = "}" if word == "{" else ")"
            self.block(closing)
            self.expect(closing)

    def if_(self) -> None:
        self.block("then")
        self.expect("then")
        otherwise = self.hole()
        self.block("elif", "else", "fi")
        done = self.hole()
        self.aim(otherwise, "jump unless")
        if self.accept("elif"):
            self.if_()
        else:
            if self.accept("else"):
                self.block("fi")
            else:
                self.code.append(("status", 0))
            self.expect("fi")
        self.aim(done)

    def while_(self) -> None:
        start = len(self.code)
        self.block("do")
        leave = self.hole()
        self.body(start)
        self.aim(leave, "jump unless")
        self.code.append(("status", 0))

    def for_(self) -> None:
        name = self.word()[0].text
        self.expect("in")
        words = []
        while self.tokens and self.peek() not in (";", "\n", "do"):
            words.append(self.word())
        self.accept(";", "\n")
        start = self.hole()
        self.body(start)
        self.code[start] = ("each", name, tuple(words), len(self.code))

    def body(self, start: int) -> None:
        self.expect("do")
        self.block("done")
        self.expect("done")
        self.code.append(("jump", start))

    def case(self) -> None:
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
        for hole in done:
            self.aim(hole)

    def simple(self) -> None:
        words: list[Word] = []
        redirects: list[tuple[int, str, Word]] = []
        while self.tokens:
            token = self.tokens[0]
            if not isinstance(token, str):
                words.append(self.word())
            elif token[-1] in "<>" or token[-2:] == ">&":
                del self.tokens[0]
                operator = token.lstrip("012")
                stream = int(token[0]) if token[0].isdigit() else int(operator != "<")
                redirects.append((stream, operator, self.word()))
            else:
                break
        if not words and not redirects:
            self.unexpected()
        self.code.append(("run", tuple(words), tuple(redirects), False))
