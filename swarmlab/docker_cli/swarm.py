"""`docker swarm …`: create, join, leave, change and lock a swarm."""

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig
from swarmlab.docker_cli.progress import watch_root_rotation
from swarmlab.docker_cli.session import CliError, Json, Session

AVAILABILITIES = ("active", "pause", "drain")
NO_ADDRESS = ("could not choose an IP address to advertise", "could not find the system's IP")
UNLOCK = """\
To unlock a swarm manager after it restarts, run the `docker swarm unlock`
command and provide the following key:

    {key}

Remember to store this key in a password manager, since without it you
will not be able to restart the manager."""
JOIN = """\
To add a {role} to this swarm, run the following command:

    docker swarm join --token {token} {address}
"""
# Flag -> its field in the cluster's spec.
SPEC_FIELDS = {
    "task-history-limit": "Orchestration.TaskHistoryRetentionLimit",
    "dispatcher-heartbeat": "Dispatcher.HeartbeatPeriod",
    "max-snapshots": "Raft.KeepOldSnapshots",
    "snapshot-interval": "Raft.SnapshotInterval",
    "autolock": "EncryptionConfig.AutoLockManagers",
    "cert-expiry": "CAConfig.NodeCertExpiry",
    "external-ca": "CAConfig.ExternalCAs",
}


def _edit(spec: Json, arguments: Arguments) -> Json:
    """Apply the flags that were given to the cluster's spec, in place."""
    for flag, path in SPEC_FIELDS.items():
        if flag in arguments.given:
            group, _, field = path.partition(".")
            spec.setdefault(group, {})[field] = arguments.given[flag]
    return spec


def _node_settings(arguments: Arguments) -> Json:
    """What `init` and `join` both say about the node itself."""
    availability = str(arguments["availability"] or "")
    if availability and availability.lower() not in AVAILABILITIES:
        choices = "only active, pause and drain are supported"
        raise CliError(f'invalid availability "{availability}", {choices}')
    return {
        "ListenAddr": arguments["listen-addr"] or "0.0.0.0:2377",
        "AdvertiseAddr": arguments["advertise-addr"] or "",
        "DataPathAddr": arguments["data-path-addr"] or "",
        "Availability": availability.lower(),
    }


def _unlock_key(session: Session) -> str:
    try:
        return str(session.get("/swarm/unlockkey")["UnlockKey"])
    except CliError as error:
        raise CliError(f"could not fetch unlock key: {error}") from None


def _print_key(session: Session) -> None:
    if key := _unlock_key(session):
        session.print(UNLOCK.format(key=key))


def _print_join(session: Session, node_id: str, role: str) -> None:
    node, swarm = session.get(f"/nodes/{node_id}"), session.get("/swarm")
    if status := node.get("ManagerStatus"):
        token = swarm["JoinTokens"][role.capitalize()]
        session.print(JOIN.format(role=role, token=token, address=status["Addr"]))


def init(session: Session, arguments: Arguments) -> None:
    spec: Json = {
        "Labels": None,
        "Orchestration": {},
        "Raft": {"ElectionTick": 0, "HeartbeatTick": 0},
        "Dispatcher": {},
        "CAConfig": {},
        "TaskDefaults": {},
        "EncryptionConfig": {"AutoLockManagers": False},
    }
    body = _node_settings(arguments) | {
        "DataPathPort": arguments["data-path-port"] or 0,
        "ForceNewCluster": arguments["force-new-cluster"],
        "Spec": _edit(spec, arguments),
        "AutoLockManagers": arguments["autolock"],
        "DefaultAddrPool": arguments["default-addr-pool"],
        "SubnetSize": arguments.given.get("default-addr-pool-mask-length", 24),
    }
    try:
        node_id = session.post("/swarm/init", body)
    except CliError as error:
        if any(text in str(error) for text in NO_ADDRESS):
            raise CliError(f"{error} - specify one with --advertise-addr") from None
        raise
    session.print(f"Swarm initialized: current node ({node_id}) is now a manager.", "")
    _print_join(session, node_id, "worker")
    session.print(
        "To add a manager to this swarm, run 'docker swarm join-token manager' and follow the"
        " instructions."
    )
    if arguments["autolock"]:
        _print_key(session)


def join(session: Session, arguments: Arguments) -> None:
    token = arguments["token"] or ""
    target = {"RemoteAddrs": arguments.words, "JoinToken": token}
    session.post("/swarm/join", _node_settings(arguments) | target)
    role = "manager" if session.get("/info")["Swarm"]["ControlAvailable"] else "worker"
    session.print(f"This node joined a swarm as a {role}.")


def join_token(session: Session, arguments: Arguments) -> None:
    role = arguments.words[0]
    if role not in ("worker", "manager"):
        raise CliError(f"unknown role {role}")
    if arguments["rotate"]:
        _update(session, session.get("/swarm"), f"rotate{role.capitalize()}Token")
        if not arguments["quiet"]:
            session.print(f"Successfully rotated {role} join token.", "")
    if arguments["quiet"]:
        session.print(session.get("/swarm")["JoinTokens"][role.capitalize()])
    else:
        session.get("/swarm")
        _print_join(session, session.get("/info")["Swarm"]["NodeID"], role)


def _update(session: Session, swarm: Json, rotate: str = "") -> None:
    flags = ("rotateManagerToken", "rotateManagerUnlockKey", "rotateWorkerToken")
    query = {flag: str(flag == rotate).lower() for flag in flags}
    session.post("/swarm/update", swarm["Spec"], version=str(swarm["Version"]["Index"]), **query)


def leave(session: Session, arguments: Arguments) -> None:
    session.post("/swarm/leave", force=arguments["force"])
    session.print("Node left the swarm.")


def update(session: Session, arguments: Arguments) -> None:
    if not arguments.given:
        session.out.write(arguments.command.help)
        return
    swarm = session.get("/swarm")
    locked_before = _autolock(swarm)
    _edit(swarm["Spec"], arguments)
    for authority in arguments["external-ca"]:
        authority["CACert"] = authority["CACert"] or swarm["TLSInfo"]["TrustRoot"]
    _update(session, swarm)
    session.print("Swarm updated.")
    if arguments["autolock"] and not locked_before:
        _print_key(session)


def _autolock(swarm: Json) -> bool:
    return bool(dig(swarm, "Spec.EncryptionConfig.AutoLockManagers", False))


def unlock(session: Session, arguments: Arguments) -> None:
    state = session.get("/info")["Swarm"]["LocalNodeState"]
    if state == "inactive":
        raise CliError("Error: This node is not part of a swarm")
    if state != "locked":
        raise CliError("Error: swarm is not locked")
    key = session.stdin.decode(errors="replace").partition("\n")[0].strip()
    session.post("/swarm/unlock", {"UnlockKey": key})


def unlock_key(session: Session, arguments: Arguments) -> None:
    quiet = arguments["quiet"]
    if arguments["rotate"]:
        swarm = session.get("/swarm")
        if not _autolock(swarm):
            raise CliError("cannot rotate because autolock is not turned on")
        _update(session, swarm, "rotateManagerUnlockKey")
        if not quiet:
            session.print("Successfully rotated manager unlock key.")
    if not (key := _unlock_key(session)):
        raise CliError("no unlock key is set")
    session.print(key if quiet else UNLOCK.format(key=key))


def authority(session: Session, arguments: Arguments) -> None:
    swarm = session.get("/swarm")
    if arguments["rotate"]:
        _rotate_root(session, arguments, swarm)
        if arguments["detach"]:
            return
        watch_root_rotation(session, quiet=arguments["quiet"])
        if arguments["quiet"]:
            return
        swarm = session.get("/swarm")
    else:
        for flag in ("ca-cert", "ca-key", "cert-expiry", "external-ca"):
            if flag in arguments.given:
                raise CliError(f"`--{flag}` flag requires the `--rotate` flag to update the CA")
    if not (root := dig(swarm, "TLSInfo.TrustRoot")):
        raise CliError("No CA information available")
    session.print(root.strip())


def _rotate_root(session: Session, arguments: Arguments, swarm: Json) -> None:
    cert, key = arguments["ca-cert"] or "", arguments["ca-key"] or ""
    if arguments["external-ca"] and not cert:
        raise CliError(
            "rotating to an external CA requires the `--ca-cert` flag to specify the external CA's"
            " cert - to add an external CA with the current root CA certificate, use the `update`"
            " command instead"
        )
    if cert and not arguments["external-ca"] and not key:
        raise CliError(
            "the --ca-cert flag requires that a --ca-key flag and/or --external-ca flag be"
            " provided as well"
        )
    for authority in arguments["external-ca"]:
        authority["CACert"] = authority["CACert"] or cert
    settings = _edit(swarm["Spec"], arguments).setdefault("CAConfig", {})
    if cert:
        settings["SigningCACert"] = cert
    if key:
        settings["SigningCAKey"] = key
    if not cert and not key:
        settings["ForceRotate"] = settings.get("ForceRotate", 0) + 1
    _update(session, swarm)
