"""Accents in names, labels, values and output, as a real engine and a busybox take them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from swarmlab.jupyter.magic import run_commands
from swarmlab.strings import text_table

DNS_NAME = "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"
OBJECT_NAME = (
    "rpc error: code = InvalidArgument desc = invalid name, only 64 [a-zA-Z0-9-_.] characters"
    " allowed, and the start and end character must be [a-zA-Z0-9]"
)


def typed(line: str) -> tuple[str, str]:
    """What a command writes to both of its streams."""
    out, err = io.StringIO(), io.StringIO()
    run_commands(line, out, err)
    return out.getvalue().strip(), err.getvalue().strip()


@pytest.mark.parametrize(
    ("line", "reason"),
    {
        "service create -d --name ação busybox": DNS_NAME,
        "service create -d --constraint node.labels.região==sul busybox": (
            "rpc error: code = Unknown desc = key 'node.labels.região' is invalid"
        ),
        "network create -d overlay redeção": DNS_NAME,
        "printf senha | docker secret create senha-ção -": OBJECT_NAME,
        "printf senha | docker config create coração -": OBJECT_NAME,
        "node update --availability drenado m1": 'invalid Availability: "drenado"',
    }.items(),
)
def test_a_name_with_an_accent_is_refused_in_dockers_words(cluster: Any, line: str, reason: str):
    assert typed(line) == ("", f"Error response from daemon: {reason}")


def test_labels_and_values_with_accents_are_kept_found_and_shown(cluster: Any):
    typed("node update --label-add região=sul m1")
    assert typed("node ls --filter node.label=região=sul --format '{{.Hostname}}'")[0] == "m1"
    labels = "--label dono=João --label 'descrição=É só um teste' --env SAUDACAO=olá"
    typed(f"service create -q -d --name web {labels} busybox sleep 1d")
    found = typed("service ls --filter label=dono=João --format '{{.Name}}'")[0]
    assert found == "web"
    shown = typed("service inspect web --format '{{json .Spec.Labels}}'")[0]
    assert shown == '{"descrição":"É só um teste","dono":"João"}'
    assert "\n descrição=É só um teste\n dono=João\n" in typed("service inspect --pretty web")[0]


def test_a_container_writes_accents_as_they_are(cluster: Any):
    typed("run -q -d --name c1 --hostname joão --env NOME=João busybox sleep 1d")
    inside = (
        'echo "senha: ação"; hostname; echo $NOME; echo coração > /tmp/maçã; ls /tmp; cat /tmp/maçã'
    )
    written = typed(f"exec c1 sh -c '{inside}'")[0].splitlines()
    assert written == ["senha: ação", "joão", "João", "maçã", "coração"]
    assert typed("exec c1 sh -c 'echo João | grep -c ã; echo maçã | sed s/ç/c/'")[0] == "1\nmacã"
    assert typed('exec c1 sh -c \'echo é b a | tr " " "\\n" | sort\'')[0] == "a\nb\né"


def test_a_table_with_accents_stays_aligned(cluster: Any):
    assert text_table([("nó", "é"), ("máquina", "x")]).splitlines() == ["nó       é", "máquina  x"]
    typed("volume create --label dono=João v1")
    lines = typed("volume ls")[0].splitlines()
    assert [line.index("v1") for line in lines[1:]] == [lines[0].index("VOLUME NAME")]
