"""The parser of the small shell: a script becomes a tree of tuples, which `process` executes.

("run", words, redirects)       a simple command, its words unexpanded
("list", node, …)               one after another
("if", condition, yes, no)      also `&&`, `||` and `!`
("while", condition, body)      also `until`
("for", name, words, body)
("case", word, ((patterns, body), …))
("function", name, body)
("shell", node)                 a subshell, which `exit` leaves
("group", redirects, node)      a compound command with redirections
("pipe", left, right)
("background", node)            `node &`
("capture", variable, node)     `$(…)`: its output becomes a variable
("status", value)               set `$?`
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from swarmlab.programs.text import unescaped

Node = tuple[Any, ...]
Redirects = tuple[tuple[int, str, str], ...]  # stream, sign, target
KEEP: Node = ("list",)  # does nothing: `$?` stays
# Words that cannot begin a simple command.
RESERVED = ("do", "done", "then", "elif", "else", "fi", "in", "esac", "}")

# Possessive, so that a text is read once: what was read as one token is never split again.
_NESTED = r"\((?:[^()]|\((?:[^()]|\([^()]*+\))*+\))*+\)"
_BRACES = r"\{(?:[^{}]|\{[^{}]*+\})*+\}"
_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]|(?P<stream>\d?)(?P<sign>>>|>&|>|<<<|<)")
_TOKEN = re.compile(
    rf"(?P<blank>(?:[ \t\r]|\\\n)+|(?<![^\s;&|()])#[^\n]*)|{_OPERATOR.pattern}"
    rf"|(?:[^\s;&|()<>\"'\\$]|\\.|'[^']*+'|\"(?:\\.|\${_NESTED}|[^\"\\])*+\""
    rf"|\$'(?:\\.|[^'\\])*+'|\$(?:{_NESTED}|{_BRACES})?)++|(?P<wrong>.)",
    re.S,
)
_VALUE = (
    rf"\$(?P<command>{_NESTED})"
    r"|\$(?P<brace>\{)?(?P<length>(?<=\{)\#)?(?P<name>[A-Za-z_]\w*|[?$!@*#0-9])"
    r"(?(brace)(?P<sign>:?[-=+?]|%%?|\#\#?)?(?P<argument>(?:[^{}]|\{[^{}]*+\})*+)\})"
)
_PIECE = re.compile(
    rf"{_VALUE}|'(?P<literal>[^']*+)'|\$'(?P<coded>(?:\\.|[^'\\])*+)'"
    rf"|\"(?P<quoted>(?:\\.|\${_NESTED}|[^\"\\])*+)\""
    r"|\\(?P<escaped>.)|(?P<plain>[^\"'\\$]+|\$)",
    re.S,
)
_IN_QUOTES = re.compile(rf'{_VALUE}|\\(?P<escaped>["\\$`\n])|(?P<plain>[^"\\$]+|[\\$])', re.S)
_HERE = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1([^\n]*\n)(.*?)^\t*\2$", re.M | re.S)


class ScriptError(Exception):
    """A syntax error, in the words of `sh`."""

    @property
    def unfinished(self) -> bool:
        """Whether more lines may mend it."""
        return "end of file" in str(self) or "unterminated" in str(self)


class Part(NamedTuple):
    """A piece of a word: its text, or a variable's name; that of `$(date)` is `(date)`."""

    text: str
    quoted: bool
    variable: bool = False
    sign: str = ""  # of ${name:-argument}; `length` for ${#name}
    argument: str = ""


def parts(word: str, pieces: re.Pattern[str] = _PIECE) -> Iterator[Part]:
    for match in pieces.finditer(word):
        kind, quoted = str(match.lastgroup), pieces is _IN_QUOTES
        if name := match["command"] or match["name"]:
            sign = "length" if match["length"] else match["sign"] or ""
            yield Part(name, quoted, True, sign, match["argument"] or "")
        elif kind == "quoted":
            yield Part("", True)
            yield from parts(match[kind], _IN_QUOTES)
        else:
            text = unescaped(match[kind]) if kind == "coded" else match[kind]
            yield Part(text, quoted or kind != "plain")


def arithmetic(part: Part) -> str:
    """The expression of `$((…))`; empty for any other part."""
    is_one = part.variable and part.text[:2] == "((" and part.text[-2:] == "))"
    return part.text[2:-2] if is_one else ""


def one_command(argv: tuple[str, ...]) -> Node:
    """A script that runs `argv` as it stands."""
    return "run", tuple("'" + word.replace("'", r"'\''") + "'" for word in argv), ()


def _here_document(match: re.Match[str]) -> str:
    """The lines of `<<END` as one quoted word."""
    quote, _, rest, text = match.groups()
    quoted = text.replace("'", r"'\''") if quote else text.replace('"', r"\"")
    return f"<<<{quote or chr(34)}{quoted}{quote or chr(34)}{rest}"


@lru_cache(maxsize=4096)
def parse_script(text: str) -> Node:
    """Raises ScriptError with the shell's own words."""
    text = _HERE.sub(_here_document, text)
    parser = _Parser(re.sub(r"`([^`]*)`", r"$(\1)", text))  # the old way to write it
    try:
        node = parser.block()
    except RecursionError:
        raise ScriptError("out of memory: the script is nested too deeply") from None
    if parser.tokens:
        parser.unexpected()
    return node


def _commands(word: str) -> Iterator[str]:
    """The names of the `$(…)` in a word."""
    for part in parts(word):
        inner = arithmetic(part) or part.argument
        if part.text[:1] == "(" and part.variable and not inner:
            yield part.text
        yield from _commands(inner) if inner else ()


def _capturing(node: Node, *words: str) -> Node:
    """`node`, after the `$(…)` in its words."""
    names = [name for word in words if "$(" in word for name in _commands(word)]
    return "list", *(("capture", name, parse_script(name[1:-1])) for name in names), node


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
        # What is left of `<<END` is one that has not come.
        left = self.tokens and self.tokens[0] != "<"
        token = f'"{self.tokens[0]}"' if left else "end of file"
        raise ScriptError(f"syntax error: unexpected {token}{hint}")

    def word(self) -> str:
        if not self.tokens or _OPERATOR.fullmatch(self.tokens[0]):
            self.unexpected()
        return self.tokens.popleft()

    def skip(self, *tokens: str) -> None:
        while self.accept(*tokens):
            pass

    # -- rules -----------------------------------------------------------------
    def block(self, *ends: str) -> Node:
        """Commands up to one of `ends`, which is not taken."""
        nodes: list[Node] = []
        while True:
            self.skip(";", "\n")
            if not self.tokens or self.tokens[0] in ends:
                return "list", *nodes
            node = self.and_or()
            background = self.accept("&")
            nodes.append(("background", node) if background else node)
            if not background and self.tokens and self.tokens[0] not in (";", "\n", *ends):
                self.unexpected()

    def up_to(self, end: str) -> Node:
        """Commands up to `end`, which is taken."""
        node = self.block(end)
        self.expect(end)
        return node

    def and_or(self) -> Node:
        node = self.pipeline()
        while sign := self.accept("&&", "||"):
            self.skip("\n")
            right = self.pipeline()
            node = ("if", node, *((right, KEEP) if sign == "&&" else (KEEP, right)))
        return node

    def pipeline(self) -> Node:
        negated = self.accept("!")
        node = self.command()
        while self.accept("|"):
            self.skip("\n")
            node = ("pipe", node, self.command())
        return ("if", node, ("status", 1), ("status", 0)) if negated else node

    def command(self) -> Node:
        node = self.compound()
        if node is None:
            return self.simple()
        _, redirects = self.words_and_redirects(redirects_only=True)
        targets = [word for *_, word in redirects]
        return _capturing(("group", redirects, node), *targets) if redirects else node

    def compound(self) -> Node | None:
        match self.accept("{", "(", "if", "while", "until", "for", "case"):
            case "{":
                return self.up_to("}")
            case "(":
                return "shell", self.up_to(")")
            case "if":
                return self.if_()
            case "while":
                return "while", self.up_to("do"), self.up_to("done")
            case "until":
                condition = ("if", self.up_to("do"), ("status", 1), ("status", 0))
                return "while", condition, self.up_to("done")
            case "for":
                return self.for_()
            case "case":
                return self.case()
        return None

    def if_(self) -> Node:
        condition, yes = self.up_to("then"), self.block("elif", "else", "fi")
        if self.accept("elif"):
            return "if", condition, yes, self.if_()
        no = self.block("fi") if self.accept("else") else ("status", 0)
        self.expect("fi")
        return "if", condition, yes, no

    def for_(self) -> Node:
        name = self.word()
        words, _ = self.words_and_redirects() if self.accept("in") else (('"$@"',), ())
        self.skip(";", "\n")
        self.expect("do")
        return _capturing(("for", name, words, self.up_to("done")), *words)

    def case(self) -> Node:
        word, arms = self.word(), []
        self.skip("\n")
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
        if not self.tokens or self.tokens[0] in (*RESERVED, *"&|)", "&&", "||", ";;"):
            self.unexpected()
        words, redirects = self.words_and_redirects()
        if len(words) == 1 and not redirects and self.accept("("):
            self.expect(")")
            self.skip("\n")
            return "function", words[0], self.command()
        return _capturing(("run", words, redirects), *words, *(word for *_, word in redirects))

    def words_and_redirects(
        self, *, redirects_only: bool = False
    ) -> tuple[tuple[str, ...], Redirects]:
        """The words up to the next operator, and the redirections among them."""
        words: list[str] = []
        redirects: list[tuple[int, str, str]] = []
        while self.tokens:
            operator = _OPERATOR.fullmatch(self.tokens[0])
            if operator is None and not redirects_only:
                words.append(self.word())
            elif operator and (sign := operator["sign"]):
                self.tokens.popleft()
                stream = int(operator["stream"] or (sign[0] == ">"))
                redirects.append((stream, sign, self.word()))
            else:
                break
        return tuple(words), tuple(redirects)
