"""`docker secret`, `docker config`, `docker network`, and what several kinds of objects share."""

import base64
import ipaddress

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import labels, write_inspect, write_list
from swarmlab.docker_cli.session import ApiError, ApiNotFound, CliError, Json, Session, read_file
from swarmlab.templates.go_text import go_quote
from swarmlab.units import natural_key

READ_LIMIT = {"secret": 2 * 500 * 1024, "config": 2 * 1000 * 1024}
INGRESS = """\
WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run the\
 same docker engine version. Otherwise, removal may not be effective and functionality of newly\
 create ingress networks will be impaired.
"""
PRUNE = "WARNING! This will remove all custom networks not used by at least one container.\n"


# -- any kind of object --------------------------------------------------------------------------
def ls(session: Session, arguments: Arguments) -> None:
    objects = session.get(f"/{arguments.kind}s", filters=arguments.filters()) or []
    objects.sort(key=lambda item: natural_key(name_of(item)))
    write_list(session, arguments, arguments.command.path, objects)


def name_of(item: Json) -> str:
    return str(item["Name"] if "Name" in item else item["Spec"]["Name"])


def inspect(session: Session, arguments: Arguments) -> None:
    verbose = "true" if arguments.given.get("verbose") else ""

    def fetch(reference: str) -> Json:
        item: Json = session.get(f"/{arguments.kind}s/{reference}", verbose=verbose)
        return item

    write_inspect(session, arguments, fetch, escaped=arguments.kind != "network")


def rm(session: Session, arguments: Arguments) -> None:
    path, force = f"/{arguments.kind}s/{{}}", arguments.given.get("force")
    session.end(session.send_each(arguments.words, "DELETE", path, force=force))


# -- secrets and configs -------------------------------------------------------------------------
def create(session: Session, arguments: Arguments) -> None:
    kind, (name, *files) = arguments.kind, arguments.words
    driver = arguments.given.get("driver")
    if driver and files:
        raise CliError("When using secret driver secret data must be empty")
    try:
        data = b"" if driver else _read(session, kind, files[0] if files else "")
    except CliError as error:
        prefix = f"Error reading content from {go_quote(files[0])}: " if kind == "config" else ""
        raise CliError(f"{prefix}{error}") from None
    body: Json = {"Name": name, "Labels": labels(arguments["label"])}
    if data:
        body["Data"] = base64.b64encode(data).decode()
    for field, driver_name in (("Driver", driver), ("Templating", arguments["template-driver"])):
        if driver_name:
            body[field] = {"Name": driver_name}
    session.print(session.post(f"/{kind}s/create", body)["ID"])


def _read(session: Session, kind: str, file: str) -> bytes:
    if not file:
        raise CliError(f"{kind} file is required")
    try:
        data = session.stdin if file == "-" else read_file(file)
    except CliError as error:
        raise CliError(f"error reading from {file}: {error}") from None
    if not data:
        raise CliError(f"error reading from {'STDIN' if file == '-' else file}: data is empty")
    return data[: READ_LIMIT[kind]]


# -- networks ------------------------------------------------------------------------------------
def network_create(session: Session, arguments: Arguments) -> None:
    given = arguments.given
    body: Json = {
        "Name": arguments.words[0],
        "Driver": given.get("driver", "bridge"),
        "Scope": given.get("scope", ""),
        "IPAM": _address_management(arguments),
        "Internal": arguments["internal"],
        "Attachable": arguments["attachable"],
        "Ingress": arguments["ingress"],
        "ConfigOnly": arguments["config-only"],
        "ConfigFrom": {"Network": given["config-from"]} if "config-from" in given else None,
        "Options": labels(arguments["opt"]),
        "Labels": labels(arguments["label"]),
    }
    fields = {"EnableIPv4": "ipv4", "EnableIPv6": "ipv6"}
    body |= {field: given[flag] for field, flag in fields.items() if flag in given}
    session.print(session.post("/networks/create", body)["Id"])


def _address_management(arguments: Arguments) -> Json:
    subnets, ranges, gateways = (
        [address for address in ",".join(arguments[flag]).split(",") if address]
        for flag in ("subnet", "ip-range", "gateway")
    )
    if len(subnets) < max(len(ranges), len(gateways)):
        raise CliError("every ip-range or gateway must have a corresponding subnet")
    pools: dict[str, Json] = {subnet: {"Subnet": subnet} for subnet in subnets}

    def pool_of(text: str, kind: str) -> Json:
        address = ipaddress.ip_interface(text).ip
        for subnet, pool in pools.items():
            if address in ipaddress.ip_network(subnet, strict=False):
                return pool
        raise CliError(f"no matching subnet for {kind} {text}")

    try:
        for address in ranges:
            pool_of(address, "range")["IPRange"] = address
        for address in gateways:
            pool_of(address, "gateway")["Gateway"] = address
        for name, address in labels(arguments["aux-address"]).items():
            pool_of(address, "aux-address").setdefault("AuxiliaryAddresses", {})[name] = address
    except ValueError as error:
        raise CliError(f"invalid CIDR address: {str(error).split(chr(39))[1]}") from None
    driver, options = arguments["ipam-driver"] or "default", labels(arguments["ipam-opt"])
    return {"Driver": driver, "Options": options, "Config": list(pools.values())}


def confirmed(session: Session, warning: str) -> bool:
    session.out.write(f"{warning}Are you sure you want to continue? [y/N] ")
    return session.stdin.strip().lower() == b"y"


def network_rm(session: Session, arguments: Arguments) -> None:
    failed = False
    for reference in arguments.words:
        path = f"/networks/{reference}"
        networks, _ = session.collect([path], lambda path: [session.get(path)])
        ingress = networks and networks[0].get("Ingress")
        if ingress and not confirmed(session, INGRESS):
            continue
        try:
            session.call("DELETE", path)
            session.print(reference)
        except ApiError as error:
            if not (arguments["force"] and isinstance(error, ApiNotFound)):
                session.warn(str(error))
                failed = True
    if failed:
        raise CliError("exit status 1")


def network_connect(session: Session, arguments: Arguments) -> None:
    network, container = arguments.words
    given = arguments.given
    addresses = {
        "IPv4Address": given.get("ip"),
        "IPv6Address": given.get("ip6"),
        "LinkLocalIPs": arguments["link-local-ip"],
    }
    empty = dict.fromkeys(("MacAddress", "NetworkID", "EndpointID", "Gateway", "IPAddress"), "")
    endpoint = empty | {
        "IPAMConfig": {name: value for name, value in addresses.items() if value},
        "Links": arguments["link"] or None,
        "Aliases": arguments["alias"],
        "DriverOpts": labels(arguments["driver-opt"]),
        "GwPriority": arguments["gw-priority"] or 0,
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
    body = {"Container": container, "EndpointConfig": endpoint}
    session.post(f"/networks/{network}/connect", body)


def network_disconnect(session: Session, arguments: Arguments) -> None:
    network, container = arguments.words
    body = {"Container": container, "Force": arguments["force"]}
    session.post(f"/networks/{network}/disconnect", body)


def network_prune(session: Session, arguments: Arguments) -> None:
    if arguments["force"] or confirmed(session, PRUNE):
        answer = session.post("/networks/prune", filters=arguments.filters())
        if names := answer.get("NetworksDeleted"):
            session.print("Deleted Networks:", *names, "")
