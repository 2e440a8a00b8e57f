"""Turns errors of real engines into one sentence with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.errors import LabError
from swarmlab.strings import N_, _

# Pattern of what the engine or the system says -> what to do about it.
REMEDIES = {
    r"bind address|SSH URL|in URL|invalid (port|host)": N_(
        "write the address as unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST."
    ),
    r'exec: "ssh"': N_("there is no ssh here. Install OpenSSH's client, or set DOCKER_HOST."),
    r"\.pem: no such file": N_(
        "TLS is asked for. Set DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem."
    ),
    r"ssh://.*(aborted|reset)": N_(
        "nothing answers there. Try ssh alone: `ssh HOST docker version`."
    ),
    r"permission denied|EACCES": N_(
        "you may not use Docker here. On Linux: `sudo usermod -aG docker $USER`, log out and in"
        " again."
    ),
    r"no space left": N_(
        "Docker's disk is full. `docker system df` shows what fills it, and `docker system prune`"
        " removes what isn't used."
    ),
    r"unable to apply caps|operation not permitted": N_(
        "this Docker may not run engines in containers (it is rootless, or locked down). Use"
        " another one: set DOCKER_HOST."
    ),
    r"dial tcp|no such host|unreachable|i/o timeout|TLS handshake|toomanyrequests": N_(
        "no registry can be reached. Where there is one: `docker pull`, then try again."
    ),
    r"no such file|FileNotFound|refused|aborted|CreateFile|timed? ?out|RemoteDisconnected": N_(
        "no Docker engine answers. Start Docker, or set DOCKER_HOST; `docker version` shows"
        " whether it runs. Without Docker: swarmlab.simulate()"
    ),
}

PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*(?=@)")


class NotSupported(LabError, AttributeError):
    """A real cluster has no such attribute; `hasattr` is False."""


@contextmanager
def lab_errors(action: str) -> Iterator[None]:
    """Raise a LabError, with the action and a remedy, for any Docker error meanwhile."""
    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        for pattern, remedy in REMEDIES.items():
            if re.search(pattern, f"{action} {text}", re.IGNORECASE):
                text = f"{_(remedy)} ({text})"
                break
        line = PASSWORD.sub(r"\1***", f"{action}: {text}")
        raise LabError("".join(c if c.isprintable() else " " for c in line)) from None
