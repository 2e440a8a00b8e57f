"""`swarmlab wheels`: a folder from which any laptop installs the kit, with the network off."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

import click
from packaging.requirements import Requirement

from swarmlab.cli.ctl import FOLDER
from swarmlab.errors import LabError
from swarmlab.strings import _

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
GLIBC_NEWEST, GLIBC_OLDEST = 28, 5  # a Linux wheel names the oldest glibc 2.x that it runs on


def _linux(machine: str) -> list[str]:
    newest_first = range(GLIBC_NEWEST, GLIBC_OLDEST - 1, -1)
    return [*(f"manylinux_2_{minor}_{machine}" for minor in newest_first), f"linux_{machine}"]


# A kind of laptop -> what its conditions in requirements say, and the wheels that run on it.
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
MACOS = {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
WINDOWS = {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}
LAPTOPS: dict[str, tuple[dict[str, str], list[str]]] = {
    "Linux": ({**LINUX, "platform_machine": "x86_64"}, _linux("x86_64")),
    "Linux on ARM": ({**LINUX, "platform_machine": "aarch64"}, _linux("aarch64")),
    "macOS": ({**MACOS, "platform_machine": "arm64"}, ["macosx_12_0_arm64"]),
    "macOS on Intel": ({**MACOS, "platform_machine": "x86_64"}, ["macosx_12_0_x86_64"]),
    "Windows": ({**WINDOWS, "platform_machine": "AMD64"}, ["win_amd64"]),
}


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--python", "pythons", multiple=True, default=PYTHONS, show_default=True)
def wheels(folder: Path, pythons: tuple[str, ...]) -> None:
    """Fill FOLDER with all wheels that Linux, macOS and Windows need.

    Laptops then install the kit from FOLDER, with the network off.
    """
    for path in collect(own_wheel(folder), pythons):
        print(path, flush=True)
    command = f"pip install --no-index --find-links {folder} swarmlab"
    print(_("On each laptop: {command}", command=command))


def own_wheel(folder: Path) -> Path:
    """Make the kit's wheel in a folder."""
    if not (ROOT / "pyproject.toml").exists():
        raise LabError("the kit's own wheel is made from its source; run this in a checkout")
    pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    return next(folder.glob("swarmlab-*.whl"))


def collect(wheel: Path, pythons: Iterable[str]) -> Iterable[str]:
    """Put the wheels that this one needs beside it; yields what it's for, as each is complete."""
    (own,) = distributions(path=[str(wheel)])
    for laptop, (environment, platforms) in LAPTOPS.items():
        for python in pythons:
            needed = requirements(own, {**environment, "python_version": python})
            tags = [word for platform in platforms for word in ("--platform", platform)]
            pip("download", "--dest", wheel.parent, "--only-binary", ":all:", *tags,
                "--python-version", python, wheel, *sorted(needed))  # fmt: skip
            yield f"{laptop}, Python {python}"


def requirements(first: Distribution, environment: dict[str, str]) -> set[str]:
    """What a distribution needs there, and what that needs, as far as it is installed here.

    pip itself checks conditions such as `sys_platform == "win32"` on the machine it runs on.
    """
    found: set[str] = set()
    todo = [(first, {""})]
    while todo:
        one, extras = todo.pop()
        for needed in map(Requirement, one.requires or ()):
            marker, needed.marker = needed.marker, None
            applies = marker is None or any(
                marker.evaluate({**environment, "extra": extra}) for extra in extras
            )
            if not applies or str(needed) in found:
                continue
            found.add(str(needed))
            try:
                todo.append((distribution(needed.name), {"", *needed.extras}))
            except PackageNotFoundError:  # it's for other systems: pip finds what it needs
                continue
    return found


def pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*command, *map(str, words)], check=False).returncode:
        raise LabError("pip {verb} has failed; see its message above", verb=words[0])
