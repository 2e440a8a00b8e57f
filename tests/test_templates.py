"""Go's templates in the specs of services: what engine 26.1.5 and 20.10.24 accept and say."""

from __future__ import annotations

import pytest

from swarmlab.cluster.stand_ins import _as_template
from swarmlab.errors import BadParameter
from swarmlab.model import Document, freeze
from swarmlab.templates.task_templates import (
    MADE_UP,
    NodeFields,
    PlatformFields,
    ServiceFields,
    TaskFields,
    TemplateContext,
    expand,
    expand_container,
)

CONTEXT = TemplateContext(
    Service=ServiceFields(ID="id", Name="ge", Labels={"x": "lab", "a": "b"}),
    Node=NodeFields(ID="n", Hostname="m1", Platform=PlatformFields(Architecture="x86", OS="linux")),
    Task=TaskFields(ID="t", Name="ge.1.t", Slot="1"),
)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("no template }}", "no template }}"),
        ("{{.Service.Name}}-{{ .Task.Slot }}.{{.Node.Hostname}}", "ge-1.m1"),
        ('{{.Task.Slot | printf "%s-%5s|"}}', "1-%!s(MISSING)|"),
        ('{{printf "%5s|%-3s|%03d|%v|%q" "a" "b" 7 true "c"}}', '    a|b  |007|true|"c"'),
        ('{{printf "h%03d" .Task.Slot}}', "h%!d(string=001)"),
        ('{{printf "%d" .Task.Slot}} {{printf "%s" 3}} {{printf "%s"}} {{printf "x" 1}}',
         "%!d(string=1) %!s(int=3) %!s(MISSING) x%!(EXTRA int=1)"),
        ("{{with .Service.Name}}<{{.}}>{{end}}", "<ge>"),
        ("x {{- .Task.Slot -}} y", "x1y"),
        ("{{range $k,$v := .Service.Labels}}{{$k}}={{$v}};{{end}}", "a=b;x=lab;"),
        ('{{len .Service.Name}} {{eq .Task.Slot "1"}}', "2 true"),
        ('{{join "," "a" "b"}}', "a,b"),
        ("{{.Service.Labels}} {{.Service}}", "map[a:b x:lab] {id ge map[a:b x:lab]}"),
        ('{{not .Task.Slot}} {{and .Task.Slot "z"}} {{or "" "y"}}', "false z y"),
        ('{{if .Task.Slot}}a{{else}}b{{end}}{{index .Service.Labels "x"}}', "alab"),
        ('{{index .Service.Labels "none"}}|{{.Service.Labels.x}}', "|lab"),
    ],
)  # fmt: skip
def test_right_templates_are_filled_in_as_by_an_engine(text, expanded):
    assert expand(text, CONTEXT) == expanded


PLATFORM = "struct { ID string; Hostname string; Platform template.Platform }"
FIELDS = "can't evaluate field {} in type"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{.Nope}}", f"1:2: executing \"expansion\" at <.Nope>: {FIELDS} *template.Context"),
        ("{{.Task.X}}", f"1:7: executing \"expansion\" at <.Task.X>: {FIELDS} "
         "struct { ID string; Name string; Slot string }"),
        ("{{.Task.ID.X}}", f"1:7: executing \"expansion\" at <.Task.ID.X>: {FIELDS} string"),
        ("{{.Node.X}}", f"1:7: executing \"expansion\" at <.Node.X>: {FIELDS} {PLATFORM}"),
        ("{{.Node.Platform.X}}", f"1:7: executing \"expansion\" at <.Node.Platform.X>: {FIELDS} "
         "template.Platform"),
        ("{{index .Nope 3}}", f"1:8: executing \"expansion\" at <.Nope>: {FIELDS} "
         "*template.Context"),
        ("a\nb{{.Nope}}", f"2:3: executing \"expansion\" at <.Nope>: {FIELDS} *template.Context"),
        ("{{index .Service.Labels 3}}", '1:2: executing "expansion" at <index .Service.Labels 3>: '
         "error calling index: value has type int; should be string"),
        ("{{.Service.Labels.no}}", '1:10: executing "expansion" at <.Service.Labels.no>: '
         'map has no entry for key "no"'),
        ("{{1 .Task.ID}}", '1:2: executing "expansion" at <1>: can\'t give argument to '
         "non-function 1"),
        ("{{}}", "1: missing value for command"),
        ("{{end}}", "1: unexpected {{end}}"),
        ("{{if .Task.ID}}", "1: unexpected EOF"),
        ("{{.Task.ID | nope}}", '1: function "nope" not defined'),
        ('{{env "PATH"}}', '1: function "env" not defined'),
        ('{{"a}}', "1: unterminated quoted string"),
        ("{{.Task.ID", "1: unclosed action"),
    ],
)  # fmt: skip
def test_wrong_templates_are_refused_in_go_s_words(text, fault):
    with pytest.raises(BadParameter) as raised:
        expand(text, CONTEXT)
    fault = fault.replace("{}", text.strip("{}").rpartition(".")[2].partition(" ")[0])
    assert str(raised.value) == f"template: expansion:{fault}"


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"Env": ["E={{.X}}"]}, 'expanding env failed: expanding env "E={{.X}}"'),
        ({"Hostname": "{{.X}}"}, "expanding hostname failed"),
        ({"Mounts": [{"Source": "{{.X}}"}]},
         'expanding mounts failed: expanding mount source "{{.X}}"'),
        ({"Mounts": [{"Target": "{{.X}}"}]},
         'expanding mounts failed: expanding mount target "{{.X}}"'),
        ({"Mounts": [{"VolumeOptions": {"Labels": {"a": "{{.X}}"}}}]},
         'expanding mounts failed: expanding volume labels: expanding map entry "a"="{{.X}}"'),
        ({"Mounts": [{"VolumeOptions": {"DriverConfig": {"Options": {"a": "{{.X}}"}}}}]},
         'expanding mounts failed: expanding volume driver config: expanding map entry '
         '"a"="{{.X}}"'),
    ],
)  # fmt: skip
def test_the_place_of_a_wrong_template_is_told(spec, where):
    with pytest.raises(BadParameter) as raised:
        expand_container(Document(freeze(spec)), MADE_UP)
    assert str(raised.value).startswith(f"{where}: template: expansion:1:2: executing")


def test_all_templates_of_a_container_are_filled_in():
    name = "{{.Task.Slot}}"
    options = {"Labels": {"l": name}, "DriverConfig": {"Name": "local", "Options": {"o": name}}}
    mount = {"Type": "volume", "Source": name, "Target": f"/{name}", "VolumeOptions": options}
    spec = {"Env": [f"A={name}", name], "Hostname": name, "Mounts": [mount], "Image": name}
    filled = expand_container(Document(freeze(spec)), CONTEXT)
    assert (filled["Env"], filled["Hostname"], filled["Image"]) == (("A=1", name), "1", name)
    (mount,) = filled["Mounts"]
    assert (mount["Type"], mount["Source"], mount["Target"]) == ("volume", "1", "/1")
    expected = {"Labels": {"l": "1"}, "DriverConfig": {"Name": "local", "Options": {"o": "1"}}}
    assert mount["VolumeOptions"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{range .Service.Labels}}" * 16 + "x" + "{{end}}" * 16,
        "{{if .Task.ID}}" * 2000 + "{{end}}" * 2000,
        "{{" + "(" * 2000 + "1" + ")" * 2000 + "}}",
        '{{printf "%999999999d" 1}}' + "{{.Nope}}",
    ],
)
def test_no_template_takes_for_ever(text):
    with pytest.raises(BadParameter):
        expand(text, CONTEXT)


@pytest.mark.parametrize(
    "data",
    [
        b'{{if eq .Task.Slot "hunter2"}}hunter2{{/* hunter2 */}}{{else}}{{end}}{{`hunter2`}}',
        b'{{secret "pw"}} {{index .Service.Labels "x"}} hunter2 {{hunter2 .Task.ID}} {{.hunter2}}',
        b"hunter2 {{.Task.ID hunter2 {{",
    ],
)
def test_what_is_written_down_of_a_template_has_its_actions_and_not_its_texts(data):
    """The stand-in has to work, or fail, as the template does."""
    other = _as_template(bytes(range(len(data))), data)
    assert len(other) == len(data)
    assert b"hunter2" not in other
    for kept in (b".Task.Slot", b'secret "pw"', b'.Labels "x"', b"{{end}}", b"{{else}}", b"{{if"):
        assert other.count(kept) == data.count(kept)
    assert other.count(b"{{") == data.count(b"{{")
