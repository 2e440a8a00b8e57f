"""Equal apps as virtual machines and as containers on one server: what they cost, and who says so.

Every figure has its source beside it, or is called an assumption; the sliders change the rest. It
is a rough sum, no measurement: nothing is shared, nothing is overcommitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from swarmlab.strings import _, text_table
from swarmlab.views.html import big, big_table
from swarmlab.views.palette import BLUE, VERMILLION
from swarmlab.views.sliders import Sliders, slider
from swarmlab.views.tables import Table

GIB = 1024  # MiB
HOST_MIB = 1024  # for the host's own system: an assumption, like the sliders' first values


@dataclass(frozen=True, slots=True)
class IsolationKind:
    """What one app costs beside itself: values, each with who says so (`density.yml`)."""

    word: str
    kernel_mib: tuple[int, str]  # memory of a kernel and a system of its own; source
    overhead_mib: tuple[int, str]  # memory around it: hypervisor, shim
    disk_mib: tuple[int, str]
    start_s: tuple[float, str]


def _kinds() -> tuple[IsolationKind, ...]:
    rows = yaml.safe_load(Path(__file__).with_name("density.yml").read_text("utf-8"))
    return tuple(IsolationKind(**row) for row in rows)


ISOLATION_KINDS = _kinds()


def sources() -> Table:
    """Every figure beside the one who says so. Lesson: 01_vm_vs_container."""
    what = {
        "kernel_mib": _("memory of its own kernel and system"),
        "overhead_mib": _("memory around it"),
        "disk_mib": _("disk"),
        "start_s": _("start"),
    }
    rows = [
        (_(kind.word), words, f"{value:g} {'s' if name == 'start_s' else 'MiB'}", _(source))
        for kind in ISOLATION_KINDS
        for name, words in what.items()
        for value, source in [getattr(kind, name)]
    ]
    assumed = _("assumption")
    rows.append((_("Host"), _("its own system, once"), f"{HOST_MIB} MiB", assumed))
    rows.append((_("App, server"), _("memory, disk"), _("the sliders"), assumed))
    heads = (_("Kind"), _("Figure"), _("Value"), _("Source"))
    return Table(_("Where the figures come from"), heads, tuple(rows))


@dataclass(frozen=True, slots=True)
class Density:
    """So many equal apps on one server. The app's own needs and the server are yours to choose."""

    apps: int
    app_mib: int  # memory of one app
    app_disk_mib: int
    server_gib: int

    def memory_mib(self, kind: IsolationKind) -> int:
        return HOST_MIB + self.apps * self.each_mib(kind)

    def each_mib(self, kind: IsolationKind) -> int:
        return self.app_mib + kind.kernel_mib[0] + kind.overhead_mib[0]

    def disk_mib(self, kind: IsolationKind) -> int:
        """Equal apps share the layers of one image; machines have a disk each."""
        own_mib = kind.disk_mib[0]
        return (self.apps if own_mib else 1) * (self.app_disk_mib + own_mib)

    def fit(self, kind: IsolationKind) -> int:
        """How many the server's memory has room for."""
        return max(0, self.server_gib * GIB - HOST_MIB) // self.each_mib(kind)

    @property
    def heads(self) -> tuple[str, ...]:
        memory, disk, fit = _("Memory for {n}"), _("Disk for {n}"), _("Fit in {n} GiB")
        needs = (memory.format(n=self.apps), disk.format(n=self.apps))
        return (_("Kind"), *needs, _("One starts in"), fit.format(n=self.server_gib))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                _(kind.word),
                f"{self.memory_mib(kind) / GIB:.1f} GiB",
                f"{self.disk_mib(kind) / GIB:.1f} GiB",
                f"{kind.start_s[0]:g} s",
                str(self.fit(kind)),
            )
            for kind in ISOLATION_KINDS
        ]

    @property
    def verdict(self) -> str:
        machines, _micro, containers = (self.fit(kind) for kind in ISOLATION_KINDS)
        line = _("For each virtual machine that fits, {times:.1f} containers fit.")
        return line.format(times=containers / machines) if machines else _("No machine fits.")

    def __repr__(self) -> str:
        return "\n".join([text_table([self.heads, *self.rows]), self.verdict])

    def _repr_html_(self) -> str:
        bars = "".join(self._bar(kind) for kind in ISOLATION_KINDS)
        return big_table(self.heads, self.rows, [f"**{self.verdict}**"]) + big(bars)

    def _bar(self, kind: IsolationKind) -> str:
        """Memory needed, against the server's; what does not fit is hatched."""
        need, have = self.memory_mib(kind), self.server_gib * GIB
        percent = min(100.0, 100 * need / have)
        fits = need <= have
        hatch = f"repeating-linear-gradient(45deg,{VERMILLION} 0 8px,transparent 8px 14px)"
        look = f"height:1em;width:{percent:.1f}%;background:{BLUE if fits else hatch}"
        word = "✔" if fits else _("✘ does not fit")
        label = f"{_(kind.word)}: {need / GIB:.1f} / {self.server_gib} GiB {word}"
        bar = f"<div style='border:1px solid'><div style='{look}'></div></div>"
        return f"<div style='margin:.4em 0'>{label}{bar}</div>"


def density(apps: int = 20) -> Sliders:
    """Sliders for the apps, their needs and the server. Lesson: 01_vm_vs_container."""
    controls = {
        "apps": slider(_("Apps"), apps, 1, 500),
        "app_mib": slider(_("Memory of one app, MiB"), 100, 10, 2000, 10),
        "app_disk_mib": slider(_("Disk of one app, MiB"), 200, 10, 2000, 10),
        "server_gib": slider(_("Memory of the server, GiB"), 16, 4, 256, 4),
    }
    return Sliders(Density, controls)
