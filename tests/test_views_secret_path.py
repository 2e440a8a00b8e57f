"""Where a secret's bytes are, read from the API; and what a stolen disk reveals."""

from __future__ import annotations

import io
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.views.secret_path import FORMS, READABLE, SEALED, secret_path, stolen_disk


def docker_output(*lines: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    for line in lines:
        run_commands(line, out, err)
    return out.getvalue() + err.getvalue()


@pytest.fixture
def web(cluster: Any) -> Any:
    """Three managers, two workers; the one task on w1 uses senha-db."""
    docker_output(
        "printf s3nha-S3cret | docker secret create senha-db -",
        "service create --quiet --name web --constraint node.hostname==w1 --secret senha-db nginx",
    )
    return cluster


class Real:
    """A cluster that has the Docker API and nothing else, as real engines."""

    kind = "real"
    has_trace = False

    def __init__(self, cluster: Any) -> None:
        self.client = cluster.client


def test_a_secret_is_on_every_manager_and_where_a_task_needs_it(web: Any):
    path = secret_path(web, "senha-db")
    assert path.managers == ("m1", "m2", "m3")
    assert path.holders == ["w1"]
    assert path.mounts["w1"] == ("web.1: /run/secrets/senha-db",)
    assert path.rows[-1][:2] == ("w2", "nothing")


def test_the_api_shows_the_same_as_the_inspector(web: Any):
    """`who_can_read` looks into every machine of the simulation."""
    docker_output(
        "service scale web=3",
        "service update --quiet --force --constraint-rm node.hostname==w1 web",
    )
    web.run("30s")
    seen = web.who_can_read("senha-db").rows
    inside = {(node, place.partition(":")[2]) for node, place, _why in seen if ":" in place}
    path = secret_path(Real(web), "senha-db")
    mounted = {(node, file.split(": ")[1]) for node, files in path.mounts.items() for file in files}
    assert mounted == inside
    assert len(mounted) >= 2
    ended = [t for t in web.client().api.tasks() if t["DesiredState"] == "shutdown"]
    assert {t["Status"]["State"] for t in ended} == {"shutdown"}  # their files are gone
    kept = {node for node, place, _why in seen if place.startswith("Raft")}
    assert kept == set(path.managers)


def test_targets_and_global_services_have_their_names(web: Any):
    docker_output(
        "service update --quiet --secret-rm senha-db"
        " --secret-add source=senha-db,target=/etc/pw web",
        "service create --quiet --mode global --name all"
        " --secret source=senha-db,target=pw --constraint node.role==worker redis",
    )
    mounts = secret_path(web, "senha-db").mounts
    assert set(mounts["w1"]) == {"web.1: /etc/pw", "all.w1: /run/secrets/pw"}
    assert mounts["w2"] == ("all.w2: /run/secrets/pw",)


def test_exercise_only_the_managers_have_it(web: Any):
    """The first exercise of notebook 10, with its answers."""
    other = web.fork()
    docker_output("service update --quiet --secret-rm senha-db web")
    web.run("10s")
    assert secret_path(web, "senha-db").holders == []
    other.client().services.get("web").scale(0)
    other.run("20s")
    assert secret_path(other, "senha-db").holders == []
    assert {row[1] for row in other.who_can_read("senha-db").rows} == {
        "Raft's log, on disk", "the manager's memory",
    }  # fmt: skip


def test_a_config_is_replaced_in_the_same_place(cluster: Any):
    docker_output(
        'echo "config" | docker config create cfg-demo -',
        "service create --quiet --name app --constraint node.hostname==w2 --config cfg-demo nginx",
        'echo "config 2" | docker config create cfg-demo-2 -',
        "service update --quiet --config-rm cfg-demo"
        " --config-add source=cfg-demo-2,target=/cfg-demo app",
    )
    assert docker_output("-H w2 exec $(docker -H w2 ps -q) cat /cfg-demo") == "config 2\n"


def test_autolock_changes_who_can_read_the_disk(web: Any):
    before = secret_path(web, "senha-db")
    docker_output("swarm update --autolock=true")
    after = secret_path(web, "senha-db")
    assert (before.autolock, after.autolock) == (False, True)
    assert [form for _text, form in before.boxes()[2]] == [READABLE] * 3
    assert [form for _text, form in after.boxes()[2]] == [SEALED] * 3
    assert "the disk and the unlock key" in repr(after)
    assert "unlock key" not in repr(before)


def test_the_bytes_and_the_keys_are_nowhere_in_it(web: Any):
    path, disk = secret_path(web, "senha-db"), stolen_disk(web, "m1")
    key = docker_output("swarm update --autolock=true").partition("SWMKEY")[2].split()[0]
    late = stolen_disk(web, "m1")
    for shown in (path, disk, late):
        for form in (repr(shown), shown._repr_html_()):
            assert "s3nha" not in form
            assert key not in form


def test_a_thief_reads_a_manager_s_disk_unless_it_is_locked(web: Any):
    """Always sealed; without autolock the key is beside it.

    Source: swarmkit manager/deks.go, design/raft_encryption.md.
    """
    thief = "This disk alone gives away: {}."
    assert thief.format("senha-db (12 bytes)") in repr(stolen_disk(web, "m2"))
    assert thief.format("no secret") in repr(stolen_disk(web, "w1"))
    docker_output("swarm update --autolock=true")
    web.run("5s")
    assert thief.format("no secret") in repr(stolen_disk(web, "m2"))
    docker_output("swarm update --autolock=false")
    web.run("5s")
    assert thief.format("senha-db (12 bytes)") in repr(stolen_disk(web, "m2"))


def test_a_disk_holds_what_its_machine_received_even_if_removed_since(web: Any):
    web.crash("m2")
    docker_output(
        "printf late | docker secret create late -",
        "service update --quiet --secret-rm senha-db web",
        "secret rm senha-db",
    )
    assert "away: senha-db (12 bytes), late (4 bytes)." in repr(stolen_disk(web, "m3"))
    assert "away: senha-db (12 bytes)." in repr(stolen_disk(web, "m2"))


def test_looking_at_a_disk_changes_nothing(web: Any):
    calm = web.fork()
    for name in web.names:
        stolen_disk(web, name)
    for each in (web, calm):
        each.crash("m1")
        each.run("60s")
    assert web.trace.digest() == calm.trace.digest()


def test_the_chart_has_a_box_per_place_and_alternative_text(web: Any):
    path = secret_path(web, "senha-db")
    assert [len(column) for column in path.boxes()] == [1, 1, 3, 2]
    assert [text.partition("\n")[0] for text, _form in path.boxes()[3]] == [
        "w1: web.1", "w2",
    ]  # fmt: skip
    html = path._repr_html_()
    root = fromstring(f"<div>{html}</div>")
    kinds = [e.get("class", "").split() for e in root.iter() if e.tag == "div"]
    places = [kind for kind in kinds if "place" in kind]
    assert len(places) == 7
    assert len([kind for kind in places if "comes" in kind]) == 5  # the API, the managers, w1
    assert {form for column in path.boxes() for _text, form in column} <= set(FORMS)
    assert len(set(FORMS.values())) == len(FORMS)
    assert 'aria-label="yours, what you type' in html
    assert "web.1: /run/secrets/senha-db" in html


def test_missing_secrets_and_disks_are_reported(web: Any):
    with pytest.raises(LabError, match="there is no secret 'senha'"):
        secret_path(web, "senha")  # a name that only begins so
    assert "Only a simulated cluster shows its disks." in repr(stolen_disk(Real(web), "m1"))
