"""A melody as notes on a beat: its key, where it lies in a song's bars, and which instrument sings it.

A song states a melody and comes back to it: verses and choruses take it up where the last left off, bridges and solos
develop its first phrase, beginnings and endings leave it out. Knows nothing of where a melody comes from, or of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from agents import knowledge
from agents.harmony import Key, Meter, Mode
from agents.types import Section, SongPlan
from audio.analysis import MAJOR_PROFILE, MINOR_PROFILE

Use = Literal["stated", "developed", "rests"]

_RESTS = ("intro", "introduction", "opening", "outro", "coda", "closing", "ending", "breakdown", "interlude", "aftermath", "stillness")  # fmt: skip
_DEVELOPS = ("bridge", "solo", "build", "pre-chorus", "post-chorus", "development", "swell", "trio", "montuno")
PHRASE_BARS = 4
_PICKUP = 0.5  # a first bar that begins later than this is a pickup to the next
_LAST_NOTE, _FIRST_NOTE = 0.15, 0.05


@dataclass(frozen=True, slots=True, order=True)
class TuneNote:
    """One note of a melody. Places in quarters from the first whole bar, negative in a pickup. velocity: 1 to 127."""

    start_quarters: float
    end_quarters: float
    pitch: int
    velocity: int = 96


@dataclass(frozen=True)
class Tune:
    """A melody, one note at a time. name: what it is kept under (“midi:…”, “sound:…”, “take:…”).

    source: "midi" or "take" for notes that are exact, "heard" for a transcription. tempo_bpm: quarters a minute, meter,
    known_key: None where nobody knows. on_grid: how far the notes were moved to the beat, 0 not at all to 1.
    """

    name: str
    notes: tuple[TuneNote, ...]
    source: Literal["midi", "take", "heard"]
    tempo_bpm: float | None = None
    meter: Meter | None = None
    known_key: Key | None = None
    on_grid: float = 0.0

    @cached_property
    def key(self) -> Key:
        """The key it came with, or the one its notes speak for."""
        return self.known_key or self.key_in(None)

    def key_in(self, mode: Mode | None) -> Key:
        """The likeliest key, of one mode when that is given.

        Krumhansl's correlation of durations by pitch class with Albrecht and Shanahan's profiles (2013); where the last
        note rests and the first begins speak for their tonic.
        """
        lasts = np.zeros(12)
        for note in self.notes:
            lasts[note.pitch % 12] += min(4.0, note.end_quarters - note.start_quarters)
        modes: list[Mode] = [mode] if mode else ["major", "minor"]
        first = next((note for note in self.notes if note.start_quarters >= 0), self.notes[0])

        def likelihood(key: Key) -> tuple[float, int]:
            profile = np.array(MINOR_PROFILE if key.is_minor else MAJOR_PROFILE)
            if mode not in (None, "major", "minor"):
                profile = np.where(np.isin(np.arange(12), Key(tonic=0, mode=key.mode).scale), profile + 0.05, 0.0)
            fits = float(np.corrcoef(lasts, np.roll(profile, key.tonic))[0, 1]) if lasts.std() > 0 else 0.0
            ends = (self.notes[-1].pitch - key.tonic) % 12
            begins = (first.pitch - key.tonic) % 12
            fits += _LAST_NOTE * (ends == 0) + _FIRST_NOTE * (begins in (0, 7, 3 if key.is_minor else 4))
            return fits, -key.tonic

        return max((Key(tonic=tonic, mode=each) for tonic in range(12) for each in modes), key=likelihood)

    def moved_to(self, key: Key) -> Tune:
        """The melody with its tonic on that key's, by six semitones at most either way."""
        by = (key.tonic - self.key.tonic + 6) % 12 - 6
        notes = tuple(replace(note, pitch=note.pitch + by) for note in self.notes)
        moved = Key(tonic=key.tonic, mode=self.key.mode)
        return replace(self, notes=notes, known_key=moved)

    def share_in(self, key: Key) -> float:
        """How much of it, by duration, are notes of that key: 0 to 1."""
        lasts = [(note.pitch, note.end_quarters - note.start_quarters) for note in self.notes]
        return sum(last for pitch, last in lasts if pitch % 12 in key.scale) / max(1e-9, sum(last for _, last in lasts))

    def bars(self, meter: Meter) -> int:
        """From the first whole bar to the one in which the last note begins."""
        return max(1, int(self.notes[-1].start_quarters / meter.quarters_per_bar + 1e-6) + 1)

    @property
    def has_pickup(self) -> bool:
        return self.notes[0].start_quarters < -1e-6

    def in_bar(self, bar: int, meter: Meter) -> list[TuneNote]:
        """The notes that begin in one of its bars."""
        first, last = bar * meter.quarters_per_bar - 1e-6, (bar + 1) * meter.quarters_per_bar - 1e-6
        return [note for note in self.notes if first <= note.start_quarters < last]


def from_first_bar(notes: Sequence[TuneNote], meter: Meter) -> tuple[TuneNote, ...]:
    """The notes counted from their first bar: silence before it goes, and a late beginning becomes a pickup.

    It is one when it fills less than half of its bar and the melody goes on for more than a bar.
    """
    bar = meter.quarters_per_bar
    empty = int(notes[0].start_quarters / bar + 1e-6)
    begins = notes[0].start_quarters / bar - empty
    goes_on = notes[-1].start_quarters >= (empty + 2) * bar - 1e-6
    before = (empty + (begins > _PICKUP and goes_on)) * bar
    return tuple(
        replace(n, start_quarters=n.start_quarters - before, end_quarters=n.end_quarters - before) for n in notes
    )


# ------------------------------------------------------------------------------------------------ in a song's bars


@dataclass(frozen=True, slots=True)
class Passage:
    """What one bar of the song has of the melody. bar: of the melody, where it is not resting."""

    use: Use
    bar: int = 0


def laid_out(plan: SongPlan, tune: Tune) -> tuple[Passage, ...]:
    """A passage for each bar of the song.

    Sections that state take up the melody where the last left off; once it has been heard, sections of one name share
    what the first of them had. A melody shorter than its section comes again, at the beginning of a phrase.
    """
    whole = _phrased(tune.bars(plan.meter.value))
    uses = _uses(plan.sections, lead_of(plan))
    spans: dict[str, range] = {}
    heard, passages = 0, list[Passage]()
    for section, use in zip(plan.sections, uses, strict=True):
        bars, kind = section.bars.value, kind_of(section)
        if use == "rests":
            passages += [Passage("rests")] * bars
            continue
        if use == "developed":
            passages += [Passage("developed", bar % min(whole, PHRASE_BARS)) for bar in range(bars)]
            continue
        waits = not passages and tune.has_pickup and bars > 1
        if waits:  # the pickup needs a bar of its own
            passages.append(Passage("rests"))
            bars -= 1
        if heard < whole:
            phrase = min(PHRASE_BARS, bars)
            begins = heard // phrase * phrase  # never in the middle of a phrase, so a bar may be heard again
            span = range(begins, min(whole, begins + bars))
            heard = span.stop
            spans.setdefault(kind, span)
        else:
            span = spans.setdefault(kind, range(min(whole, bars)))
        passages += [_passage(span[bar % len(span)], tune, plan.meter.value) for bar in range(bars)]
    return tuple(passages)


def unheard_bars(plan: SongPlan, tune: Tune) -> int:
    """How many of the melody's last bars the song has no room for."""
    stated = [passage.bar for passage in laid_out(plan, tune) if passage.use == "stated"]
    return max(0, tune.bars(plan.meter.value) - 1 - max(stated, default=-1))


def kind_of(section: Section) -> str:
    """ "Verse 2" and "verse" are one kind."""
    return section.name.value.lower().rstrip(" 0123456789")


def _passage(bar: int, tune: Tune, meter: Meter) -> Passage:
    return Passage("stated", bar) if bar < tune.bars(meter) else Passage("rests")


def _phrased(bars: int) -> int:
    """The bars of whole phrases that hold it: 1, 2, 4, then every four."""
    return bars if bars <= 2 else -(-bars // PHRASE_BARS) * PHRASE_BARS


def _uses(sections: Sequence[Section], lead: str | None) -> list[Use]:
    """What each section does with the melody; one of them states it, and its singer is never left alone to rest."""
    kinds = [kind_of(section) for section in sections]
    uses: list[Use] = ["rests" if kind in _RESTS else "developed" if kind in _DEVELOPS else "stated" for kind in kinds]
    if "stated" not in uses:
        developing = [number for number, use in enumerate(uses) if use == "developed"]
        among = developing or range(len(sections))
        uses[max(among, key=lambda number: (sections[number].bars.value, -number))] = "stated"
    for number, section in enumerate(sections):
        if uses[number] == "rests" and set(section.instruments.value) == {lead}:
            uses[number] = "developed"
    return uses


# ---------------------------------------------------------------------------------------------------- who sings it


def lead_of(plan: SongPlan) -> str | None:
    """The instrument of the plan that sings the melody: the genre's own lead, else one that likes to; None when none can."""
    known = knowledge.instruments()
    able = [name for name in plan.instruments.value if name in known and "melody" in known[name].roles]
    genre = knowledge.genres().get(plan.genre.value)
    leads, others = (genre.palette.get(role, ()) if genre else () for role in ("melody", "chords"))

    def reluctance(name: str) -> tuple[bool, bool, int]:
        return name not in leads, name in others, known[name].roles.index("melody")

    return min(able, key=reluctance, default=None)


def octaves_into(tune: Tune, *, low: int, high: int) -> int:
    """By how many octaves the whole melody moves to lie on an instrument: as few as possible, with most notes inside."""
    pitches = [note.pitch for note in tune.notes]

    def cost(octaves: int) -> tuple[int, int, int]:
        outside = sum(not low <= pitch + 12 * octaves <= high for pitch in pitches)
        return outside, abs(octaves), -octaves

    return min(range(-4, 5), key=cost)
