"""Equal apps as virtual machines and as containers on one server: what they cost, with sources.

Every figure has its source beside it, or is called an assumption; the sliders change the rest. It
is an estimate, not a measurement: nothing is shared, nothing is overcommitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.strings import N_, _, number
from swarmlab.views.html import Table, tag
from swarmlab.views.primitives import drawing, view
from swarmlab.views.widget import Sliders, slider

GIB = 1024  # MiB
SQUARES_MAX = 600  # drawn of the apps that fit
HOST_MIB = 1024  # for the host's own system: an assumption, like the sliders' first values


@dataclass(frozen=True, slots=True)
class IsolationKind:
    """What one app costs beside its own needs: values, each with its source (`density.yml`)."""

    title: str
    kernel_mib: tuple[int, str]  # memory of a kernel and a system of its own; source
    overhead_mib: tuple[int, str]  # memory around it: hypervisor, shim
    disk_mib: tuple[int, str]
    start_s: tuple[float, str]


def _kinds() -> tuple[IsolationKind, ...]:
    rows = yaml.safe_load(Path(__file__).with_name("density.yml").read_text("utf-8"))
    return tuple(IsolationKind(**row) for row in rows)


ISOLATION_KINDS = _kinds()


@checked
def sources() -> Table:
    """Every figure with its source: `sources()`. Lesson: 01_vm_vs_container."""
    figures = {
        "kernel_mib": _("memory of its own kernel and system"),
        "overhead_mib": _("memory around it"),
        "disk_mib": _("disk"),
        "start_s": _("start"),
    }
    rows = []
    for kind, (name, title) in product(ISOLATION_KINDS, figures.items()):
        (value, source), unit = getattr(kind, name), "s" if name == "start_s" else "MiB"
        rows.append((_(kind.title), title, f"{number(value, 'g')} {unit}", _(source)))
    assumed = _("assumption")
    rows.append((_("Host"), _("its own system, once"), f"{HOST_MIB} MiB", assumed))
    rows.append((_("App, server"), _("memory, disk"), _("the sliders"), assumed))
    heads = (_("Kind"), _("Figure"), _("Value"), _("Source"))
    return Table(_("Where the figures come from"), heads, tuple(rows))


@dataclass(frozen=True, slots=True)
class Density:
    """So many equal apps on one server. The sliders set the app's own needs and the server."""

    apps: int
    app_mib: int  # memory of one app
    app_disk_mib: int
    server_gib: int

    def memory_mib(self, kind: IsolationKind) -> int:
        return HOST_MIB + self.apps * self.app_total_mib(kind)

    def app_total_mib(self, kind: IsolationKind) -> int:
        return self.app_mib + kind.kernel_mib[0] + kind.overhead_mib[0]

    def disk_mib(self, kind: IsolationKind) -> int:
        """Containers share the layers of one image; machines have a disk each."""
        own_mib = kind.disk_mib[0]
        return (self.apps if own_mib else 1) * (self.app_disk_mib + own_mib)

    def fit(self, kind: IsolationKind) -> int:
        """How many fit in the server's memory."""
        return max(0, self.server_gib * GIB - HOST_MIB) // self.app_total_mib(kind)

    @property
    def verdict(self) -> str:
        machines, _micro, containers = (self.fit(kind) for kind in ISOLATION_KINDS)
        line = _("For each virtual machine that fits, {times:.1f} containers fit.")
        return line.format(times=containers / machines) if machines else _("No machine fits.")

    @property
    def table(self) -> Table:
        memory, disk, fit = _("Memory for {n}"), _("Disk for {n}"), _("Fit in {n} GiB")
        needs = (memory.format(n=self.apps), disk.format(n=self.apps))
        heads = (_("Kind"), *needs, _("One starts in"), fit.format(n=self.server_gib))
        rows = []
        for kind in ISOLATION_KINDS:
            sizes_gib = self.memory_mib(kind) / GIB, self.disk_mib(kind) / GIB
            sizes = (f"{number(gib, '.1f')} GiB" for gib in sizes_gib)
            start = f"{number(kind.start_s[0], 'g')} s"
            rows.append((_(kind.title), *sizes, start, str(self.fit(kind))))
        return Table("", heads, tuple(rows), (f"**{self.verdict}**",))

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> Markup:
        lanes = tag("div", *map(self._server, ISOLATION_KINDS), class_="servers")
        return view(lanes) + self.table._repr_html_()

    def _server(self, kind: IsolationKind) -> Markup:
        """The server: as many squares as apps fit; those that are wanted are full."""
        fit, wanted = self.fit(kind), self.apps
        squares = [tag("i", class_="app full")] * min(fit, wanted, SQUARES_MAX)
        squares += [tag("i", class_="app")] * (min(fit, SQUARES_MAX) - len(squares))
        more = [_("and {n} more", n=fit - SQUARES_MAX)] if fit > SQUARES_MAX else []
        line = _("{fit} fit") if fit >= wanted else _("✘ {fit} fit, {wanted} are wanted")
        text = line.format(fit=fit, wanted=wanted)
        title = tag("b", _(kind.title), class_="" if fit >= wanted else "alarm")
        grid = drawing(text, tag("div", *squares, *more, class_="apps"))
        return tag("div", title, f": {text}", grid, class_="zone")


@checked
def density(apps: int = 20) -> Sliders:
    """Sliders for apps, their needs and the server: `density(20)`. Lesson: 01_vm_vs_container."""
    controls = {
        "apps": slider(N_("Apps"), apps, 1, 500),
        "app_mib": slider(N_("Memory of one app, MiB"), 100, 10, 2000, 10),
        "app_disk_mib": slider(N_("Disk of one app, MiB"), 200, 10, 2000, 10),
        "server_gib": slider(N_("Memory of the server, GiB"), 16, 4, 256, 4),
    }
    return Sliders(Density, controls)
