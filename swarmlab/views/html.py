"""Words and tables with two forms: text, and HTML big enough for the last row."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from swarmlab.strings import _
from swarmlab.views.palette import BLUE
from swarmlab.views.snapshot import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# For a widget's HTML: as big as the text of the page; which of its buttons the keyboard is at:
# Jupyter's own ring is hair-thin; and what shows only once the kernel is gone.
FOCUS = (
    "<style>.jupyter-widgets{--jp-widgets-font-size:var(--jp-content-font-size1,14px)}"
    ".jupyter-widgets code{font-size:1em}"
    ".jupyter-button.jupyter-button:focus-visible"
    f"{{outline:3px solid var(--jp-brand-color1,{BLUE});outline-offset:1px}}"
    ".swarmlab-gone{display:none}"
    ".jupyter-widgets-disconnected .swarmlab-gone{display:block}</style>"
)


def widget_head() -> str:
    """What the HTML of a widget made of ipywidgets begins with: its style, and the news of a kernel
    that was restarted, whose buttons do nothing any more."""
    gone = _("The kernel was restarted, so these buttons do nothing any more. Run the page again, "
             "from its top.")  # fmt: skip
    return f"{FOCUS}<p role='alert' class='swarmlab-gone'><b>✘ {escape(gone)}</b></p>"


def marked(text: str) -> str:
    """Plain text as HTML; `code`, **strong** and line breaks are kept."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text).replace("\n", "<br>")


def big(html: str) -> str:
    """HTML in type for a projector; tables are as big as the text around them."""
    html = html.replace("<table>", "<table style='font-size:1em'>")
    return f"<div style='font-size:1.15em;line-height:1.45'>{html}</div>"


def big_table(
    heads: Iterable[str], rows: Iterable[Iterable[str]], notes: Iterable[str] = ()
) -> str:
    left = "style='text-align:left;padding:.2em .8em .2em .2em'"
    table = html_table(heads, rows).replace("<td>", f"<td {left}>").replace("<th ", f"<th {left} ")
    return big(table + "".join(f"<p>{marked(note)}</p>" for note in notes))


def picture(figure: Figure, alt: str) -> str:
    """A figure as HTML that needs no kernel, white in any theme; `alt` is its text twin."""
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    return image(file.getvalue().decode(), alt)


def image(svg: str, alt: str) -> str:
    data = base64.b64encode(svg.encode()).decode()
    look = f"alt='{escape(alt)}' style='max-width:100%;background:white'"
    return f"<img {look} src='data:image/svg+xml;base64,{data}'>"


def folded(title: str, html: str) -> str:
    return f"<details><summary style='font-size:1.15em'>{marked(title)}</summary>{html}</details>"


class ShownAs:
    """Has the two forms of what it is shown as: a `Callout`, a `Table`, or another of its kind."""

    __slots__ = ()

    @property
    def shown_as(self) -> Any:
        """Each class has its own."""
        raise AttributeError(f"{type(self).__name__} is shown as nothing")

    def __repr__(self) -> str:
        return repr(self.shown_as)

    def _repr_html_(self) -> str:
        return str(self.shown_as._repr_html_())


@dataclass(frozen=True, slots=True)
class Callout:
    """A few lines under a title."""

    title: str
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join((self.title, *self.lines)).replace("**", "")

    def _repr_html_(self) -> str:
        rest = "".join(f"<p style='margin:.3em 0'>{marked(line)}</p>" for line in self.lines)
        title = f"<b>{marked(self.title)}</b>"
        return big(
            f"<div style='border-left:5px solid {BLUE};padding:.3em .9em'>{title}{rest}</div>"
        )


def only_simulated(what: str) -> Callout:
    """What stands in the place of a picture that needs what no API tells."""
    return Callout(_("Only on a simulated cluster"), (what,))


class WithStaticForms:
    """Before a widget's own class: beside its forms what text and a page without a kernel show."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        forms = super()._repr_mimebundle_(**options)  # type: ignore[misc]  # the widget's
        twins = {"text/plain": repr(self), "text/html": self._repr_html_()}  # type: ignore[attr-defined]
        return forms | twins if isinstance(forms, dict) else forms
