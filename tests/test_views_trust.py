"""Who trusts which root and whose certificate is from which, live; and what a link gives away."""

from __future__ import annotations

import io
from typing import Any

import pytest

from swarmlab.cluster.inspectors import eavesdrop
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.goal_checks import SwarmReader, evaluate
from swarmlab.views.trust import Trust, trust


def docker_output(*lines: str) -> str:
    out = io.StringIO()
    for line in lines:
        run_commands(line, out, out)
    return out.getvalue()


class Real:
    """A cluster that has the Docker API and lets time pass, as real engines."""

    kind = "real"
    has_trace = False

    def __init__(self, cluster: Any) -> None:
        self.client, self.run, self.clock_ns = cluster.client, cluster.run, cluster.clock_ns


def step(view: Trust) -> list[tuple[str, ...]]:
    """Press Step; (trusts, certificate from) of each node then."""
    view._on_message(None, {"do": "step"}, [])
    return roots(view)


def roots(view: Trust) -> list[tuple[str, ...]]:
    return [row[2:4] for row in view.table.rows]


@pytest.fixture
def view(cluster: Any) -> Trust:
    """Three managers, two workers, one root."""
    cluster.use()
    return trust(cluster)


def test_at_rest_there_is_one_root_and_every_certificate_has_its_date(view: Trust):
    assert roots(view) == [("A", "A")] * 5
    assert [row[1] for row in view.table.rows] == ["manager"] * 3 + ["worker"] * 2
    assert {row[4] for row in view.table.rows} == {"until 2018-01-26 12:00"}
    assert step(view) == [("A", "A")] * 5
    assert "Nothing has changed" in view.error


def test_a_rotation_goes_node_by_node_first_the_certificates_then_the_trust(view: Trust):
    """Source: swarmkit ca/reconciler.go."""
    docker_output("docker swarm ca --rotate --detach")
    seen = [step(view) for _press in range(5)]
    last_issuers = seen.index([("A", "B")] * 5)  # the last moment at which all trust the old root
    first, rest = seen[: last_issuers + 1], seen[last_issuers + 1 :]
    assert len(first) > 2
    assert len(rest) > 1
    assert {trusts for rows in first for trusts, _issuer in rows} == {"A"}
    assert {issuer for rows in rest for _trusts, issuer in rows} == {"B"}
    assert rest[-1] == [("B", "B")] * 5
    assert "One root, B." in repr(view)
    assert "gone" in view.value  # A is still shown
    assert view.recording.moments >= len(set(map(str, seen)))


def test_a_node_that_is_down_is_named_as_what_the_rotation_waits_for(view: Trust, cluster: Any):
    cluster.crash("w2")
    cluster.run("30s")
    docker_output("docker swarm ca --rotate --detach")
    cluster.run("1m")
    view.refresh()
    assert roots(view) == [("A", "B")] * 4 + [("A", "A")]
    assert view.table.rows[-1][4] == "down"
    late = Trust(cluster)  # the root that is trusted comes first, whenever one looks
    late.refresh()
    assert roots(late) == roots(view)
    late.close()
    assert "The rotation waits for w2 (down)." in repr(view)
    docker_output("docker node rm w2")
    cluster.run("10s")
    view.refresh()
    assert roots(view) == [("B", "B")] * 4


@pytest.mark.parametrize("first", ["0.1s", "1s", "2s", "3s", "5s", "10s"])
def test_a_rotation_within_a_rotation_has_a_third_root(view: Trust, cluster: Any, first: str):
    """Nodes that have renewed for the first are asked again, whether the managers know yet or not.

    Source: the oracle's scenario `rotation_within_a_rotation`.
    """
    cluster.crash("w2")
    docker_output("docker swarm ca --rotate --detach")
    cluster.run(first)
    view.refresh()
    docker_output("docker swarm ca --rotate --detach")
    cluster.run("10s")
    view.refresh()
    assert roots(view) == [("A", "C")] * 4 + [("A", "A")]
    assert "A has signed C too" in repr(view)


def test_the_api_shows_the_same_roots_without_dates(view: Trust, cluster: Any):
    docker_output("docker swarm ca --rotate --detach")
    real = Trust(Real(cluster))
    real.refresh()
    for _look in range(5):
        cluster.run("1s")
        view.refresh()
        real.refresh()
        assert roots(real) == roots(view)
    assert roots(real) == [("B", "B")] * 5
    assert {row[4] for row in real.table.rows} == {"–"}
    real.close()


def test_a_role_shows_in_the_picture(view: Trust, cluster: Any):
    docker_output("docker node promote w1")
    cluster.run("10s")
    view.refresh()
    assert view.table.rows[3][:2] == ("w1", "manager")
    assert view.value.count('class="node manager') == 4


# -- a link ----------------------------------------------------------------------------------------
SERVICE = (
    "docker service create --detach --name web --constraint node.hostname==w1 --secret pw nginx"
)


def test_a_tapped_link_shows_sizes_and_noise_and_only_its_ends_see_the_secrets_name(cluster: Any):
    cluster.use()
    docker_output("printf s3nha-S3cret | docker secret create pw -", SERVICE)
    start_ns = cluster.now_ns
    heard = eavesdrop(cluster, "m1", "w1", "2s")
    assert cluster.now_ns - start_ns == 2 * 10**9
    whens, ends, sealed, opened = zip(*heard.rows, strict=True)
    assert set(ends) == {"m1 → w1", "w1 → m1"}
    assert list(whens) == sorted(whens)
    assert "Assignments: pw" in opened
    assert "ReportStatus" in opened
    assert not any("pw" in text for text in sealed)
    assert "s3nha" not in repr(heard)
    first_bytes = [text.partition(" bytes: ")[2][:8] for text in sealed]
    assert len(set(first_bytes)) == len(sealed)  # what is not encrypted all begins alike
    docker_output("docker service update --detach --force web")
    again = eavesdrop(cluster, "m1", "w1", "2s")
    assert first_bytes[0] not in again.rows[0][2]  # another session, another key


def test_another_link_is_not_heard(cluster: Any):
    cluster.use()
    docker_output("printf x | docker secret create pw -", SERVICE)
    heard = eavesdrop(cluster, "m1", "m2", "2s")
    assert {row[1] for row in heard.rows} == {"m1 → m2", "m2 → m1"}
    assert "AppendEntries" in repr(heard)
    assert "Only on a simulated cluster" in repr(eavesdrop(Real(cluster), "m1", "m2"))


# -- what exercises ask ----------------------------------------------------------------------------
def test_a_token_in_a_config_is_told_by_its_role_as_long_as_it_is_valid(cluster: Any):
    cluster.use()
    docker_output(
        "printf $(docker swarm join-token --quiet manager) | docker config create deploy -",
        "printf nothing | docker config create empty -",
    )

    def holds(check: str) -> bool:
        return evaluate(SwarmReader(cluster), check)[0]

    assert holds("token in deploy is manager")
    assert holds("token in empty is none")
    assert holds("token in missing is none")
    docker_output("docker swarm join-token --rotate worker")
    assert holds("token in deploy is manager")
    docker_output("docker swarm join-token --rotate manager")
    assert holds("token in deploy is none")
    docker_output("docker -H w2 swarm leave")
    assert holds("info Swarm.LocalNodeState at w2 is inactive")
    assert holds("info Swarm.LocalNodeState at w1 is active")
