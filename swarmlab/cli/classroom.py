"""`swarmlab class`: the folder from which a Swarm runs this kit for a class of browsers.

The hub is JupyterHub, and `dockerspawner` asks the Swarm for one service per attendee.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from swarmlab import strings
from swarmlab.cli.ctl import FOLDER
from swarmlab.cli.notebooks import PACKAGE, language_option
from swarmlab.cli.wheels import own_wheel
from swarmlab.errors import LabError
from swarmlab.strings import _

CONFIG = "jupyterhub_config.py"
FILES = ("Dockerfile", ".dockerignore", "stack.yml", CONFIG)
TOKENS = ("cookie_secret", "proxy_token")
CODES = ("class_code", "instructor_code")
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none looks like another


@click.command("class")
@language_option
@click.option("--users", default=40, show_default=True, help="How many attendees may be in.")
@click.option("--into", type=FOLDER, default=Path("swarmlab-class"), show_default=True)
@click.option("--local", is_flag=True, help="Run the class on this machine, without Docker.")
@click.option("--listen", metavar="ADDRESS[:PORT]", help="With --local: for other machines, too.")
def classroom(users: int, into: Path, local: bool, listen: str | None) -> None:
    """Write a folder from which a Docker Swarm runs the kit for a class of browsers.

    Or run the class here, until Ctrl+C.
    """
    goes_on = local and (into / "secrets").is_dir()
    if users < 1:
        raise LabError("--users: {users} is not a class; give 1 or more", users=users)
    if listen and not local:
        raise LabError("--listen goes with --local; stack.yml has the ports of a swarm")
    if not goes_on and into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise LabError("{folder} is there already; give --into a new folder", folder=into)
    if not local:
        write_folder(into, users)
        print(_("The class is in {folder}; its README.md has the four commands.", folder=into))
        return
    from swarmlab.classroom.local import place_to_listen, prepared

    place = place_to_listen(listen or "127.0.0.1")
    if not goes_on:
        write_secrets(into / "secrets")
        (into / CONFIG).write_text(template(CONFIG), "utf-8")
    print(prepared(into, users, *place), flush=True)
    from jupyterhub.app import JupyterHub

    JupyterHub.launch_instance(["--config", CONFIG])


def write_folder(into: Path, users: int) -> None:
    """Fill a new folder: files to read and change, the kit's wheel, and secrets of its own."""
    tag = strings.language_tag(strings.language())
    pages = "" if tag == strings.ENGLISH else f"{tag}/"
    values = {"@USERS@": str(users), "@LANGUAGE@": strings.language(), "@PAGES@": pages}
    own_wheel(into)  # makes the folder, but not when it can make no wheel
    for name in (*FILES, f"README.{tag}.md"):
        text = template(name)
        for key, value in values.items():
            text = text.replace(key, value)
        (into / name.replace(f".{tag}", "")).write_text(text, "utf-8")
    write_secrets(into / "secrets")


def template(name: str) -> str:
    return (PACKAGE / "classroom" / name).read_text("utf-8")


def write_secrets(folder: Path) -> None:
    """Files that only their owner may read; the stack's secrets are made of them."""
    folder.mkdir(mode=0o700, parents=True)
    made = {name: secrets.token_hex(32) for name in TOKENS}
    made |= {name: "".join(secrets.choice(LETTERS) for _letter in range(8)) for name in CODES}
    for name, value in made.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(value, "utf-8")
