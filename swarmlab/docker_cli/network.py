"""`docker network …`: list, make, look at, remove."""

import ipaddress

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import Listing, join_labels, write_inspect, write_list
from swarmlab.docker_cli.session import ApiError, CliError, Json, Session
from swarmlab.docker_cli.text import go_time, go_value, natural_key, short_id

NETWORKS = Listing(
    go_type="*network.networkContext",
    titles={
        "ID": "NETWORK ID",
        "Name": "NAME",
        "Driver": "DRIVER",
        "Scope": "SCOPE",
        "IPv4": "IPV4",
        "IPv6": "IPV6",
        "Internal": "INTERNAL",
        "Labels": "LABELS",
        "CreatedAt": "CREATED AT",
    },
    shown="ID Name Driver Scope",
)


def ls(session: Session, arguments: Arguments) -> None:
    found = session.get("/networks", filters=arguments.filters()) or []
    found.sort(key=lambda network: natural_key(network["Name"]))
    whole = arguments["no-trunc"]
    write_list(session, arguments, NETWORKS, (_row(network, whole=whole) for network in found))


def _row(network: Json, *, whole: bool) -> Json:
    return {
        "ID": network["Id"] if whole else short_id(network["Id"]),
        "Name": network["Name"],
        "Driver": network["Driver"],
        "Scope": network["Scope"],
        "IPv4": go_value(network.get("EnableIPv4", False)),
        "IPv6": go_value(network.get("EnableIPv6", False)),
        "Internal": go_value(network.get("Internal", False)),
        "Labels": join_labels(network.get("Labels")),
        "CreatedAt": go_time(network["Created"]),
    }


def create(session: Session, arguments: Arguments) -> None:
    given = arguments.given
    body: Json = {
        "Name": arguments.words[0],
        "Driver": given.get("driver", "bridge"),
        "Scope": arguments["scope"] or "",
        "IPAM": _address_management(arguments),
        "Internal": arguments["internal"],
        "Attachable": arguments["attachable"],
        "Ingress": arguments["ingress"],
        "ConfigOnly": arguments["config-only"],
        "ConfigFrom": {"Network": given["config-from"]} if "config-from" in given else None,
        "Options": dict(text.partition("=")[::2] for text in arguments["opt"]),
        "Labels": dict(text.partition("=")[::2] for text in arguments["label"]),
    }
    for flag, field in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if flag in given:
            body[field] = given[flag]
    session.print(session.post("/networks/create", body)["Id"])


def _address_management(arguments: Arguments) -> Json:
    subnets, ranges, gateways = (_split(arguments[f]) for f in ("subnet", "ip-range", "gateway"))
    if len(subnets) < len(ranges) or len(subnets) < len(gateways):
        raise CliError("every ip-range or gateway must have a corresponding subnet")
    pools: dict[str, Json] = {subnet: {"Subnet": subnet} for subnet in subnets}
    auxiliary = [text.partition("=")[::2] for text in arguments["aux-address"]]
    try:
        for address in ranges:
            _pool(pools, address, "range")["IPRange"] = address
        for address in gateways:
            _pool(pools, address, "gateway")["Gateway"] = address
        for name, address in auxiliary:
            _pool(pools, address, "aux-address").setdefault("AuxiliaryAddresses", {})[name] = address
    except ValueError as error:
        raise CliError(f"invalid CIDR address: {str(error).split(chr(39))[1]}") from None
    options = dict(text.partition("=")[::2] for text in arguments["ipam-opt"])
    driver = arguments["ipam-driver"] or "default"
    return {"Driver": driver, "Options": options, "Config": list(pools.values())}


def _split(texts: list[str]) -> list[str]:
    return [part for text in texts for part in text.split(",")]


def _pool(pools: dict[str, Json], address: str, kind: str) -> Json:
    wanted = ipaddress.ip_interface(address).ip
    for subnet, pool in pools.items():
        if wanted in ipaddress.ip_network(subnet, strict=False):
            return pool
    raise CliError(f"no matching subnet for {kind} {address}")


def inspect(session: Session, arguments: Arguments) -> None:
    def fetch(reference: str) -> Json:
        verbose = str(arguments["verbose"]).lower()
        query = {"verbose": verbose} if arguments["verbose"] else {}
        found: Json = session.get(f"/networks/{reference}", **query)
        return found

    write_inspect(session, arguments, fetch)


def rm(session: Session, arguments: Arguments) -> None:
    failed = False
    for reference in arguments.words:
        try:
            session.call("DELETE", f"/networks/{reference}")
            session.print(reference)
        except ApiError as error:
            if not (arguments["force"] and error.status == 404):
                session.warn(str(error))
                failed = True
    if failed:
        raise CliError("exit status 1")


HANDLERS = {"network ls": ls, "network create": create, "network inspect": inspect, "network rm": rm}
