"""`swarmlab class`: the folder from which a Swarm runs this kit for a class of browsers.

The hub is JupyterHub, and `dockerspawner` asks the Swarm for one service per attendee.
"""

from __future__ import annotations

import secrets
import string
from pathlib import Path

import click

from swarmlab import strings
from swarmlab.cli.ctl import FOLDER
from swarmlab.cli.notebooks import PACKAGE, language_option
from swarmlab.cli.wheels import own_wheel
from swarmlab.errors import LabError
from swarmlab.strings import _

TEMPLATES = PACKAGE / "classroom"
CONFIG = "jupyterhub_config.py"
FILES = ("Dockerfile", "dockerignore", "stack.yml", CONFIG)
SECRETS = {"cookie_secret": 32, "proxy_token": 32}  # file -> how many random bytes, in hexadecimal
CODES = ("class_code", "instructor_code")
LETTERS = "".join(sorted({*string.ascii_lowercase, *string.digits} - {*"0o1il"}))


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
    from swarmlab.classroom.local import checked, prepared

    place = checked(listen or "127.0.0.1")
    if not goes_on:
        write_secrets(into / "secrets")
        (into / CONFIG).write_text(template(CONFIG), "utf-8")
    print(prepared(into, users, *place), flush=True)
    from jupyterhub.app import JupyterHub

    JupyterHub.launch_instance(["--config", CONFIG])


def write_folder(into: Path, users: int) -> None:
    """Fill a new folder: files to read and change, the kit's wheel, and secrets of its own."""
    texts = {name.replace("dockerignore", ".dockerignore"): template(name) for name in FILES}
    texts["README.md"] = template(f"README.{strings.language_tag(strings.language())}.md")
    own_wheel(into)  # makes the folder
    for name, text in texts.items():
        (into / name).write_text(
            text.replace("@USERS@", str(users)).replace("@LANGUAGE@", strings.language()), "utf-8"
        )
    write_secrets(into / "secrets")


def template(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


def write_secrets(folder: Path) -> None:
    """Files that only their owner may read; the stack's secrets are made of them."""
    folder.mkdir(mode=0o700, parents=True)
    made = {name: secrets.token_hex(length) for name, length in SECRETS.items()}
    made |= {name: "".join(secrets.choice(LETTERS) for _letter in range(8)) for name in CODES}
    for name, value in made.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(value, "utf-8")
