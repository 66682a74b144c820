"""How each groove moves: drums, bass and comping, written as steps.

A step line is beats apart by spaces and bars apart by "|". A beat has four steps (sixteenths) or three (triplets).
Drum steps: X accent, x normal, o soft, g ghost, ? now and then, . nothing.
Bass steps: R root, 5 fifth, 8 octave, 3 third, 7 seventh or sixth, l the fifth below, a an approach to the next root,
n the next chord's root, W a walking note, r a soft root, - hold on, . rest.
Comping steps: X accent, x chord, o soft chord, s short stab, d and u down and up strokes, b the low note,
1 to 4 notes of the chord from below, - hold on, . rest.
Knows nothing of meters, keys or sound: the players do the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

Lanes = dict[str, tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, slots=True)
class Groove:
    """One way of moving.

    beats: how many a pattern's bar has. drums, percussion: lane texts from the calmest to the fullest. bass, comp:
    step lines, likewise. comp_plucked: comping for guitars when it differs. melody, counter: the styles of the
    players in melody.py. swing: 0 to 1 where no genre says it; swing_unit: the note that is delayed. loose: how far
    players stray from the grid, 0 a machine to 1 a loose band. fill: how section ends are marked. pump: how far the
    kick pushes the rest down, in dB. band: who plays when nobody was named.
    """

    drums: tuple[str, ...]
    bass: tuple[str, ...]
    comp: tuple[str, ...]
    band: tuple[str, ...]
    percussion: str = ""
    comp_plucked: tuple[str, ...] = ()
    beats: int = 4
    melody: str = "hook"
    counter: str = "answer"
    swing: float = 0.0
    swing_unit: int = 16
    loose: float = 0.5
    fill: str = "toms"
    pump: float = 0.0
    crash: bool = True
    drag: dict[str, float] = field(default_factory=dict)


@cache
def steps_of(line: str) -> tuple[tuple[str, ...], ...]:
    """A step line as bars of beats: "x... x...|x..." → (("x...", "x..."), ("x...",))."""
    return tuple(tuple(bar.split()) for bar in line.split("|"))


@cache
def lanes_of(text: str) -> Lanes:
    """A drum text, a lane a line, as lane name → bars of beats."""
    lanes: Lanes = {}
    for line in text.strip().splitlines():
        name, _, steps = line.strip().partition(" ")
        lanes[name] = steps_of(steps.strip())
    return lanes


@cache
def all_grooves() -> dict[str, Groove]:
    """Every groove by its name."""
    from studio.engines.sketch.grooves import band, caribbean, electronic, jazz, latin, scenic, soul, urban

    found: dict[str, Groove] = {}
    for room in (electronic, urban, band, soul, jazz, latin, caribbean, scenic):
        found |= room.GROOVES
    return found


# What an unknown groove most probably meant, by a word in its name.
_BY_WORD = {
    "house": "four_on_floor", "techno": "techno_rolling", "trance": "trance_offbeat", "dnb": "drum_and_bass",
    "jungle": "breakbeat", "hop": "boom_bap", "lofi": "lofi_swing", "lo-fi": "lofi_swing", "metal": "metal_double_kick",
    "punk": "punk", "funk": "funk_16ths", "soul": "motown", "gospel": "gospel_shuffle", "blues": "blues_shuffle",
    "jazz": "jazz_swing", "swing": "jazz_swing", "ballad": "soul_ballad", "bossa": "bossa_nova", "salsa": "salsa_tumbao",
    "reggae": "reggae_one_drop", "dub": "dub_steppers", "country": "country_train", "folk": "folk_strum",
    "march": "march", "waltz": "waltz", "film": "cinematic_pulse", "cinematic": "cinematic_pulse",
    "classical": "orchestral", "orchestra": "orchestral", "chip": "chiptune_pulse", "ambient": "ambient_free",
    "drone": "ambient_free", "synth": "synthwave_eighths", "disco": "disco", "trap": "trap", "rock": "rock_straight",
}  # fmt: skip


def groove_named(name: str, *, genre: str = "") -> tuple[str, Groove]:
    """The groove of that name, or the nearest one that the name or the genre hints at; plain rock when neither does."""
    grooves = all_grooves()
    if name in grooves:
        return name, grooves[name]
    for text in (name.lower(), genre.lower()):
        for word, meant in _BY_WORD.items():
            if word in text:
                return meant, grooves[meant]
    return "rock_straight", grooves["rock_straight"]
