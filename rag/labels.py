"""What to call a track: its genre and moods, and a sentence it is found by.

In order of trust: what its maker says (a take's plan), its file's tags, CLAP asked in words (zero-shot), and rules on its
figures, which are rough; who said it is kept with it. The words themselves are handed in, so that the library speaks
the same language as the rest of the studio. Knows nothing of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rag.features import Features
from rag.tracks import Track

if TYPE_CHECKING:
    from rag.embeddings import Embedder

# Under this likelihood the rules keep silent: a wrong genre is worse than none.
_LEAST_LIKELY = 0.25
_NO_GENRE = 0.3  # what speaks for a genre that is not on the list
_MOST_MOODS = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A genre or mood. aliases: as people write it. tempo_bpm: usual range; energy: 0 to 1; modes: usual, by name.

    prompt: how it is put to CLAP, like “This is jazz music.”
    """

    name: str
    label: str
    aliases: tuple[str, ...] = ()
    tempo_bpm: tuple[float, float] = (60.0, 180.0)
    energy: float = 0.5
    modes: tuple[str, ...] = ()
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The genres and moods the studio knows."""

    genres: Mapping[str, Kind]
    moods: Mapping[str, Kind]


class Labels:
    """Labels tracks. listener: an embedder that hears words, asked zero-shot; None leaves tags and rules."""

    def __init__(self, vocabulary: Vocabulary, *, listener: Callable[[], Embedder | None] = lambda: None) -> None:
        self.vocabulary = vocabulary
        self._listener = listener
        self._asked: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def label(self, track: Track, sound: np.ndarray | None) -> Track:
        """The track with genre, moods and description. sound: its vector by the listener, when it has one."""
        if track.features is None:
            return track
        genre, genre_by = self._genre(track, sound)
        moods, moods_by = self._moods(track, sound)
        track = replace(track, genre=genre, genre_by=genre_by, moods=moods, moods_by=moods_by)
        return replace(track, description=self.description(track))

    def description(self, track: Track) -> str:
        """A sentence that says what is known: names, genre, moods, figures in words."""
        heard = track.features
        if track.genre_by == "take" and track.description:
            return track.description
        genre = self.vocabulary.genres[track.genre].label if track.genre in self.vocabulary.genres else track.genre
        moods = [self.vocabulary.moods[each].label if each in self.vocabulary.moods else each for each in track.moods]
        said = [track.label, track.album, genre, *track.genre_tags, *(mood.lower() for mood in moods)]
        if heard is not None:
            said += [in_words(heard), f"{heard.tempo_bpm:.0f} bpm", heard.key_name]
        kept = dict.fromkeys(part.strip() for part in said if part.strip())
        return ", ".join(kept)

    # ---------------------------------------------------------------------------------------------- genre

    def _genre(self, track: Track, sound: np.ndarray | None) -> tuple[str, str]:
        if track.genre_by == "take" and track.genre:
            return track.genre, "take"
        for tag in track.genre_tags:
            if (named := self._by_alias.get(_plain(tag))) is not None:
                return named, "tags"
        for tag in track.genre_tags:  # “Instrumental Hip-Hop / Jazz”: a known genre within a longer tag
            inside = [
                name for alias, name in self._by_alias.items() if re.search(rf"\b{re.escape(alias)}\b", _plain(tag))
            ]
            if inside:
                return max(inside, key=len), "tags"
        if sound is not None and (asked := self._likely("genres", sound)):
            return asked[0], "clap"
        assert track.features is not None
        return _by_rules(track.features, self.vocabulary.genres)

    @cached_property
    def _by_alias(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, kind in self.vocabulary.genres.items():
            for alias in (name.replace("_", " "), kind.label, *kind.aliases):
                found.setdefault(_plain(alias), name)
        return found

    def _moods(self, track: Track, sound: np.ndarray | None) -> tuple[tuple[str, ...], str]:
        if track.moods_by == "take" and track.moods:
            return track.moods, "take"
        if sound is not None and (asked := self._likely("moods", sound)):
            return tuple(asked[:_MOST_MOODS]), "clap"
        assert track.features is not None
        moods = [mood for mood in moods_by_rules(track.features) if mood in self.vocabulary.moods]
        return tuple(moods[:_MOST_MOODS]), "rules"

    def _likely(self, what: str, sound: np.ndarray) -> list[str]:
        """Names by how well their words lie with the sound, best first; none without a listener."""
        listener = self._listener()
        if listener is None or not listener.hears_words:
            return []
        kinds = self.vocabulary.genres if what == "genres" else self.vocabulary.moods
        if listener.identity not in self._asked:
            self._asked[listener.identity] = (
                listener.embed_words([kind.prompt or kind.label for kind in self.vocabulary.genres.values()]),
                listener.embed_words([kind.prompt or kind.label for kind in self.vocabulary.moods.values()]),
            )
        words = self._asked[listener.identity][0 if what == "genres" else 1]
        names = list(kinds)
        return [names[n] for n in np.argsort(-(words @ sound), kind="stable")]


def _by_rules(heard: Features, genres: Mapping[str, Kind]) -> tuple[str, str]:
    """The genre whose usual tempo, energy and mode fit best, when it clearly does; ("", "") otherwise."""
    scores = np.array([_fit(heard, kind) for kind in genres.values()])
    if not len(scores) or scores.max() <= 0:
        return "", ""
    best = int(np.argmax(scores))
    likely = float(scores[best] / (scores.sum() + _NO_GENRE))
    return (list(genres)[best], "rules") if likely >= _LEAST_LIKELY else ("", "")


def _fit(heard: Features, kind: Kind) -> float:
    low, high = kind.tempo_bpm
    beyond = max(0.0, np.log2(low / heard.tempo_bpm), np.log2(heard.tempo_bpm / high))
    wide = np.log2(high / low) + 0.15
    mode = "minor" if heard.key >= 12 else "major"
    minor = sum(each in ("minor", "dorian", "phrygian") for each in kind.modes) / max(1, len(kind.modes))
    fits = minor if mode == "minor" else 1 - minor
    tempo = np.exp(-0.5 * (beyond / 0.08) ** 2) / wide
    return float(tempo * np.exp(-0.5 * ((heard.energy - kind.energy) / 0.15) ** 2) * (0.3 + fits))


def moods_by_rules(heard: Features) -> list[str]:
    """Moods of energy and mode, after Thayer's plane (1989): high or low arousal, and valence by major and minor."""
    minor, energy = heard.key >= 12, heard.energy
    sure = heard.key_confidence > 0.15
    if energy >= 0.7:
        first = ["energetic"] + (["aggressive" if energy > 0.85 else "dark"] if minor and sure else [])
        return first + (["happy"] if not minor and sure else [])
    if energy <= 0.35:
        quiet = ["calm"]
        return quiet + (["melancholic" if minor else "warm"] if sure else [])
    mild = ["melancholic" if minor else "happy"] if sure else []
    return mild + (["groovy"] if heard.danceability > 0.7 else [])


def in_words(heard: Features) -> str:
    """The figures as people say them: “slow, quiet, dark-sounding, minor”."""
    tempo = heard.tempo_bpm
    pace = "slow" if tempo < 80 else "fast" if tempo > 140 else "mid-tempo"
    force = (
        "calm and soft" if heard.energy < 0.35 else "energetic and loud" if heard.energy > 0.7 else "moderate energy"
    )
    tone = "bright" if heard.brightness_hz > 1_300 else "dark-sounding" if heard.brightness_hz < 600 else ""
    beat = (
        "steady beat"
        if heard.tempo_confidence > 0.7
        else "free, without a clear beat"
        if heard.tempo_confidence < 0.25
        else ""
    )
    dance = "danceable" if heard.danceability > 0.75 else ""
    return ", ".join(part for part in (pace, force, tone, beat, dance) if part)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9&]+", " ", text.lower()).strip()
