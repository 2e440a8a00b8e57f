"""Every command on the talk's slides, as typed there, on a simulated engine: what comes of it.

The stock command line is given the same ones in test_docker_cli_stock.py, with the same outcome.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.jupyter import magic

# Slide: the command; exit code, what it answers (a pattern over both streams), what the hint says.
# In the order of the slides, on one engine that begins in no swarm and gets a service `demo`.
TALK: tuple[tuple[int, str, int, str, str], ...] = (
    (6, "docker run redis", 1, "docker run is not part of this kit", ""),
    (37, "docker swarm init --autolock", 0, r"Swarm initialized(?s:.*)SWMKEY-1-", ""),
    (37, "docker swarm update --autolock", 0, r"Swarm updated\.", ""),
    (34, "docker service create nginx", 0, r"verify: Service \w{25} converged", ""),
    (
        *(35, 'docker node update \\\n--label-add "az=sa-east-1" \\\ndemo', 1),
        *("Error response from daemon: node demo not found", "demo has to be a node"),
    ),
    (
        *(35, 'docker service create \\\n--placement-pref "spread=node.label.az" \\\ndemo', 0),
        *(r"^\w{25}\n", "nothing reads node.label.az: did you mean node.labels.az"),
    ),
    (36, "docker swarm ca --help", 0, r"Usage:  docker swarm ca \[OPTIONS\]", ""),
    (
        *(38, 'echo "senha" | docker secret \\\ncreate senha-db -', 0),
        *(r"^\w{25}\n", "the newline that echo adds is stored too (6 bytes)"),
    ),
    (
        *(38, "docker service create \\\n--secret-add=senha-db demo", 125),
        *("unknown flag: --secret-add", "`docker service create` takes --secret"),
    ),
    (38, "docker service update \\\n--secret-rm=senha-db demo", 0, "Service demo converged", ""),
    (
        *(39, "docker exec $(docker ps -q --filter name=demo.1) cat /run/secret/senha-db", 1),
        *("No such file or directory", "/run/secrets/senha-db"),
    ),
    (
        *(40, 'echo "config" | docker config \\\ncreate cfg-demo -', 0),
        *(r"^\w{25}\n", "the newline that echo adds is stored too (7 bytes)"),
    ),
    (
        *(40, "docker service create \\\n--config-add=cfg-demo demo", 125),
        *("unknown flag: --config-add", "`docker service create` takes --config"),
    ),
    (40, "docker service update \\\n--config-rm=cfg-demo demo", 0, "Service demo converged", ""),
    (
        42,
        "docker service update \\\n--update-parallelism \\\n--update-order \\\n"
        "--update-monitor \\\n--update-delay \\\n--update-max-failure-ratio \\\n"
        "--update-failure-action",
        125,
        'invalid argument "--update-order" for "--update-parallelism" flag',
        "--update-parallelism takes a value",
    ),
    (
        43,
        "docker service update --rollback \\\n--rollback-parallelism \\\n--rollback-order \\\n"
        "--rollback-monitor \\\n--rollback-delay \\\n--rollback-max-failure-ratio \\\n"
        "--rollback-failure-action",
        125,
        'invalid argument "--rollback-order" for "--rollback-parallelism" flag',
        "cannot stand beside --rollback",
    ),
    (
        *(43, "docker service update --rollback --rollback-parallelism 2 demo", 1),
        *("other flags may not be combined with --rollback", "first store the policy"),
    ),
)


def typed(text: str) -> tuple[int, str, str]:
    """Exit code, what was said, and the hint."""
    out, err = io.StringIO(), io.StringIO()
    code = magic.run_commands(text, out, err)
    said, _, hint = (out.getvalue() + err.getvalue()).partition("hint: ")
    return code, said, hint


@pytest.fixture(scope="module")
def lab() -> Any:
    """An engine in no swarm; the swarm, and the service `demo`, come with the slides."""
    cluster = swarmlab.engines(["m1"], seed=7)
    cluster.use()
    return cluster


@pytest.fixture(scope="module")
def outcomes(lab: Any) -> list[tuple[int, str, str]]:
    found = []
    for slide, text, *_ in TALK:
        if (slide, "--secret-rm" in text) == (38, True):
            assert (
                typed("docker service create --quiet --name demo --secret senha-db nginx")[0] == 0
            )
        found.append(typed(text))
    return found


@pytest.mark.parametrize("number", range(len(TALK)), ids=[f"{t[0]}: {t[1]}" for t in TALK])
def test_a_command_of_the_talk_does_what_an_engine_does_and_a_slip_gets_its_hint(outcomes, number):
    _, _, code, pattern, taught = TALK[number]
    found_code, said, hint = outcomes[number]
    assert found_code == code
    assert re.search(pattern, said, re.MULTILINE), said
    assert taught in hint
    assert bool(hint) == bool(taught), hint


def test_a_secret_of_500_kb_is_too_big_and_one_byte_less_is_not(lab, outcomes, tmp_path: Path):
    """Slide 38 says "até 500Kb": the limit itself is refused. Spec: api-security, 11.10."""
    for size, wanted in ((512_000, 1), (511_999, 0)):
        (tmp_path / "blob").write_bytes(b"x" * size)
        code, said, hint = typed(f"docker secret create big{size} {tmp_path / 'blob'}")
        assert code == wanted
        assert ("less than 512000 bytes" in said) == bool(wanted)
        assert ("one byte less is the most" in hint) == bool(wanted)


def test_an_interrupted_cell_leaves_the_cluster_sane(lab, outcomes, monkeypatch):
    """As Ctrl+C does: the engine goes on, and says where to look."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out = io.StringIO()
    line = "docker service create --name halted --replicas 3 nginx"
    assert magic.run_commands(line, out, out, progress=interrupted) == 0
    assert "Operation continuing in background." in out.getvalue()
    lab.run("30s")
    assert typed("docker service ls --filter name=halted --format {{.Replicas}}")[1] == "3/3\n"


def test_what_never_settles_ends_after_a_while_of_virtual_time(lab, outcomes):
    begun_ns = lab.now_ns
    code, said, _ = typed("docker service create --name never nobody/nothing")
    assert code == 0
    assert "Use `docker service ps" in said
    assert (lab.now_ns - begun_ns) / 10**9 < magic.CONVERGENCE_LIMIT_S + 60


def test_the_notebooks_page_lists_every_slip():
    page = (Path(__file__).parents[1] / "notebooks" / "README.md").read_text()
    for slip in (
        "node.label.az",
        "--secret-add",
        "--config-add",
        "/run/secret/",
        "--rollback",
        "500",
    ):
        assert slip in page
    assert page.count("| 3") + page.count("| 4") >= 8
