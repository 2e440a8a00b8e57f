"""The words that people read, through gettext: English in the code, other languages in `locale/`.

>>> from swarmlab.strings import _
>>> _("the network is whole again")
'the network is whole again'
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "swarmlab"
FOLDER = Path(__file__).with_name("locale")

_catalogue: gettext.NullTranslations = gettext.translation(DOMAIN, FOLDER, fallback=True)


def use(*languages: str) -> None:
    """Speak the first of these languages that there is a catalogue of (`pt_BR`), else English."""
    global _catalogue
    _catalogue = gettext.translation(DOMAIN, FOLDER, languages, fallback=True)


def _(text: str) -> str:
    """`text` in the language of the user's environment (LANGUAGE, LC_ALL, LANG), or of `use`.

    Look words up when they are shown, not when a module is imported; fill in with `.format`.
    """
    return _catalogue.gettext(text) if text else ""  # gettext's "" is the catalogue's own header


def N_(text: str) -> str:
    """Marks the words of a table for the catalogue; whoever shows them looks them up with `_`."""
    return text
