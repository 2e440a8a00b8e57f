"""JSON as Go's decoder reads it: every message here was recorded from a real engine (26.1.5)."""

from __future__ import annotations

import json

import pytest

from swarmlab.engine.filters import Filters
from swarmlab.engine.go_json import parsed
from swarmlab.engine.schemas import decoded
from swarmlab.errors import BadParameter


def refusal(text: str | bytes, kind: str = "ServiceSpec") -> str:
    with pytest.raises(BadParameter) as error:
        decoded(parsed(text if isinstance(text, bytes) else text.encode()), kind)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" ", "got EOF while reading request body"),
        ("{", "unexpected EOF"),
        ('{"Name": "a', "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ('{"Name":"a",}', "invalid character '}' looking for beginning of object key string"),
        ('{"Name" "a"}', "invalid character '\"' after object key"),
        ('{"Name": tru}', "invalid character '}' in literal true (expecting 'e')"),
        ('{"Name": NaN}', "invalid character 'N' looking for beginning of value"),
        ('{"Name": Infinity}', "invalid character 'I' looking for beginning of value"),
        ('{"Networks":[1,]}', "invalid character ']' looking for beginning of value"),
        ('{"Networks":[1 2]}', "invalid character '2' after array element"),
        ('{"Name":"a" "b":1}', "invalid character '\"' after object key:value pair"),
        ('{"Name":"a\nb"}', r"invalid character '\n' in string literal"),
        (r'{"Name":"a\qb"}', "invalid character 'q' in string escape code"),
        (r'{"Name":"a\u12x"}', r"invalid character 'x' in \u hexadecimal character escape"),
        ('{"Name": -}', "invalid character '}' in numeric literal"),
        ('{"Name": 01}', "invalid character '1' after object key:value pair"),
        ('{"Name": 1.}', "invalid character '}' after decimal point in numeric literal"),
        ('{"x":' + "[" * 10_001 + "]" * 10_001 + "}", "invalid character '[' exceeded max depth"),
    ],
)
def test_text_that_is_not_json_is_refused_in_gos_words(text, why):
    assert refusal(text) == f"invalid JSON: {why}"


def test_nothing_may_follow_the_value():
    assert refusal("{} {}") == refusal("{}x") == "unexpected content after JSON"


@pytest.mark.parametrize(
    ("body", "what", "place"),
    [
        ([], "array", "value of type swarm.ServiceSpec"),
        ({"Name": 5}, "number", "struct field ServiceSpec.Name of type string"),
        ({"Labels": {"a": [1]}}, "array", "struct field ServiceSpec.Labels of type string"),
        ({"Labels": 5}, "number", "struct field ServiceSpec.Labels of type map[string]string"),
        (
            {"TaskTemplate": {"ContainerSpec": {"Env": [1]}}}, "number",
            "struct field ContainerSpec.TaskTemplate.ContainerSpec.Env of type string",
        ),
        ({"TaskTemplate": []}, "array", "struct field ServiceSpec.TaskTemplate of type"
         " swarm.TaskSpec"),
        (
            {"Mode": {"Replicated": {"Replicas": 1.0}}}, "number 1.0",
            "struct field ReplicatedService.Mode.Replicated.Replicas of type uint64",
        ),
        ({"UpdateConfig": {"Delay": "5s"}}, "string",
         "struct field UpdateConfig.UpdateConfig.Delay of type time.Duration"),
        ({"RollbackConfig": {"MaxFailureRatio": 1e39}}, "number 1e+39",
         "struct field UpdateConfig.RollbackConfig.MaxFailureRatio of type float32"),
        ({"EndpointSpec": {"Ports": [{"TargetPort": 2**33}]}}, "number 8589934592",
         "struct field PortConfig.EndpointSpec.Ports.TargetPort of type uint32"),
        ({"EndpointSpec": {"Ports": [{"Protocol": 1}]}}, "number",
         "struct field PortConfig.EndpointSpec.Ports.Protocol of type swarm.PortConfigProtocol"),
        ({"TaskTemplate": {"ContainerSpec": {"Init": 1}}}, "number",
         "struct field ContainerSpec.TaskTemplate.ContainerSpec.Init of type bool"),
        ({"TaskTemplate": {"Resources": {"Reservations": {"GenericResources": [1]}}}}, "number",
         "struct field Resources.TaskTemplate.Resources.Reservations.GenericResources of type"
         " swarm.GenericResource"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named_with_its_place(body, what, place):
    text = json.dumps(body)
    assert refusal(text) == f"invalid JSON: json: cannot unmarshal {what} into Go {place}"


@pytest.mark.parametrize(
    ("data", "byte"),
    [("!!", 0), ("abc", 0), ("abcde", 4), ("YQ=", 3), ("YQ==x", 4), ("YQ===", 4), ("=", 0),
     ("Y=Q=", 1), ("YW=c", 2), ("YWJj\nYWJ", 5), ("\nYW!", 3)],
)  # fmt: skip
def test_base64_errors_name_the_byte(data, byte):
    """Recorded on an engine 26.1.5: line ends count, and are allowed anywhere."""
    text = json.dumps({"Data": data})
    assert refusal(text, "SecretSpec") == f"invalid JSON: illegal base64 data at input byte {byte}"


def test_base64_may_have_line_ends():
    assert decoded({"Data": "YW\n=\n="}, "SecretSpec") == {"Data": "YW=="}


def test_data_may_be_base64_with_line_breaks_or_a_list_of_numbers():
    for data in ("aG\nk=", [104, 105]):
        assert decoded({"Data": data}, "SecretSpec") == {"Data": "aGk="}
    mismatch = "invalid JSON: json: cannot unmarshal number into Go struct field SecretSpec.Data"
    assert refusal('{"Data": 5}', "SecretSpec") == f"{mismatch} of type []uint8"


def test_names_match_in_any_case_and_unknown_ones_are_ignored():
    text = '{"nAME": "a", "NAME": "b", "x": [[[]]], "laBelſ": {"k": null}}'
    assert decoded(parsed(text.encode()), "ServiceSpec") == {"Name": "b", "Labels": {"k": ""}}


def test_text_that_is_not_unicode_becomes_the_replacement_character():
    for text in (rb'{"Name": "\ud800"}', b'{"Name": "\xff"}'):
        assert decoded(parsed(text), "ServiceSpec") == {"Name": "\N{REPLACEMENT CHARACTER}"}


def test_a_container_takes_one_word_for_a_list():
    sent = {"Cmd": "ls", "HostConfig": {"Memory": 0}}
    assert decoded(sent, "ContainerConfigWrapper", zeros=True) == {**sent, "Cmd": ["ls"]}
    assert "Go struct field ContainerConfigWrapper.HostConfig of type container.HostConfig" in (
        refusal('{"HostConfig": "x"}', "ContainerConfigWrapper")
    )


# A field that is sent twice, as an engine of 20.10.24 reads it: what the later value does not say
# stays; in a map each key is of its own; in a list the first elements are read into what was there.
REPEATED = [
    (
        "CreateOptions",
        '{"Name":"a","Labels":{"a":"1"},"name":"b"}',
        '{"Name":"b","Labels":{"a":"1"}}',
    ),
    ("CreateOptions", '{"Labels":{"a":"1"},"Labels":{"b":"2"}}', '{"Labels":{"a":"1","b":"2"}}'),
    ("CreateOptions", '{"Labels":{"a":"1"},"labels":{"a":"3"}}', '{"Labels":{"a":"3"}}'),
    ("CreateOptions", '{"Labels":{"a":"1"},"Labels":null}', "{}"),
    ("CreateOptions", '{"Name":"a","Name":null}', '{"Name":"a"}'),
    (
        "ServiceMode",
        '{"Global":{},"Replicated":{"Replicas":2},"Replicated":{}}',
        '{"Global":{},"Replicated":{"Replicas":2}}',
    ),
    ("ContainerSpec", '{"Env":["A=1","B=2"],"Env":["C=1"]}', '{"Env":["C=1"]}'),
    (
        "TaskSpec",
        '{"Runtime":"container","ContainerSpec":{"Image":"x"},"ContainerSpec":{"Env":["A"]}}',
        '{"Runtime":"container","ContainerSpec":{"Image":"x","Env":["A"]}}',
    ),
    (
        "EndpointSpec",
        '{"Ports":[{"TargetPort":80,"Protocol":"udp"}],"Ports":[{"TargetPort":81}]}',
        '{"Ports":[{"TargetPort":81,"Protocol":"udp"}]}',
    ),
]


@pytest.mark.parametrize(("struct", "sent", "same"), REPEATED)
def test_a_repeated_field_is_read_into_what_is_there(struct, sent, same):
    assert decoded(parsed(sent.encode()), struct) == decoded(parsed(same.encode()), struct)


@pytest.mark.parametrize("sent", ['{"Name":5,"Name":"z"}', '{"Name":"z","name":5}'])
def test_each_value_of_a_repeated_field_must_be_right(sent):
    with pytest.raises(BadParameter, match="cannot unmarshal number"):
        decoded(parsed(sent.encode()), "CreateOptions")


def test_one_repeated_key_among_very_many_is_read_at_once():
    """In one pass: to look through all keys for each of them would take minutes."""
    keys = [f'"k{number}":"v"' for number in range(50_000)]
    labels = decoded(parsed(f"{{{','.join([*keys, keys[0]])}}}".encode()), "map[string]string")
    assert len(labels) == 50_000


def test_of_a_repeated_filter_the_last_counts():
    for sent in ('{"name":{"a":true},"name":{"b":true}}', '{"name":["a"],"name":["b"]}'):
        assert Filters.parse(sent, ["name"]) == {"name": ("b",)}
