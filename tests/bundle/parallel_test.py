"""Several threads give what one does, in the same order, errors too."""

import os
import threading
import time

import pytest

from tf_ckpt_migrate.bundle.reader import cores, in_order


@pytest.fixture(params=["1", "2", "5"])
def threads(request, monkeypatch):
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", request.param)
    return int(request.param)


def test_as_many_threads_as_cores(monkeypatch):
    monkeypatch.delenv("TF_CKPT_MIGRATE_THREADS", raising=False)
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "7")
    assert cores() == 7
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "0")
    assert cores() == 1


def test_results_are_in_the_order_of_the_items(threads):
    def slow_at_first(number):
        time.sleep(0.01 if number < 3 else 0)
        return number * number

    found = in_order(slow_at_first, range(40), lambda number: number % 3 > 0)
    assert list(found) == [number * number for number in range(40)]


def test_the_first_error_in_order_is_raised_after_the_results_before_it(threads):
    def work(number):
        if number == 7:
            time.sleep(0.02)
        if number in (7, 8, 9):
            raise ValueError(number)
        return number

    found = in_order(work, range(20), lambda number: number != 8)
    assert [next(found) for _ in range(7)] == [*range(7)]
    with pytest.raises(ValueError, match=r"^7$"):
        next(found)
    assert list(found) == []


def test_few_items_are_taken_ahead(threads):
    taken = []
    items = (taken.append(number) or number for number in range(1000))
    found = in_order(abs, items)
    for number in range(10):
        assert next(found) == number
    assert len(taken) <= 10 + 4 * threads + 1


def test_what_has_not_begun_when_the_caller_stops_never_does(monkeypatch):
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "2")
    go_on, begun = threading.Event(), []

    def work(number):
        begun.append(number)
        if number:
            go_on.wait(5)
        return number

    found = in_order(work, range(100))
    assert next(found) == 0
    found.close()
    count = len(begun)
    go_on.set()
    assert list(in_order(abs, range(5))) == [*range(5)]  # the threads are free again
    assert len(begun) <= max(3, count + 2)


def test_a_worker_that_divides_its_own_work_does_it_alone(monkeypatch):
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "2")
    found = in_order(lambda n: sum(in_order(abs, range(n))), [10] * 20)
    assert list(found) == [45] * 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own(monkeypatch):
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "2")
    assert list(in_order(abs, range(9))) == [*range(9)]
    child = os.fork()
    if child == 0:
        done = list(in_order(abs, range(9))) == [*range(9)]
        os._exit(0 if done else 1)
    for _ in range(500):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert status == 0
