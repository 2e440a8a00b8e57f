"""Every command on the talk's slides, as typed there, on a simulated engine.

test_docker_cli_stock.py gives the same ones to the stock command line, with the same outcome.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.jupyter import magic

# Slide, command, exit code, pattern of the output (both streams), part of the hint. In the order of
# the slides, on one engine that starts outside a swarm and gets a service `demo`.
TALK: tuple[tuple[int, str, int, str, str], ...] = (
    (6, "docker run redis", 0, "Ready to accept connections", "the container goes on"),
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
        *("other flags may not be combined with --rollback", "in an earlier update (or at create)"),
    ),
)


def typed(text: str) -> tuple[int, str, str]:
    """Exit code, output, and hint."""
    out = io.StringIO()
    code = magic.run_commands(text, out, out)
    output, _, hint = out.getvalue().partition("hint: ")
    return code, output, " ".join(hint.split())


@pytest.fixture(scope="module")
def lab() -> Any:
    """An engine outside a swarm; the slides create the swarm and the service `demo`."""
    cluster = swarmlab.engines(["m1"], seed=7)
    cluster.use()
    return cluster


@pytest.fixture(scope="module")
def outcomes(lab: Any) -> list[tuple[int, str, str]]:
    results = []
    for slide, text, *_ in TALK:
        if (slide, "--secret-rm" in text) == (38, True):
            assert (
                typed("docker service create --quiet --name demo --secret senha-db nginx")[0] == 0
            )
        results.append(typed(text))
    return results


@pytest.mark.parametrize("number", range(len(TALK)), ids=[f"{t[0]}: {t[1]}" for t in TALK])
def test_a_command_of_the_talk_has_dockers_outcome_and_a_mistake_gets_a_hint(outcomes, number):
    _, _, code, pattern, hint_part = TALK[number]
    actual_code, output, hint = outcomes[number]
    assert actual_code == code
    assert re.search(pattern, output, re.MULTILINE), output
    assert hint_part in hint
    assert bool(hint) == bool(hint_part), hint


def test_a_secret_of_500_kb_is_too_big_and_one_byte_less_is_not(lab, outcomes, tmp_path: Path):
    """Slide 38 says "até 500Kb"; the limit itself is too large.

    Source: swarmkit manager/controlapi/secret.go, validateSecretSpec.
    """
    for size, exit_code in ((512_000, 1), (511_999, 0)):
        (tmp_path / "blob").write_bytes(b"x" * size)
        code, output, hint = typed(f"docker secret create big{size} {tmp_path / 'blob'}")
        assert code == exit_code
        assert ("less than 512000 bytes" in output) == bool(exit_code)
        assert ("one byte less is the most" in hint) == bool(exit_code)


def test_an_interrupted_command_goes_on_in_the_background(lab, outcomes, monkeypatch):
    """As after Ctrl+C; the output says how to check progress."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out = io.StringIO()
    line = "docker service create --name halted --replicas 3 nginx"
    assert magic.run_commands(line, out, out, progress=interrupted) == 0
    assert "Operation continuing in background." in out.getvalue()
    lab.run("30s")
    assert typed("docker service ls --filter name=halted --format {{.Replicas}}")[1] == "3/3\n"


def test_waiting_for_a_service_that_never_converges_ends_after_a_limit(lab, outcomes):
    start_ns = lab.now_ns
    code, output, _ = typed("docker service create --name never nobody/nothing")
    assert code == 0
    assert "Use `docker service ps" in output
    assert (lab.now_ns - start_ns) / 10**9 < magic.CONVERGENCE_LIMIT_S + 60


READMES = sorted((Path(__file__).parents[1] / "notebooks").rglob("README.md"))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_the_notebooks_page_lists_every_mistake_on_the_slides(readme: Path):
    page = readme.read_text("utf-8")
    for mistake in (
        "node.label.az",
        "--secret-add",
        "--config-add",
        "/run/secret/",
        "--rollback",
        "500",
    ):
        assert mistake in page
    assert page.count("| 3") + page.count("| 4") >= 8
