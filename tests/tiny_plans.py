"""Small song plans for tests that need one and do not care how it was made."""

from __future__ import annotations

from agents.harmony import Key, Meter
from agents.types import Brief, Decided, Section, SongPlan


def make_plan(*, seconds: float = 2.0, prompt: str = "sad solo piano waltz", negative: str = "") -> SongPlan:
    """A plan of the given length with one section, at 240 bpm in 4/4 so that a bar is one second."""
    return SongPlan(
        brief=Brief(words=prompt, negative_words=negative),
        title=Decided(value="A test"),
        seconds=Decided(value=seconds, by="asked"),
        tempo_bpm=Decided(value=240.0),
        key=Decided(value=Key.parse("C major")),
        meter=Decided(value=Meter.parse("4/4")),
        genre=Decided(value="ambient"),
        moods=Decided(value=[]),
        groove=Decided(value="none"),
        instruments=Decided(value=[]),
        prompt=Decided(value=prompt),
        negative_prompt=Decided(value=negative),
        sections=[
            Section(
                name=Decided(value="all"),
                bars=Decided(value=max(1, int(seconds))),
                energy=Decided(value=0.5),
                prompt=Decided(value=prompt),
                chords=Decided(value=["C"]),
                instruments=Decided(value=[]),
            )
        ],
    )
