"""Equal apps as virtual machines and as containers on one server: what they cost, and who says so.

Every figure has its source beside it, or is called an assumption; the sliders change the rest. It
is a rough sum, no measurement: nothing is shared, nothing is overcommitted.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.strings import _
from swarmlab.views.palette import BLUE, VERMILLION
from swarmlab.views.said import big, big_table, text_table
from swarmlab.views.sliders import Sliders, slider
from swarmlab.views.tables import Table

GIB = 1024  # MiB
HOST_MIB = 1024  # for the host's own system: an assumption, like the sliders' first values


@dataclass(frozen=True, slots=True)
class Kind:
    """What one app costs beside itself; MiB and seconds, each with who says so."""

    word: str
    kernel_mib: int
    kernel_source: str
    overhead_mib: int
    overhead_source: str
    disk_mib: int
    disk_source: str
    start_s: float
    start_source: str


KINDS = (
    Kind(
        "Virtual machine",
        kernel_mib=256,
        kernel_source="Debian 11 Installation Guide, 3.4: least memory, no desktop",
        overhead_mib=226,
        overhead_source="OpenShift Virtualization docs: 218 MiB and 8 MiB for one CPU",
        disk_mib=2048,
        disk_source="Debian 11 Installation Guide, 3.4: disk, no desktop",
        start_s=22.8,
        start_source="C. Percival, EC2 boot time benchmarking, 2021: from running to port 22 open",
    ),
    Kind(
        "Micro VM",
        kernel_mib=128,
        kernel_source="Firecracker SPECIFICATION.md: the size that it is tested with",
        overhead_mib=5,
        overhead_source="Firecracker SPECIFICATION.md: at most",
        disk_mib=227,
        disk_source="Ubuntu docs, minimal images: 24.04 as downloaded",
        start_s=0.125,
        start_source="Firecracker SPECIFICATION.md: at most, up to /sbin/init",
    ),
    Kind(
        "Container",
        kernel_mib=0,
        kernel_source="none of its own: the host's",
        overhead_mib=10,
        overhead_source="containerd issue 7878: its shim, 10 MiB",
        disk_mib=0,
        disk_source="image layers are shared; what it writes counts as the app's",
        start_s=0.25,
        start_source="moby issue 21737, 2018: containerd, create and start",
    ),
)


def sources() -> Table:
    """Every figure beside the one who says so."""
    what = (_("memory of its own kernel and system"), _("memory around it"), _("disk"), _("start"))
    rows = []
    for kind in KINDS:
        mib = (kind.kernel_mib, kind.overhead_mib, kind.disk_mib)
        values = (*(f"{number} MiB" for number in mib), f"{kind.start_s:g} s")
        said = (kind.kernel_source, kind.overhead_source, kind.disk_source, kind.start_source)
        rows += [(_(kind.word), *row) for row in zip(what, values, map(_, said), strict=True)]
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

    def memory_mib(self, kind: Kind) -> int:
        return HOST_MIB + self.apps * (self.app_mib + kind.kernel_mib + kind.overhead_mib)

    def disk_mib(self, kind: Kind) -> int:
        """Equal apps share the layers of one image; machines have a disk each."""
        copies = 1 if kind.disk_mib == 0 else self.apps
        return copies * (self.app_disk_mib + kind.disk_mib)

    def fit(self, kind: Kind) -> int:
        """How many the server's memory has room for."""
        each = self.app_mib + kind.kernel_mib + kind.overhead_mib
        return max(0, self.server_gib * GIB - HOST_MIB) // each

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
                f"{kind.start_s:g} s",
                str(self.fit(kind)),
            )
            for kind in KINDS
        ]

    @property
    def verdict(self) -> str:
        machines, _micro, containers = (self.fit(kind) for kind in KINDS)
        line = _("For each virtual machine that fits, {times:.1f} containers do.")
        return line.format(times=containers / machines) if machines else _("No machine fits.")

    def __repr__(self) -> str:
        return "\n".join([text_table(self.heads, self.rows), self.verdict])

    def _repr_html_(self) -> str:
        bars = "".join(self._bar(kind) for kind in KINDS)
        return big_table(self.heads, self.rows, [f"**{self.verdict}**"]) + big(bars)

    def _bar(self, kind: Kind) -> str:
        """Memory needed, against the server's; what does not fit is hatched."""
        need, have = self.memory_mib(kind), self.server_gib * GIB
        percent = min(100.0, 100 * need / have)
        fits = need <= have
        hatch = f"repeating-linear-gradient(45deg,{VERMILLION} 0 8px,transparent 8px 14px)"
        look = f"height:1em;width:{percent:.1f}%;background:{BLUE if fits else hatch}"
        word = "✔" if fits else _("✘ does not fit")
        label = f"{_(kind.word)}: {need / GIB:.1f} / {self.server_gib} GiB {word}"
        return f"<div>{label}<div style='border:1px solid'><div style='{look}'></div></div></div>"


def density(apps: int = 20) -> Sliders:
    """Sliders for the apps, their needs and the server."""
    controls = {
        "apps": slider(_("Apps"), apps, 1, 500),
        "app_mib": slider(_("Memory of one app, MiB"), 100, 10, 2000, 10),
        "app_disk_mib": slider(_("Disk of one app, MiB"), 200, 10, 2000, 10),
        "server_gib": slider(_("Memory of the server, GiB"), 16, 4, 256, 4),
    }
    return Sliders(Density, controls)
