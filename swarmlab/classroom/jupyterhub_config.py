"""The hub's settings: who may enter, and what each attendee gets.

JupyterHub runs this file when it starts, and puts `get_config` into it.
"""

import os
import sys
from pathlib import Path
from typing import Any

from docker.types import Mount

from swarmlab.classroom.local import text

c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821 # JupyterHub gives it
secrets = Path(os.environ.get("CLASS_SECRETS", "/run/secrets"))
local = os.environ.get("CLASS_LOCAL", "")  # the address to listen on, without a swarm
port = int(os.environ.get("CLASS_PORT", "8000"))  # and the three after it


def secret(name: str) -> str:
    return (secrets / name).read_text("utf-8").strip()


# -- the hub and its proxy -------------------------------------------------------------------------
c.JupyterHub.bind_url = f"http://{local}:{port}"
c.JupyterHub.cookie_secret = bytes.fromhex(secret("cookie_secret"))
c.JupyterHub.active_server_limit = int(os.environ["CLASS_USERS"])
c.ConfigurableHTTPProxy.auth_token = secret("proxy_token")
if local:
    c.JupyterHub.hub_port = port + 2
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
    c.ConfigurableHTTPProxy.log_level = "error"
    c.JupyterHub.log_level = "ERROR"
else:
    c.JupyterHub.hub_ip = "0.0.0.0"
    c.JupyterHub.hub_connect_ip = "hub"  # its name on the overlay network
    c.ConfigurableHTTPProxy.should_start = False  # its own service: a new hub cuts no one off
    c.ConfigurableHTTPProxy.api_url = f"http://tasks.proxy:{port + 1}"
    c.JupyterHub.cleanup_servers = False  # attendees work on while the hub is replaced
    c.JupyterHub.last_activity_interval = 10  # seconds until a new proxy has its routes

# -- who may enter ---------------------------------------------------------------------------------
c.JupyterHub.authenticator_class = "swarmlab.classroom.authenticator.ClassAuthenticator"
c.Authenticator.otp_prompt = text("class code")
c.Authenticator.admin_users = {"instructor"}  # who has the instructor's code
c.JupyterHub.template_vars = {"announcement_login": text("first login")}

# -- the instructor's page, and what ends servers that were not used for an hour -----------------
page = f"http://{'127.0.0.1' if local else 'hub'}:{port + 3}"
attend = "custom:class:attend"  # a scope: to tell that page where one is
c.JupyterHub.custom_scopes = {attend: {"description": "Tell the instructor's page where one is."}}
seen = ["list:users", "read:users:activity", "read:servers"]
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", attend]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", attend]},
    {"name": "look", "services": ["class", "idle-culler"], "scopes": seen},
    {"name": "end-servers", "services": ["idle-culler"], "scopes": ["delete:servers"]},
]
environment = {name: os.environ.get(name, "") for name in ("LANGUAGE", "CLASS_LOCAL")}
service = {"url": page, "environment": environment, "oauth_no_confirm": True}
service["command"] = [sys.executable, "-m", "swarmlab.classroom.instructor_page"]
culler = [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]
c.JupyterHub.services = [{"name": "class", **service}, {"name": "idle-culler", "command": culler}]

# -- what each attendee gets -----------------------------------------------------------------------
# JupyterLab with this kit's settings, on their own copies of the notebooks.
c.Spawner.cmd = [sys.executable, "-m", "swarmlab", "lab", "--folder", "notebooks"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 300  # seconds, when all come at once
c.Spawner.environment = environment | {"CLASS_URL": f"{page}/services/class/attendee"}
c.Spawner.options_form = f"<label><input type=checkbox name=agreed> {text('agree')}</label>"


def tell_kernels(spawner: Any, options: dict[str, Any]) -> None:
    """Whether their attendee has agreed."""
    agreed = "1" if options.get("agreed") else ""
    spawner.environment = spawner.environment | {"CLASS_AGREED": agreed}


def keep_work(spawner: Any) -> None:
    """Give an attendee a volume. It stays on its node: after a move the home folder is new."""
    volume = f"class-{spawner.escaped_name}"
    mount = Mount("/home/attendee", volume, type="volume")
    # NFS: the volume is a folder of a file server, which each node mounts. Make the folders first,
    # for user 1000. Servers let no node's root write, so Docker must copy nothing into them.
    # options = {"type": "nfs", "o": "addr=192.0.2.9,rw,nfsvers=4", "device": f":/class/{volume}"}
    # driver = {"Name": "local", "Options": options}
    # mount["VolumeOptions"] = {"NoCopy": True, "DriverConfig": driver}
    spawner.extra_container_spec = {"mounts": [mount]}


c.Spawner.apply_user_options = tell_kernels
if local:
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(Path("attendees", "{username}").absolute())
    c.Spawner.args = ["--log-level=ERROR"]
else:
    c.JupyterHub.spawner_class = "swarmlab.classroom.spawner.ClassSpawner"
    c.Spawner.pre_spawn_hook = keep_work
    c.SwarmSpawner.image = os.environ["CLASS_IMAGE"]
    c.SwarmSpawner.network_name = "swarmlab-class"
    c.SwarmSpawner.extra_endpoint_spec = {"mode": "dnsrr"}  # a name leads straight to its one task
    # `docker stack ps class` shows attendees, too, and `docker stack rm class` ends their servers.
    c.SwarmSpawner.extra_create_kwargs = {"labels": {"com.docker.stack.namespace": "class"}}
    # Where attendees may be: not on managers; or all on one node, with their volumes, after
    # `docker node update --label-add class=home NODE`. See the page 07_placement.
    # c.SwarmSpawner.extra_placement_spec = {"constraints": ["node.role == worker"]}
    # c.SwarmSpawner.extra_placement_spec = {"constraints": ["node.labels.class == home"]}
    c.Spawner.mem_guarantee = "512M"  # the scheduler finds a node with this much unreserved,
    c.Spawner.mem_limit = "1G"  # and there the kernel ends what takes more
    c.Spawner.cpu_guarantee = 0.1
    c.Spawner.cpu_limit = 1.0
