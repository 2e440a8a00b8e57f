"""What live pictures ask of real engines, which may hang, and must not hold up the kernel, too."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from swarmlab.errors import LabError

T = TypeVar("T")
ANSWER_S_MAX = 3.0  # so long a picture waits; then the answer is for the next time it is drawn
_awaited: WeakKeyDictionary[Any, Future[Any]] = WeakKeyDictionary()  # by cluster


def soon(ask: Callable[..., T], cluster: Any, *more: Any) -> T:
    """What `ask(cluster, *more)` returns, on each cluster the same question.

    LabError: real engines have not answered yet; until they do, they are asked nothing more.
    """
    if cluster.has_trace:
        return ask(cluster, *more)
    answer, wait_s = _awaited.get(cluster), 0.0
    if answer is None:
        answer, wait_s = Future[Any](), ANSWER_S_MAX
        _awaited[cluster] = answer
        Thread(target=_answer, args=[answer, ask, cluster, *more], daemon=True).start()
    wait([answer], wait_s)
    if not answer.done():
        raise LabError("the engines have not answered for {limit:g} s", limit=ANSWER_S_MAX)
    del _awaited[cluster]
    result: T = answer.result()
    return result


def _answer(answer: Future[Any], ask: Callable[..., Any], *arguments: Any) -> None:
    try:
        answer.set_result(ask(*arguments))
    except Exception as error:
        answer.set_exception(error)
