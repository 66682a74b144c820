"""Keys, meters and chords, by their names.

The vocabulary every room shares for pitch and metre. Knows nothing of genres, plans or sound.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["major", "minor", "dorian", "phrygian", "lydian", "mixolydian", "locrian"]

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
}

_SHARP_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLAT_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# Major keys a musician writes with flats; other modes follow the major key that shares their notes.
_FLAT_MAJOR_TONICS = {5, 10, 3, 8, 1}
_MODE_WORDS = {
    "": "major", "maj": "major", "major": "major", "ionian": "major",
    "m": "minor", "min": "minor", "minor": "minor", "aeolian": "minor",
    **{name: name for name in SCALES if name not in ("major", "minor")},
}  # fmt: skip


class UnknownName(ValueError):
    """A key, meter or chord was written in a way nobody reads."""


def pitch_class(name: str) -> int:
    """0 to 11 for "C", "F#", "Bb", "E♭"; raises UnknownName."""
    match = re.fullmatch(r"([A-Ga-g])([#♯b♭]{0,2})", name.strip())
    if not match:
        raise UnknownName(f"“{name}” is not the name of a note.")
    shift = sum({"#": 1, "♯": 1, "b": -1, "♭": -1}[sign] for sign in match[2])
    return (_LETTERS[match[1].upper()] + shift) % 12


class Key(BaseModel):
    """A tonic (0 = C … 11 = B) and a mode."""

    model_config = ConfigDict(frozen=True)

    tonic: int = Field(ge=0, le=11)
    mode: Mode

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read "F# minor", "Bbm", "D dorian", "C"; raises UnknownName."""
        match = re.fullmatch(r"\s*([A-Ga-g](?:[#♯b♭]|[ -]?sharp|[ -]?flat)?)[\s-]*([A-Za-z]*)\s*", text)
        # A lone capital M is jazz shorthand for major, a lone small m for minor.
        word = "" if match and match[2] == "M" else (match[2].lower() if match else "?")
        if not match or word not in _MODE_WORDS:
            raise UnknownName(f"“{text}” is not a key. Write it like “F# minor” or “Bb major”.")
        tonic = re.sub(r"[ -]?flat$", "b", re.sub(r"[ -]?sharp$", "#", match[1], flags=re.I), flags=re.I)
        return cls(tonic=pitch_class(tonic), mode=_MODE_WORDS[word])

    @property
    def scale(self) -> tuple[int, ...]:
        """The seven pitch classes, from the tonic up."""
        return tuple((self.tonic + step) % 12 for step in SCALES[self.mode])

    @property
    def is_minor(self) -> bool:
        """True when the third above the tonic is minor."""
        return SCALES[self.mode][2] == 3

    @property
    def spelled_with_flats(self) -> bool:
        offset = {"major": 0, "minor": 3, "dorian": 10, "phrygian": 8, "lydian": 7, "mixolydian": 5, "locrian": 1}
        if self.tonic == 3:  # E flat minor, though its relative major could be written either way
            return True
        return (self.tonic + offset[self.mode]) % 12 in _FLAT_MAJOR_TONICS

    def note_name(self, pitch: int) -> str:
        """The name of a pitch or pitch class as this key spells it."""
        return (_FLAT_NAMES if self.spelled_with_flats else _SHARP_NAMES)[pitch % 12]

    @property
    def name(self) -> str:
        """For people: "F# minor"."""
        return f"{self.note_name(self.tonic)} {self.mode}"

    @property
    def relative(self) -> Key:
        """The major or minor key of the same notes (modes answer with their own-notes major or minor partner)."""
        if self.is_minor:
            offset = {"minor": 3, "dorian": 10, "phrygian": 8, "locrian": 1}[self.mode]
            return Key(tonic=(self.tonic + offset) % 12, mode="major")
        offset = {"major": 9, "lydian": 4, "mixolydian": 2}[self.mode]
        return Key(tonic=(self.tonic + offset) % 12, mode="minor")

    def __str__(self) -> str:
        return self.name


class Meter(BaseModel):
    """Beats a bar and the note that counts as one: 4/4, 3/4, 6/8, 7/8 …"""

    model_config = ConfigDict(frozen=True)

    beats: int = Field(ge=2, le=15)
    unit: Literal[2, 4, 8, 16] = 4

    @classmethod
    def parse(cls, text: str) -> Meter:
        """Read "3/4"; raises UnknownName."""
        match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(2|4|8|16)\s*", text)
        if not match or not 2 <= int(match[1]) <= 15:
            raise UnknownName(f"“{text}” is not a meter. Write it like “4/4” or “6/8”.")
        return cls(beats=int(match[1]), unit=int(match[2]))

    @property
    def is_compound(self) -> bool:
        """6/8, 9/8, 12/8: felt in dotted beats of three."""
        return self.unit >= 8 and self.beats % 3 == 0 and self.beats > 3

    @property
    def quarters_per_bar(self) -> float:
        return self.beats * 4 / self.unit

    @property
    def quarters_per_felt_beat(self) -> float:
        """What one click of the metronome lasts, in quarter notes: 1.5 in 6/8, 1 in 4/4 and in 7/8."""
        return 1.5 * 8 / self.unit if self.is_compound else (2.0 if self.unit == 2 else 1.0)

    def bar_seconds(self, tempo_bpm: float) -> float:
        """One bar's length; the tempo counts felt beats (quarters, or dotted quarters in 6/8)."""
        return self.quarters_per_bar / self.quarters_per_felt_beat * 60.0 / tempo_bpm

    @property
    def name(self) -> str:
        return f"{self.beats}/{self.unit}"

    def __str__(self) -> str:
        return self.name


# Semitones above the root, by the suffix a lead sheet writes.
CHORD_QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "5": (0, 7),
    "sus2": (0, 2, 7), "sus4": (0, 5, 7), "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10), "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9), "7sus4": (0, 5, 7, 10), "add9": (0, 4, 7, 14), "madd9": (0, 3, 7, 14),
    "9": (0, 4, 7, 10, 14), "maj9": (0, 4, 7, 11, 14), "m9": (0, 3, 7, 10, 14), "7b9": (0, 4, 7, 10, 13),
}  # fmt: skip
_CHORD = re.compile(r"([A-G][#♯b♭]?)([^/]*)(?:/([A-G][#♯b♭]?))?")


class Chord(BaseModel):
    """A root, a quality out of CHORD_QUALITIES, and perhaps another bass note; all pitch classes."""

    model_config = ConfigDict(frozen=True)

    root: int = Field(ge=0, le=11)
    quality: str = ""
    bass: int | None = Field(default=None, ge=0, le=11)

    @classmethod
    def parse(cls, symbol: str) -> Chord:
        """Read "F#m7", "Bbmaj9", "C/E"; raises UnknownName."""
        match = _CHORD.fullmatch(symbol.strip())
        if not match or match[2] not in CHORD_QUALITIES:
            raise UnknownName(f"“{symbol}” is not a chord this studio reads. Write it like Am7, F#, Bbmaj7 or C/E.")
        return cls(root=pitch_class(match[1]), quality=match[2], bass=pitch_class(match[3]) if match[3] else None)

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + step) % 12 for step in CHORD_QUALITIES[self.quality])

    def symbol(self, key: Key) -> str:
        """As a lead sheet in this key would write it."""
        bass = f"/{key.note_name(self.bass)}" if self.bass is not None else ""
        return f"{key.note_name(self.root)}{self.quality}{bass}"


_NUMERALS = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4, "VI": 5, "VII": 6}
_NUMERAL = re.compile(r"([b#]?)(VII|VI|V|IV|III|II|I|vii|vi|v|iv|iii|ii|i)(.*)")


def chord_of_numeral(numeral: str, key: Key) -> Chord:
    """The chord a Roman numeral stands for in a key.

    The degree is taken from the key's own mode, so "VI" in A minor is F; a leading "b" or "#" bends that degree.
    Small numerals are minor, "o" marks diminished, and any suffix of CHORD_QUALITIES may follow ("ii7" is m7,
    "Vsus4", "Imaj7"). Raises UnknownName.
    """
    match = _NUMERAL.fullmatch(numeral.strip())
    if not match:
        raise UnknownName(f"“{numeral}” is not a Roman numeral chord.")
    bend = {"": 0, "b": -1, "#": 1}[match[1]]
    root = (key.scale[_NUMERALS[match[2].upper()]] + bend) % 12
    suffix = match[3].replace("o7", "dim7").replace("ø7", "m7b5") if match[3] not in ("o", "°") else "dim"
    if match[2].islower() and suffix in ("", "7", "9", "6", "add9"):
        suffix = "m" + suffix
    if suffix not in CHORD_QUALITIES:
        raise UnknownName(f"“{numeral}” asks for a chord quality this studio does not know.")
    return Chord(root=root, quality=suffix)
