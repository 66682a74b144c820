"""The desk’s work: waiting, stopped, refused, whose it is."""

from __future__ import annotations

import threading

import pytest

from studio.desk.errors import DeskError, NothingThere
from studio.desk.jobs import DeskJobs, Work
from studio.studio import Studio
from tests.studio.desk.desk_parts import keep_take, on_desk


def test_options_that_make_no_sense_are_refused_before_any_work(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    for kind, options in {"dance": {}, "loops": {"bars": "many"}, "bounce": {"titel": "x"}}.items():
        with pytest.raises(DeskError):
            studio.mixing_desk.ask(kind, item.source, options, owner=None)
    assert not studio.mixing_desk.jobs.list()


def test_work_that_is_stopped_in_the_middle_ends_there_and_the_next_begins() -> None:
    jobs, reached = DeskJobs(), threading.Event()

    def endless(work: Work) -> dict[str, object]:
        while True:
            work.tell(0.4, "turning")
            reached.set()

    named = {"kind": "x", "label": "X", "source": "s", "owner": ""}
    first = jobs.submit(endless, **named)
    second = jobs.submit(lambda work: {"made": 1}, **named)
    assert reached.wait(5) and jobs.get(second.id).state == "queued"
    jobs.stop(first.id)
    assert jobs.wait(first.id, timeout_seconds=5).state == "stopped"
    assert jobs.wait(second.id, timeout_seconds=5).result == {"made": 1}
    jobs.close()


def test_work_that_waits_and_is_stopped_never_begins() -> None:
    jobs, gate = DeskJobs(), threading.Event()
    named = {"kind": "x", "label": "X", "source": "s", "owner": ""}
    held = jobs.submit(lambda work: {"waited": gate.wait(5)}, **named)
    begun = []
    waiting = jobs.submit(lambda work: {"begun": begun.append(1)}, **named)
    assert jobs.stop(waiting.id).state == "stopped"
    gate.set()
    jobs.wait(held.id, timeout_seconds=5)
    assert not begun
    jobs.close()


def test_what_breaks_is_said_in_a_sentence_and_the_queue_goes_on() -> None:
    jobs = DeskJobs()
    named = {"kind": "x", "label": "X", "source": "s", "owner": ""}

    def breaks(error: Exception) -> object:
        def task(work: Work) -> dict[str, object]:
            raise error

        return task

    ours = jobs.submit(breaks(DeskError("The tape tore.")), **named)
    theirs = jobs.submit(breaks(KeyError("x")), **named)
    full = jobs.submit(breaks(OSError(28, "No space left on device")), **named)
    assert jobs.wait(ours.id, timeout_seconds=5).error == "The tape tore."
    assert "KeyError" in jobs.wait(theirs.id, timeout_seconds=5).error
    assert "disk is full" in jobs.wait(full.id, timeout_seconds=5).error
    jobs.close()


def test_an_owner_sees_and_stops_only_their_own_work_and_has_only_so_much() -> None:
    jobs, gate = DeskJobs(), threading.Event()
    named = {"kind": "x", "label": "X", "source": "s"}
    mine = jobs.submit(lambda work: {"waited": gate.wait(5)}, owner="anna", most=2, **named)
    jobs.submit(lambda work: {}, owner="anna", most=2, **named)
    with pytest.raises(DeskError, match="2 things"):
        jobs.submit(lambda work: {}, owner="anna", most=2, **named)
    assert not jobs.list("ben") and len(jobs.list("anna")) == 2
    with pytest.raises(NothingThere):
        jobs.stop(mine.id, owner="ben")
    gate.set()
    jobs.close()
