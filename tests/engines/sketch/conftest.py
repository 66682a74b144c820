"""Song plans written by hand, so that the engine is tested without any planner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agents.harmony import Key, Meter, chord_of_numeral
from agents.types import Brief, Decided, Section, SongPlan

FORM = (("intro", 2, 0.3), ("verse", 4, 0.5), ("chorus", 4, 0.9))


def _plan(
    *,
    groove: str = "four_on_floor",
    genre: str = "by hand",
    key: str = "A minor",
    meter: str = "4/4",
    tempo_bpm: float = 120.0,
    form: Sequence[tuple[str, int, float]] = FORM,
    chords: Sequence[str] = (),
    instruments: Sequence[str] | None = None,
    section_instruments: Sequence[Sequence[str]] = (),
    ring_seconds: float = 1.0,
) -> SongPlan:
    from studio.engines.sketch.grooves import all_grooves

    home, time = Key.parse(key), Meter.parse(meter)
    numerals = ("i", "VI", "III", "VII") if home.is_minor else ("I", "V", "vi", "IV")
    progression = list(chords) or [chord_of_numeral(numeral, home).symbol(home) for numeral in numerals]
    band = list(all_grooves()[groove].band if instruments is None else instruments)

    def said(value: Any) -> Decided[Any]:
        return Decided(value=value)

    sections = [
        Section(
            name=said(name), bars=said(bars), energy=said(energy), prompt=said(""), chords=said(progression),
            instruments=said(list(section_instruments[number]) if section_instruments else band),
        )
        for number, (name, bars, energy) in enumerate(form)
    ]  # fmt: skip
    seconds = sum(bars for _, bars, _ in form) * time.bar_seconds(tempo_bpm) + ring_seconds
    return SongPlan(
        brief=Brief(words="by hand"), title=said("By hand"), seconds=said(seconds), tempo_bpm=said(tempo_bpm),
        key=said(home), meter=said(time), genre=said(genre), moods=said([]), groove=said(groove),
        instruments=said(band), prompt=said(""), negative_prompt=said(""), sections=sections,
    )  # fmt: skip


@pytest.fixture
def make_plan() -> Callable[..., SongPlan]:
    """Writes a plan; every value has a default and can be given."""
    return _plan
