"""The picture of Docker's workflow: its steps are what passed and what the engine reports."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

import swarmlab
from swarmlab.jupyter.magic import run_commands
from swarmlab.views.workflow import ANSWER, ASK, FETCH, PATHS, Workflow, workflow


def typed(*lines: str) -> str:
    out = io.StringIO()
    for line in lines:
        run_commands(line, out, out)
    return out.getvalue()


def plain_engine() -> Any:
    return swarmlab.engines(["host"], seed=7)


def watched() -> tuple[Any, Workflow]:
    cluster = plain_engine()
    return cluster, workflow(cluster)


def records(picture: Workflow) -> list[str]:
    picture.refresh()
    return [step.record for step in picture.passed]


def test_docker_run_travels_as_on_the_slides():
    """Slides 6 to 10: client, daemon, registry, images, containers, and back."""
    _cluster, picture = watched()
    typed("docker run -d --name cache redis")
    picture.refresh()
    id = picture.cluster.client().containers.get("cache").id[:12]
    steps = [(" ".join(step.paths), step.record) for step in picture.passed]
    assert steps == [
        ("", ""),
        (f"{ASK} {ANSWER}", "POST /containers/create → 404 No such image: redis:latest"),
        (f"{ASK} {ANSWER}", "POST /images/create → 200 OK"),
        (" ".join(FETCH), "event: image pull"),
        (ASK, "POST /containers/create"),
        ("images-containers", "event: container create"),
        (ANSWER, "POST /containers/create → 201 Created"),
        (ASK, f"POST /containers/{id}/start"),
        ("daemon-containers", "event: container start"),
        (ANSWER, f"POST /containers/{id}/start → 204 No Content"),
    ]
    assert [step.typed for step in picture.passed] == ["docker run -d --name cache redis"] * 10


def test_the_picture_shows_what_the_engine_held_at_each_step():
    _cluster, picture = watched()
    typed("docker run --name cache redis echo hi")
    records(picture)
    held = [
        (step.record, [*step.contents.images], [c[:2] for c in step.contents.containers])
        for step in picture.passed
        if step.record.startswith("event")
    ]
    image = ["redis:latest"]
    assert held == [
        ("event: image pull", image, []),
        ("event: container create", image, [("pending", "cache")]),
        ("event: container start", image, held[2][2]),  # it may have ended by the next look
        ("event: container die", image, [("complete", "cache")]),
    ]


def test_a_layer_that_is_here_is_not_fetched_again():
    _cluster, picture = watched()
    typed("docker pull redis", "docker pull nginx", "docker pull redis")
    picture.refresh()
    pulls = [[here for _id, here in step.layers] for step in picture.passed if step.layers]
    assert pulls == [[False] * 3, [True, False, False], [True] * 3]
    assert "2 of 3 layers come" in next(
        step.text for step in picture.passed if "nginx" in step.text
    )


COMMANDS = [
    "docker run -d --name {} redis",
    "docker run --rm --name {} alpine echo hi",
    "docker run -d --restart always --name {} alpine sh -c 'sleep 2; exit 1'",
    "docker run -d --name {} nobody/nothing",
    *("docker stop {}", "docker start {}", "docker kill {}", "docker rm -f {}", "docker logs {}"),
    *("docker exec {} echo hi", "docker tag redis {}", "docker rmi {}", "docker rmi redis"),
    *("docker pull nginx", "docker pull redis", "docker images", "docker ps -a"),
    'echo x | docker import --change \'CMD ["sleep","9"]\' - {}',
    *("docker system prune -f", "docker image prune -a -f", "docker volume create {}"),
]
LINES = st.tuples(st.sampled_from(COMMANDS), st.sampled_from("ab")).map(
    lambda pair: pair[0].format(pair[1] * 2)
)


@settings(max_examples=12, deadline=None)
@given(lines=st.lists(LINES, min_size=1, max_size=7), pauses=st.booleans())
def test_the_steps_are_what_happened_whatever_is_typed(lines: list[str], pauses: bool):
    """Against the journal, the engine's events, and its own lists; nothing more, nothing less."""
    cluster, picture = watched()
    for line in lines:
        typed(line)
        if pauses:
            cluster.run("3s")
    shown = records(picture)
    steps = picture.passed

    assert [step.typed for step in steps if not step.record] == lines
    events = [
        f"event: {event['Type']} {event['Action']}"
        for event in cluster.engine("host").events
        if event["Type"] in ("image", "container")
        if event["Action"].partition(":")[0] not in ("stop", "exec_create", "exec_die", "restart")
    ]
    assert [record for record in shown if record.startswith("event")] == events
    requests = [
        f"{entry.args[1]} {entry.args[2].partition('?')[0]}"
        for entry in cluster.journal
        if entry.verb == "request"
    ]
    asked = [step.record.partition(" → ")[0] for step in steps if ASK in step.paths]
    changes = [record for record in asked if not record.startswith("GET")]
    written = [re.sub("[0-9a-f]{64}", lambda id: id[0][:12], r) for r in requests]
    assert changes == [re.sub("/v[0-9.]+/", "/", request) for request in written]
    answered = [step for step in steps if ANSWER in step.paths]
    assert len(answered) == len(asked)
    assert len(steps) == len(lines) + len(events) + sum(
        ASK in step.paths or ANSWER in step.paths for step in steps
    )
    assert [step.at_ns for step in steps] == sorted(step.at_ns for step in steps)
    assert {path for step in steps for path in step.paths} <= PATHS.keys()

    client = cluster.client()
    tags = {tag for image in client.images.list() for tag in image.tags}
    last = picture._history.recorder.contents_at(cluster.now_ns)
    assert tags <= last.images.keys()
    assert sorted(c.name for c in client.containers.list(all=True)) == sorted(
        name for _kind, name, _note in last.containers
    )


def test_an_engine_that_is_down_does_not_answer():
    cluster, picture = watched()
    client = cluster.client()
    cluster.crash("host")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.ping()
    assert records(picture) == ["GET /_ping → no answer"]
    cluster.start("host")
    client.containers.run("redis", detach=True)
    assert "event: container start" in records(picture)


def test_an_unhealthy_container_and_its_exit_code_are_named():
    cluster, picture = watched()
    typed(
        "docker run -d --name app --health-cmd false --health-interval 1s --health-retries 2 redis"
    )
    cluster.run("5s")
    assert "event: container health_status: unhealthy" in records(picture)
    assert picture.passed[-1].contents.containers == (("failed", "app", "unhealthy"),)
    typed("docker kill app")
    assert "app (failed, 137)" in repr(picture.last_command) or picture.refresh() is None
    assert "app (failed, 137)" in picture.text


def test_without_a_kernel_the_last_command_is_a_still_with_its_words():
    _cluster, picture = watched()
    assert "Nothing typed yet." in repr(picture)
    typed("docker pull redis", "docker run -d --name cache redis")
    picture.refresh()
    html = str(picture.still_html())
    on = set(re.findall(r'class="path on" data-path="([\w-]+)"', html))
    assert on == {ASK, ANSWER, "images-containers", "daemon-containers"}  # nothing was fetched
    assert "docker run -d --name cache redis" in html
    assert "cache (running)" in repr(picture)


def test_requests_are_as_before_while_a_recorder_stands_between(tmp_path: Any):
    """A run that is watched has the trace of one that is not."""
    plain, (cluster, _picture) = plain_engine(), watched()
    outputs = []
    for each in (plain, cluster):
        each.use()
        outputs.append(
            typed("docker run -d --name cache redis", "docker exec cache redis-cli ping")
        )
    assert outputs[0] == outputs[1]
    assert (plain.trace.digest(), plain.now_ns) == (cluster.trace.digest(), cluster.now_ns)
    again = swarmlab.load(cluster.save(tmp_path / "run.json"))
    assert again.now_ns == cluster.now_ns
