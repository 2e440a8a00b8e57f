"""Helpers for the scenarios of this folder: how they are listed, and facts about a swarm."""

import collections

import facts
import scenarios
from facts import norm
from realswarm import api

ALL = {}


def scenario(managers=1, workers=2, init=""):
    """As `scenarios.scenario`, but listed only here, and with a smaller swarm by default."""

    def deco(f):
        scenarios.scenario(managers, workers, init)(f)
        ALL[f.__name__] = scenarios.ALL.pop(f.__name__)
        return f

    return deco


QUICK = "--stop-grace-period 1s --update-monitor 1s --rollback-monitor 1s"


def create(p, name, options="", command="demo:1"):
    p.ok(f"service create -d --name {name} {QUICK} {options} {command}")


def desired_tasks(p, svc):
    """The tasks whose desired state is running, as {id: task}."""
    return {t["id"]: t for t in facts.tasks(p.sock, svc) if t["desired"] == "running"}


def on(p, svc, node):
    """How many tasks of the service were on the node, of each (desired, state)."""
    tasks = [t for t in facts.tasks(p.sock, svc) if t["node"] == node]
    return {
        "/".join(k): v
        for k, v in sorted(collections.Counter((t["desired"], t["state"]) for t in tasks).items())
    }


def kill(p, svc, node):
    cid = p.ok(f"ps -q --filter name={svc}", at=node).split()[0]
    p.ok(f"kill {cid}", at=node)


def node_is(p, node, state):
    p.until(f"{node} {state}", lambda: facts.node_table(p.sock)[node][0][2] == state)


def settle(p, svc, timeout=60):
    """Wait for an update to begin, if there is one, and to end."""
    p.c.sleep(1)
    if facts.update_status(p.sock, svc)[0] in ("updating", "rollback_started"):
        p.update_done(svc, timeout)
    return facts.update_status(p.sock, svc)


def replaced(p, svc, options, replicas=1):
    """How many of the service's tasks an update replaces."""
    before = set(desired_tasks(p, svc))
    p.ok(f"service update -d {options} {svc}")
    settle(p, svc)
    p.running(svc, replicas)
    return len(before - set(desired_tasks(p, svc)))


def ask(p, method, path, body=None):
    """Status, and the normalised message of an error."""
    status, answer = api(p.sock, method, path, body)
    return [status, norm(answer["message"]) if status >= 400 else ""]
