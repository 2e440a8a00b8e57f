"""The parser of the small shell: a script becomes a tree of tuples, which `process` executes.

    ("run", words, redirects)       a simple command, its words unexpanded
    ("list", node, …)               one after another
    ("if", condition, yes, no)      also `&&`, `||` and `!`
    ("while", condition, body)
    ("case", word, ((patterns, body), …))
    ("shell", node)                 a subshell, which `exit` leaves
    ("capture", variable, node)     a pipe or `$(…)`: its output becomes a variable
    ("status", value)               set `$?`

Not supported: `for`, `&`, `<` and `$((…))`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

Node = tuple[Any, ...]
KEEP: Node = ("list",)  # does nothing: `$?` stays
# Words that cannot begin a simple command.
RESERVED = ("for", "until", "do", "done", "then", "elif", "else", "fi", "in", "esac", "}")

# Possessive, so that a text is read once: what was read as one token is never split again.
_NESTED = r"\((?:[^()]|\((?:[^()]|\([^()]*+\))*+\))*+\)"
_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]|(?P<stream>[12]?)(?P<sign>>>|>&|>)")
_TOKEN = re.compile(
    rf"(?P<blank>(?:[ \t\r]|\\\n)+|#[^\n]*)|{_OPERATOR.pattern}"
    rf"|(?:[^\s;&|()<>\"'\\$]|\\.|'[^']*+'|\"(?:\\.|\${_NESTED}|[^\"\\])*+\""
    rf"|\$(?:{_NESTED}|\{{[^}}]*+\}})?)++|(?P<wrong>.)",
    re.S,
)
_VALUE = (
    rf"\$(?P<command>{_NESTED})"
    r"|\$(?P<brace>\{)?(?P<name>[A-Za-z_]\w*|[?$])(?(brace)(?::-(?P<default>[^}]*))?\})"
)
_PIECE = re.compile(
    rf"{_VALUE}|'(?P<literal>[^']*+)'|\"(?P<quoted>(?:\\.|\${_NESTED}|[^\"\\])*+)\""
    r"|\\(?P<escaped>.)|(?P<plain>[^\"'\\$]+|\$)",
    re.S,
)
_IN_QUOTES = re.compile(rf'{_VALUE}|\\(?P<escaped>["\\$`\n])|(?P<plain>[^"\\$]+|[\\$])', re.S)


class ScriptError(Exception):
    """A syntax error, in the words of `sh`."""


class Part(NamedTuple):
    """A piece of a word: its text, or a variable's name; that of `$(date)` is `(date)`."""

    text: str
    quoted: bool
    variable: bool = False
    default: str = ""  # of ${name:-default}


def parts(word: str, pieces: re.Pattern[str] = _PIECE) -> Iterator[Part]:
    for match in pieces.finditer(word):
        kind, quoted = str(match.lastgroup), pieces is _IN_QUOTES
        if name := match["command"] or match["name"]:
            yield Part(name, quoted, True, match["default"] or "")
        elif kind == "quoted":
            yield Part("", True)
            yield from parts(match[kind], _IN_QUOTES)
        else:
            yield Part(match[kind], quoted or kind != "plain")


def one_command(argv: tuple[str, ...]) -> Node:
    """A script that runs `argv` as it stands."""
    return "run", tuple("'" + word.replace("'", r"'\''") + "'" for word in argv), ()


@lru_cache(maxsize=4096)
def parse_script(text: str) -> Node:
    """Raises ScriptError with the shell's own words."""
    parser = _Parser(re.sub(r"`([^`]*)`", r"$(\1)", text))  # the old way to write it
    try:
        node = parser.block()
    except RecursionError:
        raise ScriptError("out of memory: the script is nested too deeply") from None
    if parser.tokens:
        parser.unexpected()
    return node


def _capturing(node: Node, *words: str) -> Node:
    """`node`, after the `$(…)` in its words."""
    names = [part.text for word in words for part in parts(word) if part.variable]
    captures = [("capture", name, parse_script(name[1:-1])) for name in names if name[0] == "("]
    return "list", *captures, node


class _Parser:
    """Recursive descent: each rule of the grammar takes its tokens and returns its tree."""

    def __init__(self, text: str) -> None:
        matches = list(_TOKEN.finditer(text))
        if any(token["wrong"] for token in matches):
            raise ScriptError("syntax error: unterminated quoted string")
        self.tokens = deque(token[0] for token in matches if not token["blank"])

    # -- tokens ----------------------------------------------------------------
    def accept(self, *tokens: str) -> str:
        """Take the next token if it is one of `tokens`."""
        return self.tokens.popleft() if self.tokens and self.tokens[0] in tokens else ""

    def expect(self, token: str) -> None:
        if not self.accept(token):
            self.unexpected(f' (expecting "{token}")')

    def unexpected(self, hint: str = "") -> NoReturn:
        token = f'"{self.tokens[0]}"' if self.tokens else "end of file"
        raise ScriptError(f"syntax error: unexpected {token}{hint}")

    def word(self) -> str:
        if not self.tokens or _OPERATOR.fullmatch(self.tokens[0]):
            self.unexpected()
        return self.tokens.popleft()

    # -- rules -----------------------------------------------------------------
    def block(self, *ends: str) -> Node:
        """Commands up to one of `ends`, which is not taken."""
        nodes: list[Node] = []
        while True:
            while self.accept(";", "\n"):
                pass
            if not self.tokens or self.tokens[0] in ends:
                return "list", *nodes
            nodes.append(self.and_or())
            if self.tokens and self.tokens[0] not in (";", "\n", *ends):
                self.unexpected()

    def up_to(self, end: str) -> Node:
        """Commands up to `end`, which is taken."""
        node = self.block(end)
        self.expect(end)
        return node

    def and_or(self) -> Node:
        node = self.pipeline()
        while sign := self.accept("&&", "||"):
            self.accept("\n")
            right = self.pipeline()
            node = ("if", node, *((right, KEEP) if sign == "&&" else (KEEP, right)))
        return node

    def pipeline(self) -> Node:
        negated = self.accept("!")
        node = self.command()
        while self.accept("|"):
            node = ("list", ("capture", "|", node), self.command())
        return ("if", node, ("status", 1), ("status", 0)) if negated else node

    def command(self) -> Node:
        match self.accept("{", "(", "if", "while", "case"):
            case "{":
                return self.up_to("}")
            case "(":
                return "shell", self.up_to(")")
            case "if":
                return self.if_()
            case "while":
                return "while", self.up_to("do"), self.up_to("done")
            case "case":
                return self.case()
        return self.simple()

    def if_(self) -> Node:
        condition, yes = self.up_to("then"), self.block("elif", "else", "fi")
        if self.accept("elif"):
            return "if", condition, yes, self.if_()
        no = self.block("fi") if self.accept("else") else ("status", 0)
        self.expect("fi")
        return "if", condition, yes, no

    def case(self) -> Node:
        word, arms = self.word(), []
        self.expect("in")
        while not self.accept("esac"):
            if self.accept("\n"):
                continue
            self.accept("(")
            patterns = [self.word()]
            while self.accept("|"):
                patterns.append(self.word())
            self.expect(")")
            arms.append((tuple(patterns), self.block(";;", "esac")))
            self.accept(";;")
        return _capturing(("case", word, tuple(arms)), word)

    def simple(self) -> Node:
        words: list[str] = []
        redirects: list[tuple[int, str, str]] = []
        if not self.tokens or self.tokens[0] in (*RESERVED, *"&|)", "&&", "||", ";;"):
            self.unexpected()
        while self.tokens:
            operator = _OPERATOR.fullmatch(self.tokens[0])
            if operator is None:
                words.append(self.word())
            elif operator["sign"]:
                self.tokens.popleft()
                redirects.append((int(operator["stream"] or 1), operator["sign"], self.word()))
            else:
                break
        node = "run", tuple(words), tuple(redirects)
        return _capturing(node, *words, *(word for *_, word in redirects))
