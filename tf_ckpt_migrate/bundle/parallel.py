"""Works on many things with all cores, and gives the results in their order.

What takes long here is done by NumPy and by the CRC-32C library, which let other
threads run meanwhile; so threads are enough, and nothing is sent to another process.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["cores", "in_order", "suits_a_thread"]

_VARIABLE = "TF_CKPT_MIGRATE_THREADS"
_LARGE, _HUGE = 1 << 18, 1 << 28  # bytes
_AHEAD = 4  # pieces of work for each thread that wait, or whose results do

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_here = threading.local()


def cores() -> int:
    """Return how many threads work at once.

    They are as many as the cores that this process may use, or as the environment
    variable ``TF_CKPT_MIGRATE_THREADS`` says.
    """
    asked = os.environ.get(_VARIABLE, "")
    if asked.isdecimal():
        return max(1, int(asked))
    of_process = getattr(os, "sched_getaffinity", None)  # not on every system
    return (len(of_process(0)) if of_process else os.cpu_count()) or 1


def suits_a_thread(size: int) -> bool:
    """Return whether to read so many bytes is work for one thread.

    Few are read sooner than a thread is told to; of very many, all threads take a part.
    """
    return _LARGE <= size < _HUGE


def in_order(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    is_for_thread: Callable[[_Item], bool] = lambda _: True,
) -> Iterator[_Result]:
    """Yield ``work(item)`` for every item, in the order of the items.

    Few items are under way at once, whatever their number. An error is raised where its
    result would have come. If the caller stops, what has not begun never does.

    Args:
      work: Called in threads, so that several calls run at a time.
      items: Taken one by one in the caller's thread, somewhat ahead of the results.
      is_for_thread: Whether an item is given to a thread; others are worked on in the
        caller's.

    Example:
      >>> list(in_order(len, ["one", "two", "three"]))
      [3, 3, 5]
    """
    threads = cores()
    if threads == 1 or getattr(_here, "is_worker", False):
        # A worker that waited for another of its pool might wait for ever.
        yield from map(work, items)
        return
    ahead: deque[Future[_Result]] = deque()
    try:
        for item in items:
            if is_for_thread(item):
                ahead.append(_pool(threads).submit(work, item))
            elif ahead:
                ahead.append(_done(work, item))
            else:
                yield work(item)
            while len(ahead) > _AHEAD * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


def _done(work: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
    """Work here and now; what comes of it, an error too, waits for its turn."""
    from concurrent.futures import Future

    future: Future[_Result] = Future()
    try:
        future.set_result(work(item))
    except Exception as error:  # noqa: BLE001 it is raised again where it belongs
        future.set_exception(error)
    return future


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process: all who ask share them."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, "tf_ckpt_migrate", _begin_worker)


def _begin_worker() -> None:
    _here.is_worker = True


if hasattr(os, "register_at_fork"):  # a child has its parent's pool, but no threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
