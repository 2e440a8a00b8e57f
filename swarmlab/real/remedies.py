"""What goes wrong with a real engine, in one sentence with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.errors import LabError
from swarmlab.strings import _


class NotHere(LabError, AttributeError):
    """Asked of a real cluster: something that it cannot do or tell. `hasattr` says no to it."""


def remedies() -> tuple[tuple[str, str], ...]:
    """What the engine or the system says (a pattern), and what to do about it."""
    return (
        (
            r"ssh://.*(aborted|reset)",
            _("nothing answers there. Try ssh alone: `ssh HOST docker version`."),
        ),
        (
            r"permission denied|EACCES",
            _(
                "you may not speak to Docker here. On Linux: `sudo usermod -aG docker $USER`, log"
                " out and in again."
            ),
        ),
        (
            r"no space left",
            _(
                "Docker's disk is full. `docker system df` shows what fills it, and `docker system"
                " prune` removes what nobody uses."
            ),
        ),
        (
            r"unable to apply caps|operation not permitted",
            _(
                "this Docker may not run engines in containers (it is rootless, or locked down)."
                " Use another one: set DOCKER_HOST."
            ),
        ),
        (
            r"dial tcp|no such host|unreachable|i/o timeout|TLS handshake|toomanyrequests",
            _("no registry is in reach. Where there is one: `docker pull`, then try again."),
        ),
        (
            r"no such file|FileNotFound|refused|aborted|CreateFile|timed? ?out|RemoteDisconnected",
            _(
                "no Docker engine answers. Start Docker, or set DOCKER_HOST; `docker version` says"
                " whether it runs. Without Docker: swarmlab.simulate()"
            ),
        ),
    )


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Whatever Docker refuses meanwhile becomes a LabError that says what was being done."""
    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        remedy = next(
            (r for pattern, r in remedies() if re.search(pattern, f"{doing} {text}", re.I)), ""
        )
        raise LabError(f"{doing}: {remedy or text}" + (f" ({text})" if remedy else "")) from None
