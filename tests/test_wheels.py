"""`swarmlab wheels`: what a laptop of any kind needs is in the folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from swarmlab.cli import wheels
from swarmlab.errors import LabError


def make_wheel(folder: Path, name: str, *requires: str, tag: str = "py3-none-any") -> Path:
    """A wheel with an empty module."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{name}-1.0-{tag}.whl", f"{name}-1.0.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {r}" for r in requires), ""]),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(file, text)
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of a few packages; pip knows no other."""
    folder = tmp_path / "index"
    for tag in ("win_amd64", "macosx_11_0_arm64", "macosx_10_9_x86_64"):
        make_wheel(folder, "fast", tag=f"cp312-cp312-{tag}")
    for machine in ("x86_64", "aarch64"):
        make_wheel(folder, "fast", tag=f"cp312-cp312-manylinux_2_17_{machine}")
    make_wheel(folder, "console", "deep", tag="cp312-cp312-win_amd64")
    make_wheel(folder, "deep")
    make_wheel(folder, "new")
    make_wheel(folder, "dock", tag="cp312-cp312-macosx_11_0_arm64")
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return folder


NEEDED = (
    "fast",
    'console; sys_platform == "win32"',
    'dock; platform_system == "Darwin" and platform_machine == "arm64"',
    'new; python_version >= "3.12"',
    'testing; extra == "test"',
)


@pytest.mark.usefixtures("index")
def test_the_folder_has_the_wheels_of_all_systems_and_installs_without_a_network(tmp_path):
    kit = make_wheel(tmp_path / "folder", "kit", *NEEDED)
    done = list(wheels.collect(kit, ["3.12"]))
    assert done == [f"{laptop}, Python 3.12" for laptop in wheels.LAPTOPS]
    names = sorted(path.name.split("-")[0] for path in kit.parent.iterdir())
    assert names == ["console", "deep", "dock", *["fast"] * 5, "kit", "new"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links"]
    target = ["--target", tmp_path / "laptop", "--only-binary", ":all:", "--python-version", "3.12"]
    platform = ["--platform", "manylinux_2_17_x86_64"]
    subprocess.run([*pip, kit.parent, *target, *platform, "kit"], check=True)
    installed = {path.name for path in (tmp_path / "laptop").glob("*.py")}
    assert installed >= {"kit.py", "fast.py"}


def test_a_wheel_that_does_not_exist_is_an_error(index, tmp_path):
    (index / "fast-1.0-cp312-cp312-win_amd64.whl").unlink()
    kit = make_wheel(tmp_path / "folder", "kit", *NEEDED)
    with pytest.raises(LabError, match="pip download has failed"):
        list(wheels.collect(kit, ["3.12"]))
