"""Texts for users through gettext (English in the code, translations in `locale/`), and tables.

>>> from swarmlab.strings import _
>>> _("the network is whole again")
'the network is whole again'
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

DOMAIN = "swarmlab"
FOLDER = Path(__file__).with_name("locale")
ENGLISH = "en"

_catalogue = gettext.NullTranslations()
_marks: dict[int, str] = {}  # how the language writes "." and "," in numbers, where not as English


def use(*languages: str) -> None:
    """Use the first of these languages that has a catalogue (`pt_BR`), else English.

    Without any: in a folder named after a language, such as `notebooks/pt-BR`, that language; else
    that of the user's environment (LANGUAGE, LC_ALL, LC_MESSAGES, LANG).
    """
    global _catalogue, _marks
    with suppress(OSError):  # the folder is gone
        here = Path.cwd().name.replace("-", "_")
        languages = languages or ((here,) if here in translations() else ())
    _catalogue = gettext.translation(DOMAIN, FOLDER, languages or None, fallback=True)
    _marks = {}
    if (name := language()) != ENGLISH:
        from babel.numbers import get_decimal_symbol, get_group_symbol

        _marks = str.maketrans({".": get_decimal_symbol(name), ",": get_group_symbol(name)})


def translations() -> list[str]:
    """The languages that there are beside English."""
    return sorted(path.name for path in FOLDER.glob("*") if path.is_dir())


def language() -> str:
    """The language in use, as gettext names it: `en`, `pt_BR`."""
    return _catalogue.info().get("language", ENGLISH)


def language_tag(name: str) -> str:
    """A language as web pages and folders name it: `language_tag("pt_BR")` is pt-BR."""
    return name.replace("_", "-")


class Text(str):
    """A text in the user's language; `format` writes numbers as that language does."""

    __slots__ = ()

    def format(self, *args: object, **values: object) -> str:
        named = {name: _written(value) for name, value in values.items()}
        return super().format(*map(_written, args), **named)


class _Number:
    """A number that a text writes as the user's language does."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def __format__(self, spec: str) -> str:
        return number(self.value, spec)

    def __repr__(self) -> str:
        return repr(self.value)


def _written(value: object) -> object:
    return _Number(value) if isinstance(value, int | float) else value


def number(value: float, spec: str = "") -> str:
    """A number as the user's language writes it: `number(1.5, ".1f")` is 1.5, or 1,5."""
    return format(value, spec).translate(_marks)


def seconds(value: float, digits: int = 1, sign: str = "") -> str:
    """`seconds(1.5)` is 1.5 s, or 1,5 s; `seconds(1.5, sign="+")` is +1.5 s."""
    return f"{number(value, f'{sign}.{digits}f')} s"


def _(text: str, many: str = "", /, **values: object) -> str:
    """`text` in the language of the user's environment (LANGUAGE, LC_ALL, LANG), or of `use`.

    The text is translated, then filled in: `_("{name} leads", name="m1")`. Call it where the text
    is shown, not when a module is imported. `many`: the text for any `n` but 1.
    """
    if many:
        translated = _catalogue.ngettext(text, many, values["n"])  # type: ignore[arg-type]  # a count
    else:
        translated = _catalogue.gettext(text) if text else ""  # gettext's "" is the header
    shown = Text(translated) if _marks else translated
    return shown.format(**values) if values else shown


def N_(text: str) -> str:
    """Marks a text for the catalogue; the code that shows it translates it with `_`."""
    return text


def text_table(rows: Iterable[Sequence[str]], *, padding: int = 2, minimum: int = 0) -> str:
    """Rows of cells as text in aligned columns; the last cell of a row is not padded.

    `padding`: spaces between columns; `minimum`: the least width of a column with its padding.
    """
    table = [list(row) for row in rows]
    widths: dict[int, int] = {}
    for row in table:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, minimum), len(cell) + padding)
    padded = [[c.ljust(widths[i]) for i, c in enumerate(row[:-1])] + row[-1:] for row in table]
    return "\n".join(map("".join, padded))


use()
