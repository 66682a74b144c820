"""Long looks through the library run beside the page, can be stopped, and keep what an earlier one found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from rag.database import LibraryError
from studio.library.looking import Look, Looking, Progress


def over(looking: Looking[str], owner: str | None = None) -> Look[str]:
    deadline = time.monotonic() + 10
    while (look := looking.look(owner)).running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not look.running
    return look


def until_stopped(progress: Progress, stopped: Callable[[], bool]) -> str:
    progress(3, 9)
    while not stopped():
        time.sleep(0.01)
    return "half"


def test_a_result_is_kept_with_what_it_was_made_of() -> None:
    looking: Looking[str] = Looking("It failed", closing=threading.Event())
    assert looking.look(None) == Look()
    looking.begin(None, 1, lambda progress, stopped: "found")
    assert over(looking) == Look("found", 1)
    assert looking.look("another owner") == Look()


@pytest.mark.parametrize("by", ["the user", "the studio's end"])
def test_what_is_stopped_half_way_leaves_the_result_before_it(by: str) -> None:
    closing = threading.Event()
    looking: Looking[str] = Looking("It failed", closing=closing)
    looking.begin(None, 1, lambda progress, stopped: "found")
    over(looking)
    looking.begin(None, 2, until_stopped)
    deadline = time.monotonic() + 10
    while looking.look(None).done != 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    now = looking.begin(None, 3, lambda progress, stopped: "a second at once")
    assert (now.running, now.done, now.total, now.result) == (True, 3, 9, "found")
    if by == "the user":
        looking.stop(None)
    else:
        closing.set()
    assert (over(looking).result, looking.look(None).made_of) == ("found", 1)


def test_trouble_is_told_and_not_tried_again_on_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def fails(progress: Progress, stopped: Callable[[], bool]) -> str:
        raise LibraryError("The disk is full.")

    def breaks(progress: Progress, stopped: Callable[[], bool]) -> str:
        raise ZeroDivisionError

    looking: Looking[str] = Looking("It could not be drawn", closing=threading.Event())
    looking.begin(None, 1, fails)
    assert (over(looking).error, looking.look(None).made_of) == ("The disk is full.", 1)
    looking.begin(None, 2, breaks)
    assert over(looking).error == "It could not be drawn (ZeroDivisionError). The log says more."
    assert "ZeroDivisionError" in caplog.text
