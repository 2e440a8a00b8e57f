"""A call that doesn't fit its signature is refused in one sentence: every public name is tried."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

import pytest

import swarmlab
from swarmlab.cluster import calls
from swarmlab.cluster.simulated import SimulatedCluster
from tests.test_public import CLUSTERS, PUBLIC

METHODS = {f"{kind.__name__}.{name}": kind for kind in CLUSTERS for name in dir(kind)}
PROPERTIES = {
    name
    for name, kind in METHODS.items()
    if not inspect.isfunction(getattr(kind, name.split(".")[1]))
}
CALLED = {
    name: function
    for name, function in PUBLIC.items()
    if inspect.isfunction(function) and name not in PROPERTIES
}
Call = tuple[str, list[Any], dict[str, Any]]  # what the refusal says (a pattern), and arguments


class Odd:
    """Fits nowhere."""

    def __repr__(self) -> str:
        return "<Odd>"


CLUSTER = swarmlab.simulate(seed=7)
RIGHT = (CLUSTER, "m1", 1, False, print, ["m1"], [1])


def bad_calls(name: str) -> Iterator[Call]:
    """Calls of a function with one fault each."""
    parameters = inspect.signature(CALLED[name]).parameters.values()
    hints = {p.name: calls._hint(inspect.unwrap(CALLED[name]), p.annotation) for p in parameters}
    parameters = [p for p in parameters if p.name != "self"]
    needed = {
        p.name: next(value for value in RIGHT if calls._fits(value, hints[p.name]))
        for p in parameters
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    }
    yield "there is no argument 'oddly'; there are ", [], needed | {"oddly": 1}
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        yield "too many arguments; there are ", [1] * 20, {}
    for parameter in parameters:
        kind = parameter.name
        if kind in needed:
            less = {n: v for n, v in needed.items() if n != kind}
            yield f": {kind} is missing; ", [], less
        if hints[kind] is object:
            continue
        types = get_args(hints[kind]) or (hints[kind],)
        wrong = [value for value in (None, True) if type(value) not in types]
        wrong += [3.5] if types == (str,) else []
        wrong += [[Odd()]] if list in map(get_origin, types) else []
        for value in [Odd(), b"m1", *wrong]:
            said = re.escape(f"{kind}={value!r} is not ")
            if parameter.kind is parameter.VAR_POSITIONAL:
                yield said, [*needed.values(), value], {}
            else:
                yield said, [], needed | {kind: value}


@pytest.mark.parametrize("name", CALLED)
def test_a_call_that_does_not_fit_says_what_is_wrong_and_shows_a_right_one(name: str):
    kind, last = METHODS.get(name), name.rpartition(".")[2]
    owner = [CLUSTER if kind is SimulatedCluster else object.__new__(kind)] if kind else []
    before = len(CLUSTER.journal), CLUSTER.now_ns, swarmlab.latest()
    for said, given, named in bad_calls(name):
        with pytest.raises(swarmlab.LabError) as refusal:
            CALLED[name](*owner, *given, **named)
        text = str(refusal.value)
        assert re.search(said, text)
        assert "\n" not in text
        assert text.startswith(f"{last}: ")
        # It ends with what can be copied.
        (shown,) = re.findall("write it like `(.*)`$", text)
        called = ast.parse(shown, mode="eval").body
        assert isinstance(called, ast.Call)
        assert ast.unparse(called.func).rpartition(".")[2] == last
    assert (len(CLUSTER.journal), CLUSTER.now_ns, swarmlab.latest()) == before


def test_all_public_names_are_tried():
    some = {"simulate", "use", "SimulatedCluster.until", "LaunchedCluster.crash"}
    assert some | {"swarmlab.views.trust.trust"} < {*CALLED}
    assert sum(len([*bad_calls(name)]) for name in CALLED) > 500


def test_what_fits_is_called_as_before():
    def twice(number: float, *more: str, plain: Callable[[], int] | None = None) -> float:
        return 2 * number

    assert calls.checked(twice)(3, "a", plain=None) == 6
    assert inspect.signature(calls.checked(twice)) == inspect.signature(twice)


@pytest.mark.parametrize("groups", [("m1", ""), ([], ["m1"])])
def test_a_group_of_a_partition_has_a_node(groups: tuple[Any, Any]):
    with pytest.raises(swarmlab.LabError, match="has a group without a node"):
        CLUSTER.partition(*groups)
