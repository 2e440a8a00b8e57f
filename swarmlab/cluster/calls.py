"""Checks that a call fits its signature, and says in one sentence where it doesn't."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator
from functools import cache, wraps
from inspect import Signature, getdoc, signature
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from swarmlab.cluster.interface import AnyCluster
from swarmlab.errors import LabError
from swarmlab.strings import N_, _

F = TypeVar("F", bound=Callable[..., Any])
KINDS: dict[Any, str] = {
    **{bool: N_("True or False"), int: N_("a whole number"), float: N_("a number")},
    **{str: N_("text in quotes"), Path: N_("a path"), list: N_("a list of texts")},
    **{get_origin(Callable[..., Any]): N_("a function"), AnyCluster: N_("a cluster")},
}


def checked(function: F) -> F:
    """The function; a call that doesn't fit its signature raises LabError, which says what is
    wrong and shows the example of the function's help."""

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        for wrong in _misfits(function, given, named):
            text, name = N_("{name}: {wrong}; write it like `{example}`"), function.__name__
            raise LabError(text, name=name, wrong=wrong, example=example(function))
        return function(*given, **named)

    return call  # type: ignore[return-value]  # it has the same signature


def example(function: Callable[..., Any]) -> str:
    """The call that a function's help shows."""
    name = function.__name__
    found = re.search(rf"[\w.]*\b{name}\([^`\n]*\)", getdoc(function) or "")
    return found[0] if found else f"{name}{signature(function)}"


def _misfits(
    function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]
) -> Iterator[str]:
    """What is wrong with these arguments."""
    expected, hints = _expected(function)
    try:
        arguments = expected.bind_partial(*given, **named).arguments
    except TypeError:
        known = ", ".join(name for name in expected.parameters if name != "self") or _("none")
        odd = ", ".join(name for name in named if name not in expected.parameters)
        text = N_("there is no argument {odd!r}; there are {known}")
        yield _(text if odd else N_("too many arguments; there are {known}"), odd=odd, known=known)
        return
    for name, parameter in expected.parameters.items():
        several = parameter.kind is parameter.VAR_POSITIONAL
        if name not in arguments and parameter.default is parameter.empty and not several:
            yield _("{name} is missing", name=name)
        values = arguments.get(name, ())
        for value in values if several or name not in arguments else (values,):
            if not _fits(value, hints[name]):
                kinds = [get_origin(option) or option for option in _options(hints[name])]
                known = _(" or ").join(_(KINDS[kind]) for kind in kinds if kind in KINDS)
                text, shown = N_("{name}={shown} is not {kinds}"), reprlib.repr(value)
                yield _(text, name=name, shown=shown, kinds=known)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    if len(options := _options(hint)) > 1:
        return any(_fits(value, option) for option in options)
    kind = get_origin(hint) or hint
    if kind is list and isinstance(value, list):
        return all(_fits(item, *get_args(hint)) for item in value)
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, (int, float) if kind is float else kind)


@cache
def _expected(function: Callable[..., Any]) -> tuple[Signature, dict[str, Any]]:
    """A function's signature, and its arguments' types: for what only mypy imports, any object."""
    unknown = dict[str, Any]()
    while True:
        try:
            hints = get_type_hints(function, localns=unknown)
        except NameError as error:
            unknown[str(error.name)] = object
        else:
            expected = signature(function)
            return expected, dict.fromkeys(expected.parameters, object) | hints
