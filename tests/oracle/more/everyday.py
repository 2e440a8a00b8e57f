"""What is typed to a process, filters and events of an engine, and a manager without quorum."""

import json
import re
import socket
import urllib.parse

import facts
from facts import norm
from more.helpers import create, desired_tasks, scenario
from realswarm import api


# -- typing ----------------------------------------------------------------------------------------
def typed(p, path, body, steps, seconds=0.6):
    """What a hijacked connection shows while each of `steps` is typed, and after its end (None)."""
    data = json.dumps(body).encode() if body is not None else b""
    head = (f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n")
    seen = b""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(p.sock))
        sock.sendall(head.encode() + data)
        for step in ["", *steps]:
            if step is None:
                sock.shutdown(socket.SHUT_WR)
            elif step:
                sock.sendall(step.encode())
            sock.settimeout(max(0.3, seconds / p.c.speed))
            try:
                while piece := sock.recv(65536):
                    seen += piece
            except TimeoutError:
                continue
            break
    head, _, rest = seen.partition(b"\r\n\r\n")
    text = rest.decode(errors="replace")
    text = re.sub(r"(\r\n)+BusyBox v[^\n]*\r\n[^\n]*\r\n\r\n", "", text)  # the greeting of its shell
    return [head.split()[1].decode(), re.sub(r"\x1b\[6n", "", text)]  # and where it asks for the cursor


def exec_(p, command, tty, steps, **more):
    config = {"Cmd": command.split(), "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
    status, answer = api(p.sock, "POST", "/containers/box/exec", {**config, **more})
    if status != 201:
        return [status, norm(answer["message"])]
    seen = typed(p, f"/exec/{answer['Id']}/start", {"Tty": tty}, steps)
    after = facts.get(p.sock, f"/exec/{answer['Id']}/json")
    return [*seen, after["Running"], after["ExitCode"]]


@scenario(managers=1, workers=0)
def typing(p):
    p.ok("run -d --name box demo:1 sleep 1000")
    p.note("shell", exec_(p, "sh", True, ["echo hi\r", "x=5\r", "echo $x; pwd\r", "cd /tmp\r", "exit 3\r"]))
    p.note("interrupted", exec_(p, "sh", True, ["sleep 100\r", "\x03", "abc\x03", "exit\r"]))
    p.note("unfinished", exec_(p, "sh", True, ["for i in 1 2\r", "do echo $i; done\r", "exit\r"]))
    p.note("read and cat", exec_(p, "sh", True, ["read v\r", "typed\r", "echo got $v\r", "cat\r", "line\r", "\x04", "exit\r"]))
    p.note("cat on a terminal", exec_(p, "cat", True, ["one\r", "two\r", "\x04"]))
    p.note("sleep on a terminal", exec_(p, "sleep 100", True, ["abc\r", "\x03"]))
    p.note("detached", exec_(p, "cat", True, ["one\r", "\x10\x11"]))
    p.note("detached by other keys", exec_(p, "cat", True, ["one\r", "\x18"], DetachKeys="ctrl-x"))
    p.note("wrong keys", exec_(p, "cat", True, [], DetachKeys="nosuch"))
    p.note("cat on a pipe", exec_(p, "cat", False, ["one\n", "two\n", None]))
    p.note("shell on a pipe", exec_(p, "sh", False, ["echo a\n", "read x\n", "typed\n", "echo $x; exit 4\n"]))
    p.note("unknown program", exec_(p, "nosuch", False, [])[2:])
    p.ok("create -it --name shell demo:1 sh")
    p.ok("start shell")
    p.note("attached", typed(p, "/containers/shell/attach?stream=1&stdin=1&stdout=1", None, ["echo hi\r", "\x10\x11"]))
    p.note("it runs", p.ok("inspect -f {{.State.Status}} shell"))
    p.note("wrong keys to attach", [typed(p, "/containers/shell/attach?stream=1&detachKeys=nosuch", None, [])[0]])
    for key, options, stdin in (("run -i", "-i", "echo a; exit 7\n"), ("run", "", "echo a; exit 7\n")):
        p.note(key, p.docker(f"run --rm {options} demo:1 sh", stdin)[:2])
    p.say("run --rm of no user", "run --rm --user nosuch demo:1 true")
    p.note("it is gone", p.ok("ps -aq --filter status=created"))


# -- filters and events ----------------------------------------------------------------------------
def listed(p, every, **filters):
    text = urllib.parse.quote(json.dumps({k.replace("_", "-"): [v] for k, v in filters.items()}))
    status, answer = api(p.sock, "GET", f"/containers/json?all={int(every)}&filters={text}")
    return sorted(c["Names"][0] for c in answer) if status == 200 else [status, norm(answer["message"])]


@scenario(managers=1, workers=0)
def filters_and_events(p):
    p.ok("network create fnet")
    p.ok("create --name c1 demo:1")
    p.ok("run -d --name c2 --network fnet -v fvol:/d demo:1")
    p.ok("run -d --name c3 -p 18999:80 --expose 53/udp demo:1")
    p.ok("run -d --name c4 demo:1 false")
    p.ok("run -d --name c5 --health-cmd true --health-interval 1s demo:1")
    p.until("healthy", lambda: p.ok("inspect -f {{.State.Health.Status}} c5") == "healthy")
    p.until("exited", lambda: p.ok("inspect -f {{.State.Status}} c4") == "exited")
    for key, values in {"since": "c2 nosuch", "before": "c2 nosuch", "publish": "80 18999 18000-19000 x", "expose": "53/udp 53 50-60/udp x",
                        "network": "fnet nosuch bridge", "volume": "fvol /d nosuch", "health": "healthy none x", "is-task": "true false x",
                        "exited": "1 0 x", "ancestor": "demo:1 nosuch", "status": "created exited x", "nosuch": "1"}.items():
        p.note(key, {v: [listed(p, True, **{key: v}), listed(p, False, **{key: v})] for v in values.split()})
    p.note("network dangling", sorted(p.ok("network ls --filter type=custom --format {{.Name}}").split()))
    code, _, err = p.docker("run --cpus 99 demo:1 true")
    p.note("cpus", [code, re.sub("[0-9.]+(?= |,)", "N", err.split("\n")[0])])
    p.note("info", sorted(set(facts.get(p.sock, "/info")) - {"ProductLicense", "Containerd", "FirewallBackend", "DiscoveredDevices", "KernelMemory", "CDISpecDirs"}))
    since = facts.get(p.sock, "/info")["SystemTime"]
    p.ok("volume create evol")
    p.ok("volume create evol")
    p.ok("run -d --name e1 --label x=y -v evol:/d:ro demo:1")
    p.ok("exec e1 true")
    p.ok("rename e1 e2")
    p.ok("network connect fnet e2")
    p.ok("network disconnect fnet e2")
    p.ok("rm -f e2")
    p.ok("volume rm evol")
    until = facts.get(p.sock, "/info")["SystemTime"]
    lines = p.ok(["events", "--since", since, "--until", until, "--format", "{{json .}}"]).splitlines()
    ids = {"container": "CONTAINER", "execID": "EXEC"}
    events = [json.loads(line) for line in lines]
    events = [e for e in events if not e["Action"].startswith(("health", "exec")) or e["Actor"]["Attributes"]["name"].startswith("e")]
    p.note("events", [[e["Type"], e["Action"], {k: ids.get(k, v) for k, v in sorted(e["Actor"]["Attributes"].items()) if k not in ("v", "execDuration")}] for e in events])


# -- without quorum --------------------------------------------------------------------------------
def swarm(p):
    shown = facts.get(p.sock, "/info")["Swarm"]
    return [shown["LocalNodeState"], shown["ControlAvailable"], norm(shown["Error"]), len(shown["RemoteManagers"]), shown.get("Managers")]


@scenario(managers=3, workers=1)
def manager_without_quorum(p):
    """A manager that starts without quorum is pending; a forced new cluster starts its tasks again."""
    create(p, "web", "--mode global")
    p.running("web", 4)
    for node in ("m2", "m3", "m1"):
        p.c.crash(node)
    p.c.start("m1")
    p.c.sleep(15)
    p.note("pending", swarm(p))
    asked = (("GET", "/nodes"), ("GET", "/services"), ("GET", "/swarm"), ("POST", "/swarm/unlock"), ("POST", "/swarm/leave"))
    for method, path in asked:
        status, answer = api(p.sock, method, path, {"UnlockKey": "x"} if method == "POST" else None, timeout=60)
        p.note(f"{method} {path}", [status, norm(answer["message"])])
    old = p.ok("ps -a --format {{.Names}}")
    assert old.startswith("web."), old
    p.ok("swarm init --force-new-cluster --advertise-addr 10.77.0.2")
    p.until("m1 again", lambda: any(t["node"] == "m1" and t["state"] == "running" for t in desired_tasks(p, "web").values() if t["id"] not in old))
    failed = [t for t in facts.tasks(p.sock, "web") if t["state"] == "failed"]
    p.note("failed", [[t["node"], t["err"] == f"No such container: {old}"] for t in failed])
    p.note("active", swarm(p))


@scenario(managers=1, workers=0)
def events_of_prunes(p):
    """Each prune is an event of its own, also if nothing went."""
    since = p.ok("info --format {{.SystemTime}}").strip()
    p.ok("volume create vv")
    for what in ("container", "network", "volume", "image", "builder"):
        p.ok(f"{what} prune -f")
    p.c.sleep(1)
    until = p.ok("info --format {{.SystemTime}}").strip()
    lines = p.ok(["events", "--since", since, "--until", until, "--filter", "event=prune", "--format", "{{json .}}"]).splitlines()
    events = [json.loads(line) for line in lines]
    p.note("events", [[e["Type"], e["Action"], e["Actor"], e["scope"]] for e in events])
