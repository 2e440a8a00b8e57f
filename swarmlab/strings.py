"""Texts for users through gettext (English in the code, translations in `locale/`), and tables.

>>> from swarmlab.strings import _
>>> _("the network is whole again")
'the network is whole again'
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Sequence
from pathlib import Path

DOMAIN = "swarmlab"
FOLDER = Path(__file__).with_name("locale")

_catalogue: gettext.NullTranslations = gettext.translation(DOMAIN, FOLDER, fallback=True)


def use(*languages: str) -> None:
    """Use the first of these languages that has a catalogue (`pt_BR`), else English."""
    global _catalogue
    _catalogue = gettext.translation(DOMAIN, FOLDER, languages, fallback=True)


def _(text: str, /, **values: object) -> str:
    """`text` in the language of the user's environment (LANGUAGE, LC_ALL, LANG), or of `use`.

    The text is translated, then filled in: `_("{name} leads", name="m1")`. Call it where the text
    is shown, not when a module is imported.
    """
    translated = _catalogue.gettext(text) if text else ""  # gettext's "" is the catalogue's header
    return translated.format(**values) if values else translated


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
