"""The tests in another environment than the one at hand:

    python -m tests.environments lowest FOLDER [pytest's words]
    python -m tests.environments overlay FOLDER [pytest's words]
    python -m tests.environments newest FOLDER [pytest's words]
    python -m tests.environments versions

`lowest` has the lowest version of each package that pyproject names; `overlay` has those that the
kit itself needs, in front of the packages at hand, and is made in half a minute. `newest` is Python
3.13, in a Debian of its own; it needs root and `debootstrap`. FOLDER is kept for the next run.
Without words for pytest all tests run but those that need a browser, Docker or real engines.

`versions` writes `.ci/constraints.txt`: what the kit and its tests need, in the versions at hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
HEAD = "# What the tests ran with last; `python -m tests.environments versions` writes it."
DEBIAN, NEWEST_PYTHON = "trixie", "3.13"
PACKAGES = "python3,python3-venv,ca-certificates,git,openssl,procps"
SHARED = ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt")  # needed to reach the network
WORDS = ("-q", "-m", "not browser and not oracle and not real and not sdk")
# Old packages warn of what new ones did away with; CI holds its own to the tested versions.
OPTIONS = {
    "PIP_CONSTRAINT": "",
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "ignore",
    "PYTEST_ADDOPTS": "-W default -p no:cacheprovider",
}
# Make a virtual environment once, then run the tests in it. Words: venv, python, pip's options.
TEST = """
set -e
venv=$1 python=$2 options=$3
shift 3
if [ ! -e "$venv/installed" ]; then
  "$python" -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet $options --editable '.[test]'
  touch "$venv/installed"
fi
exec "$venv/bin/python" -m pytest "$@"
"""
INSIDE = """
set -e
mount --bind "$PWD" "$0/kit"
mount -t proc proc "$0/proc"
exec chroot "$0" sh -c 'cd /kit && exec sh -c "$@"' sh "$@"
"""


def lowest_versions(*, tests: bool) -> list[str]:
    """A line for each package that pyproject names with a lower bound: it, and no later one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["test"] * tests]
    return [line.replace(">=", "==") for line in lines if ">=" in line]


def tested_versions() -> list[str]:
    """A line for each package that the kit and its tests need, here: it, and its version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    todo, done, found = [(Requirement(line), {""}) for line in lines], set[str](), set[str]()
    while todo:
        needed, extras = todo.pop()
        marker, name = needed.marker, canonicalize_name(needed.name)
        applies = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
        if not applies or name == project["name"] or str(needed) in done:
            continue
        done.add(str(needed))
        try:
            one = distribution(name)
        except PackageNotFoundError:  # of an extra that is not installed here
            continue
        found.add(f"{name}=={one.version}")
        more = {"", *needed.extras}
        todo += [(Requirement(line), more) for line in one.requires or ()]
    return sorted(found)


def run(*words: str | Path) -> int:
    return subprocess.run(words, cwd=ROOT, env=os.environ | OPTIONS, check=False).returncode


def lowest(folder: Path, words: tuple[str, ...]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lowest_versions(tests=True)), encoding="utf-8")
    option = f"--constraint={constraints}"
    return run("sh", "-c", TEST, "sh", folder / "venv", sys.executable, option, *words)


def make_overlay(folder: Path) -> Path:
    """A Python that finds the lowest versions first, and else what this one finds."""
    venv = folder / "venv"
    python = venv / "bin" / "python"
    if not (venv / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", venv], check=True)
        (library,) = venv.glob("lib/*/site-packages")
        (library / "at_hand.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        install = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
        words = [*install, *lowest_versions(tests=False)]
        subprocess.run(words, check=True, env=os.environ | OPTIONS)
        (venv / "installed").touch()
    return python


def overlay(folder: Path, words: tuple[str, ...]) -> int:
    return run(make_overlay(folder), "-m", "pytest", *words)


def newest(folder: Path, words: tuple[str, ...]) -> int:
    if not (folder / "usr" / "bin" / "python3").exists():
        if not shutil.which("debootstrap"):
            sys.exit("newest: the program debootstrap is missing; Debian's package has its name")
        folder.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, folder)
    for name in SHARED:
        shutil.copyfile(Path("/", name), folder / name)
    (folder / "kit").mkdir(exist_ok=True)
    # The mounts are seen by these processes alone, and are gone with them.
    inside = ("unshare", "--mount", "sh", "-c", INSIDE, folder)
    return run(*inside, TEST, "sh", "/venv", "python3", "", *words)


if __name__ == "__main__":
    _, name, place, *rest = [*sys.argv, ""]
    if name == "versions":
        CONSTRAINTS.write_text("\n".join([HEAD, *tested_versions(), ""]), encoding="utf-8")
        sys.exit()
    command = {"lowest": lowest, "overlay": overlay, "newest": newest}[name]
    sys.exit(command(Path(place).absolute(), tuple(filter(None, rest)) or WORDS))
