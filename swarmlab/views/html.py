"""What views show, with two forms: text, and HTML that is legible from the last row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from markupsafe import Markup

from swarmlab.strings import _, text_table
from swarmlab.views.palette import BLUE

STATIC = Path(__file__).parent / "static"
# For what cells print, wherever something of ours is shown.
OUTPUT_STYLE = (STATIC / "outputs.css").read_text("utf-8")
# For the HTML of widgets: text as large as the page's; a visible focus ring on buttons and text
# fields, since Jupyter's own is hair-thin; and a line that is shown only once the kernel is gone.
WIDGET_STYLE = (
    f"<style>{OUTPUT_STYLE}"
    ".jupyter-widgets{--jp-widgets-font-size:var(--jp-content-font-size1,14px)}"
    ".jupyter-widgets code{font-size:1em}"
    ".jupyter-button.jupyter-button:focus-visible,"
    '.jupyter-widgets.jupyter-widgets input[type="text"].widget-input:focus-visible'
    f"{{outline:3px solid var(--jp-brand-color1,{BLUE})!important;outline-offset:1px}}"
    ".swarmlab-gone{display:none}"
    ".jupyter-widgets-disconnected .swarmlab-gone{display:block}</style>"
)


# As `static/common.js` does it.
SWITCH_BIG = (
    "document.documentElement.classList.toggle('swarmlab-big',ON);"
    "try{localStorage.swarmlabBig=ON}catch{}"
)


def widget_head() -> str:
    """The beginning of the HTML of a widget made of ipywidgets: its style, and the line that says
    that the kernel was restarted."""
    gone = _("The kernel was restarted, so these buttons no longer work. Run the page again, "
             "from the top.")  # fmt: skip
    return f"{WIDGET_STYLE}<p role='alert' class='swarmlab-gone'><b>✘ {escape(gone)}</b></p>"


def tag(name: str, *inside: str, **attributes: str) -> Markup:
    """An element of HTML or SVG. Text in it is escaped; `class_` and `aria_label` are attributes.

    >>> tag("b", "a < b", class_="name")
    Markup('<b class="name">a &lt; b</b>')
    """
    names = {key: key.rstrip("_").replace("_", "-") for key, value in attributes.items() if value}
    pairs = (Markup(' {}="{}"').format(name, attributes[key]) for key, name in names.items())
    given, content = Markup("").join(pairs), Markup("").join(inside)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), given, content)


def marked(text: str) -> Markup:
    """Plain text as HTML: `code`, **strong**, *emphasis*, line breaks; notebooks become links.

    >>> marked("*no*: `a*b*c`, 2*3*4, 05_quorum.ipynb")
    Markup('<i>no</i>: <code>a*b*c</code>, 2*3*4, <a href="05_quorum.ipynb">05_quorum</a>')
    >>> marked("`docker run --rm`")
    Markup('<code>docker run <span style="white-space:nowrap">--rm</span></code>')
    """
    text = re.sub(r"`([^`]+)`", lambda code: f"<code>{_whole(code[1])}</code>", escape(text))
    text = re.sub(r"\b(\w+)\.ipynb\b", r'<a href="\1.ipynb">\1</a>', text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    text = re.sub(r"(?<![\w*])\*(\w[^*]*)\*(?![\w*])", r"<i>\1</i>", text)
    return Markup(text.replace("\n", "<br>"))


def unbroken(text: str) -> Markup:
    """Text in which no name is broken at its hyphens, as `senha-db` would be, and no time; paths
    may be, at their slashes.

    >>> unbroken("x < senha-db")
    Markup('x &lt; <span style="white-space:nowrap">senha-db</span>')
    >>> unbroken("+10.5 s")
    Markup('<span style="white-space:nowrap">+10.5 s</span>')
    >>> unbroken("/swarm/state.json, 7/6")
    Markup('/swarm/<wbr/>state.json, 7/6')
    """
    return Markup(_whole(re.sub(r"(?<=\w)/(?=\w{3})", "/<wbr/>", escape(text))))


def _whole(html: str) -> str:
    """Names with hyphens, options and times, each in one line."""
    kept = r'<span style="white-space:nowrap">\g<0></span>'
    return re.sub(r"-{0,2}[\w.]+(?:-[\w.]+)+|--\w+|^[+-]?[\d.,]+ s$", kept, html)


def big(html: str) -> Markup:
    """HTML in type for a projector; tables are as large as the text around them."""
    html = html.replace("<table>", "<table style='font-size:1em'>")
    size = "var(--swarmlab-size,1.15em)"
    return Markup(f"<div style='font-size:{size};line-height:var(--lines,1.45)'>{html}</div>")


def folded(title: str, html: str) -> Markup:
    size = "font-size:var(--swarmlab-size,1.15em)"
    return Markup(f"<details><summary style='{size}'>{marked(title)}</summary>{html}</details>")


@dataclass(frozen=True, slots=True)
class BigForm:
    """Turns on or off type for the last row in all pictures, live or still, also those to come."""

    on: bool = True

    def __repr__(self) -> str:
        return _("Pictures are large.") if self.on else _("Pictures have the size of the page.")

    def _repr_html_(self) -> Markup:
        size = "max(24px,calc(var(--jp-content-font-size1,14px)*24/14))"
        code = SWITCH_BIG.replace("ON", str(self.on).lower())
        style = f"<style>:root.swarmlab-big{{--swarmlab-size:{size}}}</style>"
        return Markup(f"{style}<script>{code}</script>") + big(repr(self))


def big_form(on: bool = True) -> BigForm:
    """Show every picture of this page in large type, or no longer. Lesson: 00_start_here."""
    return BigForm(on)


@dataclass(frozen=True, slots=True)
class Callout:
    """A few lines under a title.

    `score().shown_as.lines`. Lesson: 00_start_here.
    """

    title: str
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join((self.title, *self.lines)).replace("**", "")

    def _repr_html_(self) -> Markup:
        rest = "".join(f"<p style='margin:.3em 0'>{marked(line)}</p>" for line in self.lines)
        title = f"<b>{marked(self.title)}</b>"
        return big(
            f"<div style='border-left:5px solid {BLUE};padding:.3em .9em'>{title}{rest}</div>"
        )


def only_simulated(reason: str) -> Callout:
    """Shown instead of a picture that needs what no API tells."""
    return Callout(_("Only on a simulated cluster"), (reason,))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title, with notes below.

    `cluster.disk("m1").rows`. Lesson: 00_start_here.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        title = [self.title] if self.title else []
        lines = [*title, text_table([self.heads, *self.rows]), *self.notes]
        return "\n".join(lines).replace("**", "")

    def _repr_html_(self) -> Markup:
        left = "style='text-align:left;padding:.2em min(.8em,1.2vw) .2em 0'"
        head = "".join(f'<th {left} scope="col">{escape(cell)}</th>' for cell in self.heads)
        cells = ("".join(f"<td {left}>{unbroken(cell)}</td>" for cell in row) for row in self.rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        notes = "".join(f"<p>{marked(note)}</p>" for note in self.notes)
        title = big(f"<b>{marked(self.title)}</b>") if self.title else Markup("")
        return title + big(f"<div style='overflow-x:auto'>{table}</div>{notes}")


def in_words(table: Table) -> Markup:
    """The table, folded, below a picture of the same."""
    return folded(_("The same in words"), table._repr_html_())


def as_table(picture: Table) -> Markup:
    """The rows of a picture, folded, below it: it shows the title itself."""
    plain = Table("", picture.heads, picture.rows, picture.notes)
    return folded(_("The same as a table"), plain._repr_html_())


class ShownAs:
    """Takes both forms from another object: a `Callout`, a `Table`, or what else has them."""

    __slots__ = ()

    @property
    def shown_as(self) -> Any:
        """Each subclass has its own."""
        raise AttributeError(f"{type(self).__name__} is shown as nothing")

    def __repr__(self) -> str:
        return repr(self.shown_as)

    def _repr_html_(self) -> Markup:
        return Markup(self.shown_as._repr_html_())


class WithStaticForms:
    """Before the widget class among the bases: adds what text and a page without a kernel show."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        forms = super()._repr_mimebundle_(**options)  # type: ignore[misc]  # the widget's
        data = forms[0] if isinstance(forms, tuple) else forms
        if data is not None:
            data |= {"text/plain": repr(self), "text/html": self._repr_html_()}  # type: ignore[attr-defined]
        return forms
