"""The words that people read, through gettext: English in the code, other languages in `locale/`.

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
    """Speak the first of these languages that there is a catalogue of (`pt_BR`), else English."""
    global _catalogue
    _catalogue = gettext.translation(DOMAIN, FOLDER, languages, fallback=True)


def _(text: str, /, **values: object) -> str:
    """`text` in the language of the user's environment (LANGUAGE, LC_ALL, LANG), or of `use`.

    It is looked up first, and filled in then: `_("{name} leads", name="m1")`. So call it where the
    words are shown, not when a module is imported.
    """
    found = _catalogue.gettext(text) if text else ""  # gettext's "" is the catalogue's own header
    return found.format(**values) if values else found


def N_(text: str) -> str:
    """Marks the words of a table for the catalogue; whoever shows them looks them up with `_`."""
    return text


def text_table(rows: Iterable[Sequence[str]], *, padding: int = 2, minimum: int = 0) -> str:
    """Rows of cells set in columns; the last cell of a row is not padded.

    `padding`: spaces between columns; `minimum`: the least width of a column with its padding.
    """
    table = [list(row) for row in rows]
    widths: dict[int, int] = {}
    for row in table:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, minimum), len(cell) + padding)
    padded = [[c.ljust(widths[i]) for i, c in enumerate(row[:-1])] + row[-1:] for row in table]
    return "\n".join(map("".join, padded))
