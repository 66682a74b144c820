"""What a track is called when it is learned from: a sidecar's words, else what is known of it, else what is heard.

A `.txt` beside a sound file always wins. Then come the file's tags and what the analysis is sure of; a take's caption is
worded by the metadata agent from its plan. Nothing is guessed: a track of which nothing is known gets but its tempo
and key. Knows nothing of segments or of manifests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.language_model import LanguageModel
from agents.types import SongPlan
from audio.clip import Clip
from studio.training.manifest import LONGEST_CAPTION, CaptionBy

SURE_OF_TEMPO, SURE_OF_KEY = 0.4, 0.15  # confidences under which a figure is left out rather than taught wrong
_LONGEST_TAG = 80
_HEARD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption and who worded it."""

    words: str
    by: CaptionBy


def caption_of_file(path: Path, clip: Clip, *, wording: Callable[[str], str | None] | None = None) -> Caption:
    """A sound file's caption: its sidecar's, else its tags and its analysis.

    wording: the metadata agent, given the bare facts; it is asked when there is no sidecar and no tag, and None leaves
    it out.
    """
    if words := sidecar(path):
        return Caption(words, "sidecar")
    tags, heard = _tags(path), _heard(clip)
    if tags:
        return Caption(", ".join((*tags, *heard))[:LONGEST_CAPTION], "tags")
    facts = ", ".join((*heard, "instrumental")) if heard else ""
    if wording is not None and (worded := wording(facts)):
        return Caption(worded[:LONGEST_CAPTION], "metadata agent")
    return Caption(", ".join(heard), "analysis")


def caption_of_plan(plan: SongPlan, *, language_model: LanguageModel | None = None) -> Caption:
    """A take's caption, out of its plan by the metadata agent."""
    from agents.metadata_agent import describe_song

    answer = describe_song(plan, language_model=language_model)
    return Caption(answer.value.description[:LONGEST_CAPTION], "metadata agent")


def sidecar(path: Path) -> str:
    """The words in the `.txt` beside a sound file (“song.txt” or “song.wav.txt”), on one line; "" when there are none."""
    for beside in (path.with_suffix(".txt"), path.with_name(f"{path.name}.txt")):
        try:
            words = " ".join(beside.read_text(encoding="utf-8", errors="replace").split())
        except OSError:
            continue
        if words:
            return words[:LONGEST_CAPTION]
    return ""


def _tags(path: Path) -> tuple[str, ...]:
    """Genre, mood and description out of a file's tags, without repeating itself."""
    import mutagen

    try:
        file: Any = mutagen.File(path, easy=True)
    except (mutagen.MutagenError, OSError):
        return ()
    if file is None or not file.tags:
        return ()
    said: list[str] = []
    for key in ("genre", "mood", "grouping", "description"):
        try:
            values = file.tags.get(key) or []
        except (KeyError, ValueError):
            continue
        said += [" ".join(str(value).split()) for value in values]
    fitting = [value for value in said if 0 < len(value) <= _LONGEST_TAG and not value.startswith(("{", "http"))]
    return tuple(dict.fromkeys(value.lower() for value in fitting))


def _heard(clip: Clip) -> tuple[str, ...]:
    """Tempo and key, where the analysis is sure of them, of the minute in the middle."""
    from audio.analysis import TooShort, estimate_key, estimate_tempo

    facts: list[str] = []
    middle = max(0.0, (clip.seconds - _HEARD_SECONDS) / 2)
    clip = clip.between(middle, middle + _HEARD_SECONDS)
    try:
        tempo = estimate_tempo(clip)
        if tempo.confidence >= SURE_OF_TEMPO:
            facts.append(f"{round(tempo.tempo_bpm)} bpm")
        key = estimate_key(clip)
        if key.confidence >= SURE_OF_KEY:
            facts.append(key.name)
    except TooShort:
        pass
    return tuple(facts)
