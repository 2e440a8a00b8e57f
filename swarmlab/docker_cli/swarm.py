"""`docker swarm …`: a cluster made, joined, left, changed, locked."""

from collections.abc import Mapping
from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.progress import watch_root_rotation
from swarmlab.docker_cli.session import CliError, Json, Session

AVAILABILITIES = ("active", "pause", "drain")
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
# Flag to its place in the cluster's spec.
SPEC = {
    "task-history-limit": "Orchestration.TaskHistoryRetentionLimit",
    "dispatcher-heartbeat": "Dispatcher.HeartbeatPeriod",
    "max-snapshots": "Raft.KeepOldSnapshots",
    "snapshot-interval": "Raft.SnapshotInterval",
    "autolock": "EncryptionConfig.AutoLockManagers",
    "cert-expiry": "CAConfig.NodeCertExpiry",
    "external-ca": "CAConfig.ExternalCAs",
}


def _merge(spec: Json, given: Mapping[str, Any]) -> Json:
    for flag, path in SPEC.items():
        if flag in given:
            group, _, name = path.partition(".")
            spec.setdefault(group, {})[name] = given[flag]
    return spec


def _availability(arguments: Arguments) -> str:
    word = str(arguments["availability"] or "")
    if word and word.lower() not in AVAILABILITIES:
        raise CliError(f'invalid availability "{word}", only active, pause and drain are supported')
    return word.lower()


def _unlock_key(session: Session) -> str:
    try:
        return str(session.get("/swarm/unlockkey")["UnlockKey"])
    except CliError as error:
        raise CliError(f"could not fetch unlock key: {error}") from None


def _print_key(session: Session, key: str) -> None:
    if key:
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
    body = {
        "ListenAddr": arguments["listen-addr"] or "0.0.0.0:2377",
        "AdvertiseAddr": arguments["advertise-addr"] or "",
        "DataPathAddr": arguments["data-path-addr"] or "",
        "DataPathPort": arguments["data-path-port"] or 0,
        "ForceNewCluster": arguments["force-new-cluster"],
        "Spec": _merge(spec, arguments.given),
        "AutoLockManagers": arguments["autolock"],
        "Availability": _availability(arguments),
        "DefaultAddrPool": arguments["default-addr-pool"],
        "SubnetSize": arguments.given.get("default-addr-pool-mask-length", 24),
    }
    try:
        node_id = session.post("/swarm/init", body)
    except CliError as error:
        text = str(error)
        if (
            "could not choose an IP address to advertise" in text
            or "could not find the system's IP" in text
        ):
            raise CliError(f"{text} - specify one with --advertise-addr") from None
        raise
    session.print(f"Swarm initialized: current node ({node_id}) is now a manager.", "")
    _print_join(session, node_id, "worker")
    session.print(
        "To add a manager to this swarm, run 'docker swarm join-token manager' and follow the"
        " instructions."
    )
    if arguments["autolock"]:
        _print_key(session, _unlock_key(session))


def join(session: Session, arguments: Arguments) -> None:
    body = {
        "ListenAddr": arguments["listen-addr"] or "0.0.0.0:2377",
        "AdvertiseAddr": arguments["advertise-addr"] or "",
        "DataPathAddr": arguments["data-path-addr"] or "",
        "RemoteAddrs": arguments.words,
        "JoinToken": arguments["token"] or "",
        "Availability": _availability(arguments),
    }
    session.post("/swarm/join", body)
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
    locked_before = swarm["Spec"].get("EncryptionConfig", {}).get("AutoLockManagers")
    _merge(swarm["Spec"], arguments.given)
    for authority in arguments["external-ca"]:
        authority["CACert"] = authority["CACert"] or swarm["TLSInfo"]["TrustRoot"]
    _update(session, swarm)
    session.print("Swarm updated.")
    if arguments["autolock"] and not locked_before:
        _print_key(session, _unlock_key(session))


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
        if not swarm["Spec"].get("EncryptionConfig", {}).get("AutoLockManagers"):
            raise CliError("cannot rotate because autolock is not turned on")
        _update(session, swarm, "rotateManagerUnlockKey")
        if not quiet:
            session.print("Successfully rotated manager unlock key.")
    key = _unlock_key(session)
    if not key:
        raise CliError("no unlock key is set")
    if quiet:
        session.print(key)
    else:
        _print_key(session, key)


def authority(session: Session, arguments: Arguments) -> None:
    swarm = session.get("/swarm")
    given = arguments.given
    if arguments["rotate"]:
        _rotate_root(session, arguments, swarm)
        if arguments["detach"]:
            return
        watch_root_rotation(session, quiet=arguments["quiet"])
        if arguments["quiet"]:
            return
        swarm = session.get("/swarm")
    elif flag := next(
        (f for f in ("ca-cert", "ca-key", "cert-expiry", "external-ca") if f in given), ""
    ):
        raise CliError(f"`--{flag}` flag requires the `--rotate` flag to update the CA")
    if not (root := swarm.get("TLSInfo", {}).get("TrustRoot", "")):
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
    for one in arguments["external-ca"]:
        one["CACert"] = one["CACert"] or cert
    settings = _merge(swarm["Spec"], arguments.given).setdefault("CAConfig", {})
    settings |= {
        name: text for name, text in (("SigningCACert", cert), ("SigningCAKey", key)) if text
    }
    if not cert and not key:
        settings["ForceRotate"] = settings.get("ForceRotate", 0) + 1
    _update(session, swarm)
