"""Checks that a call fits its signature, and says in one sentence where it doesn't."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, reduce, wraps
from inspect import Parameter, Signature, getdoc, signature, unwrap
from types import FrameType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from swarmlab.errors import LabError
from swarmlab.strings import N_, _

F = TypeVar("F", bound=Callable[..., Any])
# Python's words for a call without a fit, and ours.
MISFITS = {
    r"missing .*argument: '(\w+)'": N_("{0} is missing"),
    r"unexpected keyword argument '(\w+)'": N_("there is no argument {0!r}; there are {known}"),
    r"too many positional arguments": N_("too many arguments; there are {known}"),
}
KINDS = {
    **{"bool": N_("True or False"), "int": N_("a whole number"), "float": N_("a number")},
    **{"str": N_("text in quotes"), "list": N_("a list of texts"), "Path": N_("a path")},
    **{"Callable": N_("a function"), "AnyCluster": N_("a cluster")},
    **{"MakeCluster": N_("a function"), "Iterable": N_("a list of whole numbers")},
    **{"type": N_("a class"), "DockerClient": N_("a client"), "Sequence": N_("a list of texts")},
    **{
        kind: N_("text in quotes") for kind in ("NodeName", "ServiceName", "TaskName", "SecretName")
    },
}


def checked(function: F) -> F:
    """The function; a call that doesn't fit its signature raises LabError, which says what is
    wrong and shows the example of the function's help."""
    expected = signature(function)

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        wrong = ""
        try:
            arguments = expected.bind(*given, **named).arguments
        except TypeError as error:
            wrong = _in_words(str(error), expected)
        else:
            for name, value in arguments.items():
                wrong = wrong or _misfit(function, expected.parameters[name], value)
        if wrong:
            text, name = N_("{name}: {wrong}; write it like `{example}`"), function.__name__
            raise LabError(text, name=name, wrong=wrong, example=example(function))
        return function(*given, **named)

    return call  # type: ignore[return-value]  # it has the same signature


def misfit_in(frame: FrameType) -> str:
    """What is wrong with an argument of a call that has failed; empty: nothing, as far as known."""
    first, *names = frame.f_code.co_qualname.split(".")
    found: Any = reduce(lambda o, n: getattr(o, n, None), names, frame.f_globals.get(first))
    if getattr(found := unwrap(found), "__code__", None) is not frame.f_code:
        return ""
    given = ((p, frame.f_locals[p.name]) for p in signature(found).parameters.values())
    return next(filter(None, (_misfit(found, p, value) for p, value in given)), "")


def _in_words(error: str, expected: Signature) -> str:
    """What Python says of a call, in the user's language."""
    known = ", ".join(name for name in expected.parameters if name != "self") or _("none")
    found = ((text, re.search(pattern, error)) for pattern, text in MISFITS.items())
    return next(
        (_(text).format(*match.groups(), known=known) for text, match in found if match), error
    )


def example(function: Callable[..., Any]) -> str:
    """The call that a function's help shows."""
    arguments = r"\((?:[^()`\n]|\([^()`\n]*\))*\)"  # with calls in them
    found = re.search(rf"[\w.]*\b{function.__name__}{arguments}", getdoc(function) or "")
    return found[0] if found else f"{function.__name__}(…)"


def _misfit(function: Callable[..., Any], parameter: Parameter, value: Any) -> str:
    """What is wrong with an argument; empty: nothing."""
    for one in value if parameter.kind is parameter.VAR_POSITIONAL else (value,):
        if not _fits(one, _hint(function, parameter.annotation)):
            names = (name.partition("[")[0] for name in parameter.annotation.split(" | "))
            kinds = _(" or ").join(dict.fromkeys(_(KINDS.get(name, name)) for name in names))
            text, shown = N_("{name}={shown} is not {kinds}"), reprlib.repr(one)
            return _(text, name=parameter.name, shown=shown, kinds=kinds)
    return ""


@cache
def _hint(function: Callable[..., Any], annotation: str) -> Any:
    """The type that an annotation names; any object, where mypy alone imports it."""
    try:
        return eval(annotation, function.__globals__)
    except (NameError, TypeError):
        return object


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    kind = get_origin(hint) or hint
    if kind in (list, Iterable, Sequence) and isinstance(value, Collection):
        items = all(_fits(item, *get_args(hint)) for item in value)
        return items and isinstance(value, kind) and not isinstance(value, str | bytes)
    if getattr(kind, "_is_protocol", False):  # what has none of its properties is surely none
        names = [name for name, member in vars(kind).items() if isinstance(member, property)]
        return any(hasattr(value, name) for name in names)
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, (int, float) if kind is float else kind)
