"""Claims about the files around the code: names agree, and commands shown are commands run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from swarmlab.cli import wheels
from swarmlab.cli.command_line import main
from tests import environments

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Where a package is imported under another name than it is installed under.
IMPORTED_AS = {"pyyaml": "yaml", "jupyterhub-firstuseauthenticator": "firstuseauthenticator"}
# Brought along by what we name: the docker SDK, JupyterLab, ipywidgets.
BROUGHT_ALONG = {"IPython", "ipykernel", "requests", "traitlets", "urllib3"}
BROUGHT_ALONG |= {"jupyter_client", "jupyter_core", "nbclient", "nbconvert", "nbformat"}


def test_environment_yml_names_what_pyproject_names():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    *conda, pip = environment["dependencies"]
    assert environment["channels"] == ["conda-forge"]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip == {"pip": [*PROJECT["dependencies"], "-e ."]}


def test_dependencies_are_sorted_and_each_has_a_lower_bound():
    names = [re.split(r"[><=]", line)[0] for line in PROJECT["dependencies"]]
    assert names == sorted(names)
    assert all(">=" in line for line in PROJECT["dependencies"])


def test_the_readme_names_the_oldest_and_newest_versions_that_the_tests_ran_with():
    """Oldest: the lower bounds, which `environments.py` installs. Newest: what is installed here;
    of Python, what `environments.py newest` has."""
    rows = re.findall(
        r"^\| (\w+) \| ([\d.]+) \| ([\d.]+) \|$", (ROOT / "README.md").read_text("utf-8"), re.M
    )
    oldest = {name.lower(): Version(version) for name, version, _newest in rows}
    newest = {name.lower(): Version(version) for name, _oldest, version in rows}
    bounds = dict(line.split("==") for line in environments.lowest_versions(tests=False))
    assert list(oldest) == ["python", "jupyterlab", "ipywidgets"]
    assert oldest.pop("python") == Version(PROJECT["requires-python"].removeprefix(">="))
    assert oldest == {name: Version(bounds[name]) for name in oldest}
    assert newest.pop("python") == Version(environments.NEWEST_PYTHON)
    assert wheels.PYTHONS[-1] == environments.NEWEST_PYTHON
    for name, version in newest.items():
        here = Version(metadata.version(name))
        assert here.release[:2] <= version.release[:2], f"{name} {here}: the README can say so"


def test_the_tested_versions_are_those_of_all_that_is_named_and_not_below_the_bounds():
    """In CI the installation is held to them."""
    pinned = dict(
        line.split("==") for line in environments.CONSTRAINTS.read_text("utf-8").splitlines()[1:]
    )
    lines = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    for needed in map(Requirement, lines):
        if needed.name != PROJECT["name"]:
            assert needed.specifier.contains(
                pinned[canonicalize_name(needed.name)], prereleases=True
            )
    if os.environ.get("PIP_CONSTRAINT"):
        assert [
            f"{name}=={version}" for name, version in pinned.items()
        ] == environments.tested_versions()


def test_the_readme_tells_how_to_read_the_pages_without_installing():
    reading = (ROOT / "README.md").read_text("utf-8").partition("**Only reading?** `")[2]
    command = reading.partition("`")[0]
    words = command.replace("FOLDER", "x").split()
    assert words.pop(0) == "swarmlab"
    assert main([*words, "--help"]) == 0  # the command and its option exist


def imported_by(path: Path) -> set[str]:
    """The top-level names of the modules that a file imports anywhere."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level}
    return {name.split(".")[0] for name in plain | froms}


def test_the_package_imports_nothing_that_is_not_declared():
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["class"]]
    names = {re.split(r"[><=]", line)[0] for line in lines}
    declared = {IMPORTED_AS.get(name, name) for name in names} | BROUGHT_ALONG | {"swarmlab"}
    imported = set().union(*(imported_by(p) for p in (ROOT / "swarmlab").rglob("*.py")))
    assert imported - declared - set(sys.stdlib_module_names) == set()


def readme_blocks(language: str) -> list[str]:
    """What the README shows in a language."""
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


def test_the_readmes_python_example_runs_as_shown():
    names: dict[str, Any] = {}
    exec(compile(readme_blocks("python")[0], "README.md", "exec"), names)
    tasks = names["tasks"]
    assert [task["Status"]["State"] for task in tasks] == ["running"] * 6


def test_the_readmes_two_commands_are_one_line_each_and_do_their_own_set_up():
    kit, tests = readme_blocks("bash")
    for command in (kit, tests):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert kit.endswith("swarmlab lab")
    assert all(word in tests for word in ("ruff check", "ruff format --check", "mypy", "pytest"))


def test_ci_runs_the_readmes_second_command_as_it_stands_there():
    shown = subprocess.run(
        ["bash", ROOT / ".ci" / "run", "--show"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert shown.stdout.strip() == readme_blocks("bash")[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for compiled in ROOT.glob("swarmlab/locale/*/*/*.mo"):
        compiled.unlink()  # the build makes them
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, ROOT], check=True)
    [made] = folder.glob("swarmlab-*.whl")
    return made


def test_the_wheel_carries_notebooks_javascript_and_settings(wheel: Path):
    carried = set(zipfile.ZipFile(wheel).namelist())
    notebooks = ROOT / "notebooks"
    pages = notebooks.rglob("*.ipynb")
    ours = {f"swarmlab/_notebooks/{p.relative_to(notebooks)}" for p in pages}
    kept = (".py", ".js", ".json", ".txt", ".css", ".yml", ".mo")
    files = [p for p in (ROOT / "swarmlab").rglob("*") if p.suffix in kept]
    assert carried >= ours | {str(p.relative_to(ROOT)) for p in files}
    assert not [name for name in carried if name.startswith(("tests/", "notebooks/"))]


SPOKEN = """
from swarmlab.lessons.course_map import notebooks
from swarmlab.strings import _, number
print(_("no leader"), number(1.5), notebooks().name, sep="; ")
"""


def test_an_installed_wheel_speaks_the_language_of_its_environment_or_folder(wheel: Path, tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path]
    subprocess.run([*pip, wheel], check=True)
    folder = tmp_path / "pt-BR"
    folder.mkdir()
    answers = [
        subprocess.run(
            [sys.executable, "-c", SPOKEN],
            env={**os.environ, "PYTHONPATH": str(tmp_path), "LANGUAGE": name},
            cwd=where,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout.strip()
        for name, where in (("en", tmp_path), ("pt_BR", tmp_path), ("en", folder))
    ]
    assert answers == ["no leader; 1.5; _notebooks", *["sem líder; 1,5; pt-BR"] * 2]


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_readmes_code_map_names_every_folder_and_top_module():
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.partition("## Read the code")[2].partition("```\n")[2].partition("\n```")[0]
    listed = re.findall(r"^( +)(\w+(?:/|\.py)) ", block, re.M)
    top = {name for indent, name in listed if len(indent) == 2}
    package = ROOT / "swarmlab"
    folders = {path.parent for path in package.rglob("*.py")} - {package}
    modules = {path.name for path in package.glob("[!_]*.py")}
    assert top == {f"{path.name}/" for path in folders if path.parent == package} | modules
    below = {name for indent, name in listed if len(indent) > 2}
    assert below == {f"{path.name}/" for path in folders if path.parent != package}
