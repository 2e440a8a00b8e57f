"""The hub's settings: who may enter, and what each attendee gets.

JupyterHub runs this file when it starts, and puts `get_config` into it.
"""

import os
from pathlib import Path
from typing import Any

from docker.types import Mount

c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821 # JupyterHub gives it
secrets = Path(os.environ.get("CLASS_SECRETS", "/run/secrets"))


def secret(name: str) -> str:
    return (secrets / name).read_text("utf-8").strip()


# -- the hub and its proxy -------------------------------------------------------------------------
c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_connect_ip = "hub"  # its name on the overlay network
c.JupyterHub.cookie_secret = bytes.fromhex(secret("cookie_secret"))
c.ConfigurableHTTPProxy.should_start = False  # it's a service of its own: a new hub cuts nobody off
c.ConfigurableHTTPProxy.api_url = "http://tasks.proxy:8001"
c.ConfigurableHTTPProxy.auth_token = secret("proxy_token")
c.JupyterHub.cleanup_servers = False  # attendees work on while the hub is replaced
c.JupyterHub.active_server_limit = int(os.environ["CLASS_USERS"])

# -- who may enter ---------------------------------------------------------------------------------
c.Authenticator.allow_all = True

# -- what each attendee gets -----------------------------------------------------------------------
c.JupyterHub.spawner_class = "swarmlab.classroom.spawner.ClassSpawner"
c.SwarmSpawner.image = os.environ["CLASS_IMAGE"]
c.Spawner.cmd = ["swarmlab", "lab"]  # JupyterLab with this kit's settings and notebooks
c.SwarmSpawner.network_name = "swarmlab-class"
c.SwarmSpawner.extra_endpoint_spec = {"mode": "dnsrr"}  # one task: its name leads straight to it
c.Spawner.start_timeout = c.Spawner.http_timeout = 120  # seconds, when all come at once
c.Spawner.mem_guarantee = "512M"  # the scheduler finds a node with this much unreserved,
c.Spawner.mem_limit = "1G"  # and there the kernel ends what takes more
c.Spawner.cpu_guarantee = 0.1
c.Spawner.cpu_limit = 1.0
c.Spawner.environment = {"LANGUAGE": os.environ.get("LANGUAGE", "")}


def keep_work(spawner: Any) -> None:
    """Give an attendee a volume. It stays on its node: after a move the home folder is new."""
    volume = f"class-{spawner.escaped_name}"
    spawner.extra_container_spec = {"mounts": [Mount("/home/attendee", volume, type="volume")]}


c.Spawner.pre_spawn_hook = keep_work
