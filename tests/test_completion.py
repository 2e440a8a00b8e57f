"""Completion by Tab, through IPython's own completer: docker commands, and names in calls."""

from __future__ import annotations

import io

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab.cluster.current import made_current
from swarmlab.docker_cli.flags import FILTER_KEYS, commands
from swarmlab.jupyter.magic import run_commands
from swarmlab.views.placement_explanation import why
from swarmlab.views.spread import spread


@pytest.fixture(scope="module")
def shell() -> InteractiveShell:
    """A swarm of five with two services, a secret and a network."""
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    lines = """
        service create -d --name web --replicas 3 nginx
        service create -d --name shop-db redis
        printf x | docker secret create senha-db -
        network create -d overlay dentro
        run --detach --name ended alpine true
    """
    assert run_commands(lines, io.StringIO(), io.StringIO()) == 0
    cluster.run("10s")
    shell = InteractiveShell()
    swarmlab.load_ipython_extension(shell)
    client, other = cluster.client("m2"), swarmlab.simulate(managers=1, workers=0)
    made_current(cluster)
    shell.user_ns |= {"cluster": cluster, "client": client, "why": why, "spread": spread}
    shell.user_ns |= {"other": other}
    return shell


def completions(shell: InteractiveShell, typed: str) -> list[str]:
    """Whole lines, without what was typed before the last word."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(typed, len(typed)))
    return [completion.text for completion in found]


TASKS = ["web.1", "web.2", "web.3"]
NODES = ["m1", "m2", "m3", "w1", "w2"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ('cluster.crash("m', ["m1", "m2", "m3"]),
        ("cluster.client('w", ["w1", "w2"]),
        ('cluster.client().services.get("w', ["web"]),
        ('cluster.disk("', NODES),
        ('other.disk("', ["m1"]),
        ('cluster.explain("web.', TASKS),
        ('cluster.explain("', ["shop-db.1", *TASKS]),
        ('cluster.who_can_read("sen', ["senha-db"]),
        ('cluster.traffic("web", source="w', ["w1", "w2"]),
        ('cluster.traffic("', ["shop-db", "web"]),
        ('cluster.traffic(service="shop-', ["shop-db"]),
        ('cluster.close_ports("m1", "w', ["w1", "w2"]),
        ('cluster.partition("m1,w', ["w1", "w2"]),
        ('cluster.partition(["m1"], ["m', ["m1", "m2", "m3"]),
        ('why(cluster, "shop', ["shop-db.1"]),
        ('why(other, "', []),
        ('spread(cluster, "w', ["web"]),
        ('client.services.get("', ["shop-db", "web"]),
        ('client.nodes.get("w', ["w1", "w2"]),
        ('cluster.client("m2").secrets.get("', ["senha-db"]),
        ('cluster.client().networks.get("den', ["dentro"]),
        ("x = client.containers.get('sh", []),
        ('cluster.nodes["', NODES),
        ('cluster.services["', []),
        ("cluster.tasks['", []),
        ("cluster.client().nodes['", []),
        ("client.services['", []),
    ],
)
def test_names_of_objects_are_completed_where_a_call_takes_one(
    shell: InteractiveShell, typed: str, expected: list[str]
):
    assert [word.rstrip('"]') for word in completions(shell, typed)][: len(expected)] == expected
    assert expected or not {*NODES, *TASKS, "web"} & set(completions(shell, typed))


def test_to_look_for_names_lets_no_time_pass(shell: InteractiveShell):
    before_ns = shell.user_ns["cluster"].now_ns
    assert completions(shell, 'cluster.explain("web.') == TASKS
    assert shell.user_ns["cluster"].now_ns == before_ns


@pytest.mark.parametrize(
    "typed", ['cluster.run("m', 'other.run("m', 'cluster.crash("m1") + "m', 'unknown.crash("m']
)
def test_names_are_not_completed_elsewhere(shell: InteractiveShell, typed: str):
    assert not set(NODES) & set(completions(shell, typed))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("service ps ", ["shop-db", "web"]),
        ("node update --availability ", ["active", "drain", "pause"]),
        ("node update --availability=dr", ["drain"]),
        ("node update --availability drain ", NODES),
        ("node update --role m", ["manager"]),
        ("service create --mode ", ["global", "global-job", "replicated", "replicated-job"]),
        ("service create --endpoint-mode ", ["dnsrr", "vip"]),
        ("service create --secret ", ["senha-db"]),
        ("service create --network den", ["dentro"]),
        ("service update --secret-rm ", ["senha-db"]),
        ("service update --update-order ", ["start-first", "stop-first"]),
        ("service update --update-failure-action ", ["continue", "pause", "rollback"]),
        ("service update --restart-condition o", ["on-failure"]),
        ("service update --detach w", ["web"]),
        ("service update --health-interval ", []),
        ("swarm update --autolock ", []),
        ("swarm join-token ", ["manager", "worker"]),
        ("node ls --filter r", ["role="]),
        ("node ls -f me", ["membership="]),
        ("ps --filter is", ["is-task=", "isolation="]),
        ("node ls --fi", ["--filter"]),
        ("logs en", ["ended"]),
    ],
)
def test_values_of_flags_are_those_that_the_command_takes(
    shell: InteractiveShell, typed: str, expected: list[str]
):
    found = completions(shell, f"%docker {typed}")
    assert found[: len(expected)] == expected
    assert expected or not {*NODES, "web", "true"} & set(found)


def test_every_command_that_filters_has_its_keys_and_the_engine_takes_them(shell: InteractiveShell):
    filtering = {c.path for c in commands().values() if "filter" in c.flags}
    assert filtering == set(FILTER_KEYS)
    words = {"until": "1h", "volume": "x", "exited": "1", "health": "none", "status": "running"}
    words |= {"role": "worker", "membership": "accepted", "desired-state": "running"}
    words |= {"publish": "80", "expose": "80", "node": "m1", "driver": "local", "all": "true"}
    words |= dict.fromkeys(("is-task", "dangling"), "true")
    for path in sorted(filtering):
        for key in (*FILTER_KEYS[path].split(), "nothing"):
            rest = {"node ps": " m1", "service ps": " web", "events": " --until 1s"}.get(path, "")
            rest = rest or " --force" * path.endswith("prune") or " web" * path.startswith("stack")
            err = io.StringIO()
            value = {"since": "", "before": ""}.get(key, words.get(key, "x"))
            run_commands(f"{path} --filter {key}={value}{rest}", io.StringIO(), err)
            refused = f"invalid filter '{key}'" in err.getvalue()
            assert refused is (key == "nothing"), f"{path} {key}: {err.getvalue()}"
