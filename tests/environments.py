"""The tests in other environments than the one at hand.

    python -m tests.environments lowest [FOLDER] [pytest's words]
    python -m tests.environments newest [FOLDER] [pytest's words]

`lowest` has the lowest version of each package that pyproject names. `newest` is Python 3.13 in a
Debian of its own: it needs root and `debootstrap`. FOLDER is kept, so that a second run begins at
once. Without words for pytest all tests run but those that need a browser, Docker or real engines.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEBIAN = "trixie"  # has Python 3.13
PACKAGES = "python3,python3-venv,ca-certificates,git,openssl,procps"
FOLDERS = {name: Path("environments", name).absolute() for name in ("lowest", "newest")}
WORDS = ["-m", "not browser and not oracle and not real and not sdk", "-q"]


def lowest_versions() -> list[str]:
    """A line for each package that pyproject names with a lower bound: it and no later one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [line.replace(">=", "==") for line in lines if ">=" in line]


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True)


def install(python: str | Path, venv: Path, *options: str | Path) -> None:
    """Make a virtual environment and install the kit and its tests, unless that was done."""
    if not (venv / "installed").exists():
        run(python, "-m", "venv", "--clear", venv)
        run(venv / "bin" / "pip", "install", "--quiet", *options, "--editable", f"{ROOT}[test]")
        (venv / "installed").touch()


def lowest(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lowest_versions()), encoding="utf-8")
    install(sys.executable, folder / "venv", "--constraint", constraints)


def newest(folder: Path) -> None:
    """A Debian in `folder`; this process, and those that it starts, see the checkout inside it."""
    if not (folder / "usr" / "bin" / "python3").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, folder)
    os.unshare(os.CLONE_NEWNS) if hasattr(os, "unshare") else None
