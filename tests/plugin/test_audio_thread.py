"""What the audio thread does, watched: no memory, no locks, no system calls; and how little time it takes."""

from __future__ import annotations

import pytest

from tests.plugin.built import Built
from tests.plugin.conftest import KnownStudio

FORBIDDEN = ("allocations", "frees", "locks", "wakings", "system_calls")


def watched(built: Built, studio: KnownStudio, seconds: int, *more: str) -> dict[str, float]:
    said = built.host("watch", built.clap, str(seconds), *more, plugin_file=studio.plugin_file).decode()
    return {name: float(value) for name, value in (line.split() for line in said.splitlines())}


def test_the_watch_sees_what_it_watches_for(built: Built, studio: KnownStudio) -> None:
    seen = watched(built, studio, 1, "sin")
    if seen["refuses"] != 1:
        pytest.skip("this kernel filters no system calls")
    assert seen["allocations"] == 1 and seen["frees"] == 1 and seen["locks"] == 1
    assert seen["system_calls"] >= 1  # the one asked for, and those of the allocation


def test_the_audio_thread_allocates_locks_and_calls_nothing(built: Built, studio: KnownStudio) -> None:
    """Over keys, slices, loops, a jumping playhead, and sounds that come while it runs."""
    seen = watched(built, studio, 14)
    assert seen["sounds"] >= 4  # the tempo changed, and with it the sound, under the watch
    assert seen["peak"] > 0.3
    assert {name: seen[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, 0)


def test_sixty_four_of_them_are_light(built: Built, studio: KnownStudio) -> None:
    """At 64 frames a block, all sounding, under a fifth of a core; docs/plugin.md has the measured figure."""
    said = built.host("time", built.clap, "64", "64", "2", plugin_file=studio.plugin_file).decode()
    loads = {name: float(value) for name, value in (line.split() for line in said.splitlines())}
    assert loads["load"] < 0.2
    assert loads["bent_load"] < 0.2
