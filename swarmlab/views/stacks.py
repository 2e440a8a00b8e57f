"""What may stand on what: servers, hypervisors, kernels, engines, programs (slides 4 and 5).

The rules are data and one pure function, `may_stand_on`. A `Stack` is a drawing that keeps them;
the builder puts one layer on another, or says why it cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from swarmlab.errors import LabError
from swarmlab.strings import _
from swarmlab.views.said import big

GROUND = -1


@dataclass(frozen=True, slots=True)
class Layer:
    word: str
    kind: str  # server, hypervisor, os, engine, program
    kernel: str = ""  # of an os: which it is; of an engine or a program: which it needs


LAYERS = {
    "server": Layer("Server", "server"),
    "xen": Layer("Xen (hypervisor)", "hypervisor"),
    "kvm": Layer("Hypervisor in the host", "guest hypervisor"),
    "ubuntu": Layer("Ubuntu Linux", "os", "Linux"),
    "debian": Layer("Debian Linux", "os", "Linux"),
    "windows": Layer("Windows Server 2016", "os", "Windows"),
    "engine": Layer("Docker Engine for Linux", "engine", "Linux"),
    "windows_engine": Layer("Docker Engine for Windows", "engine", "Windows"),
    "mysql": Layer("bins/libs + MySQL", "program", "Linux"),
    "nginx": Layer("bins/libs + Nginx", "program", "Linux"),
    "php": Layer("bins/libs + PHP-FPM", "program", "Linux"),
    "sql_server": Layer("bins/libs + SQL Server", "program", "Windows"),
}
# Kind -> the kinds that carry it.
CARRIERS = {
    "server": {"ground"},
    "hypervisor": {"server"},
    "guest hypervisor": {"os"},
    "os": {"server", "hypervisor", "guest hypervisor"},
    "engine": {"os"},
    "program": {"os", "engine"},
}


def may_stand_on(lower: Layer | None, upper: Layer) -> str:
    """Why `upper` cannot stand on `lower` (None: on the ground); empty when it can.

    >>> may_stand_on(LAYERS["engine"], LAYERS["mysql"])
    ''
    """
    carrier = lower.kind if lower else "ground"
    if carrier in CARRIERS[upper.kind]:
        if lower is None or not upper.kernel or not lower.kernel or upper.kind == "os":
            return ""
        return "" if lower.kernel == upper.kernel else _wrong_kernel(upper)
    if carrier == "program":
        return _("A program carries nothing: it is what all the rest is for.")
    return {
        "server": _("A server stands on the ground, and carries the rest."),
        "hypervisor": _("Xen is the lowest software there is: it wants the bare server."),
        "guest hypervisor": _("This hypervisor is a part of an operating system, or runs in one."),
        "os": _(
            "An operating system brings its own kernel, and a kernel wants a machine: a server, or "
            "the pretended one that a hypervisor makes. An engine makes no machines, and two "
            "kernels cannot share one."
        ),
        "engine": _("An engine is a program: without an operating system nobody starts it."),
        "program": _(
            "A program calls a kernel: it needs an operating system below, or an engine on one. A "
            "hypervisor runs machines, not programs."
        ),
    }[upper.kind]


def _wrong_kernel(upper: Layer) -> str:
    line = _(
        "This needs the kernel of {kernel}, and a container brings no kernel of its own: it uses "
        "that of its host. (Docker Desktop runs Linux containers on Windows in a hidden Linux VM.)"
    )
    return line.format(kernel=upper.kernel)


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers, each with the place in this list of what it stands on; `GROUND` for the lowest."""

    layers: tuple[tuple[str, int], ...] = ()

    def put(self, name: str, on: int) -> Stack:
        """One layer more; raises LabError with the reason when it cannot stand there."""
        lower = None if on == GROUND else LAYERS[self.layers[on][0]]
        if reason := may_stand_on(lower, LAYERS[name]):
            raise LabError(reason)
        return Stack((*self.layers, (name, on)))

    def take(self, place: int) -> Stack:
        """Without this layer, and without all that stands on it."""
        gone = {place}
        for number, (_name, on) in enumerate(self.layers):
            if on in gone:
                gone.add(number)
        kept = [number for number in range(len(self.layers)) if number not in gone]
        moved = {GROUND: GROUND} | {number: new for new, number in enumerate(kept)}
        return Stack(tuple((self.layers[n][0], moved[self.layers[n][1]]) for n in kept))

    def above(self, place: int) -> list[int]:
        return [number for number, (_name, on) in enumerate(self.layers) if on == place]

    @property
    def kernels(self) -> int:
        return sum(LAYERS[name].kind == "os" for name, _on in self.layers)

    def same_as(self, other: Stack) -> bool:
        """Whether both are built alike, whatever was put first."""
        return self._shape(GROUND) == other._shape(GROUND)

    def _shape(self, place: int) -> list[str]:
        parts = [f"{self.layers[n][0]}{self._shape(n)}" for n in self.above(place)]
        return sorted(parts)

    # -- forms -----------------------------------------------------------------------
    def __repr__(self) -> str:
        return "\n".join(self._lines(GROUND, 0)) or _("Nothing yet: a server comes first.")

    def _lines(self, place: int, depth: int) -> Iterator[str]:
        for number in self.above(place):
            yield "  " * depth + self._told(number)
            yield from self._lines(number, depth + 1)

    def _told(self, number: int) -> str:
        layer = LAYERS[self.layers[number][0]]
        return _(layer.word) + (f" [{_('kernel')}]" if layer.kind == "os" else "")

    def _repr_html_(self) -> str:
        return big(self._row(GROUND)) if self.layers else big(f"<p>{self!r}</p>")

    def _row(self, place: int) -> str:
        boxes = "".join(self._box(number) for number in self.above(place))
        row = "display:flex;flex-wrap:wrap;gap:6px;align-items:flex-end"
        return f"<div style='{row}'>{boxes}</div>" if boxes else ""

    def _box(self, number: int) -> str:
        """What stands on it above its name; a kernel has a thick edge."""
        thick = LAYERS[self.layers[number][0]].kind == "os"
        edge = "4px solid" if thick else "1px solid"
        look = f"border:{edge} currentColor;border-radius:6px;padding:4px;flex:1 1 7em"
        name = f"<div style='text-align:center;line-height:1.2'>{escape(self._told(number))}</div>"
        return f"<div style='{look}'>{self._row(number)}{name}</div>"


SLIDE_5 = Stack(
    (
        ("server", GROUND),
        ("xen", 0),
        ("ubuntu", 1),
        ("engine", 2),
        ("mysql", 3),
        ("debian", 1),
        ("nginx", 5),
        ("php", 5),
        ("windows", 1),
        ("windows_engine", 8),
        ("sql_server", 9),
    )
)


@dataclass(frozen=True, slots=True)
class TwoStacks:
    """Slide 4: so many programs in virtual machines, and the same in containers."""

    apps: int

    @property
    def machines(self) -> Stack:
        stack = Stack().put("server", GROUND).put("debian", 0).put("kvm", 1)
        for number in range(self.apps):
            stack = stack.put("ubuntu", 2).put("nginx", 3 + 2 * number)
        return stack

    @property
    def containers(self) -> Stack:
        stack = Stack().put("server", GROUND).put("debian", 0).put("engine", 1)
        for _number in range(self.apps):
            stack = stack.put("nginx", 2)
        return stack

    @property
    def titles(self) -> list[str]:
        sides = ((_("Virtual machines"), self.machines), (_("Containers"), self.containers))
        line = _("{what}. Apps: {apps}, kernels: {kernels}, layers: {layers}")
        return [
            line.format(what=w, apps=self.apps, kernels=s.kernels, layers=len(s.layers))
            for w, s in sides
        ]

    def __repr__(self) -> str:
        both = zip(self.titles, (self.machines, self.containers), strict=True)
        return "\n\n".join(f"{title}\n{stack!r}" for title, stack in both)

    def _repr_html_(self) -> str:
        both = zip(self.titles, (self.machines, self.containers), strict=True)
        sides = "".join(
            f"<div style='flex:1 1 20em'>{big(f'<b>{title}</b>')}{stack._repr_html_()}</div>"
            for title, stack in both
        )
        return (
            f"<div style='display:flex;flex-wrap:wrap;gap:16px;align-items:flex-end'>{sides}</div>"
        )
