"""References in the studio: from “track:…” and “take:…” to what they lend, for plans, prompts and melodies.

A take is known by its plan and its notes, exactly; a track by what was measured of it. Knows nothing of pages; owners are
names handed in, as everywhere in the studio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import median

from agents.harmony import Key
from agents.inspiration import Inspiration, Weighted, inspiration_of, plan_after
from agents.knowledge import genres
from agents.prompt_agent import Context
from agents.style_agent import Reference, StyleCard, style_card
from agents.taste import Taste
from agents.types import Brief, BriefError, SongPlan
from audio.clip import Clip
from rag.copies import Copy
from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.filters import Filters
from rag.retriever import Found, HeardClip, Query, Retriever
from rag.tracks import Track
from rag.vectordb import VectorStoreError
from studio.asking import asker
from studio.engines.base import Capabilities
from studio.engines.steering import PromptWeight, Steering
from studio.history.history import History
from studio.job import GenerateRequest
from studio.library.library import Library
from studio.models.hub import ModelError
from studio.sounds import MAX_SECONDS
from studio.takes import Take, TakeError, TakeStore

TRACK, TAKE = "track:", "take:"
NEAREST = 4
PROMPTED_BY = 12
MELODY_SECONDS = 30.0
_SURE_TEMPO, _SURE_KEY = 0.2, 0.1


class ReferenceGone(BriefError):
    """A reference is not in the library any more, or it is somebody else's."""


class Inspirations:
    """References of one studio. planner: what plans a brief that has none. style: the style agent."""

    def __init__(
        self,
        library: Library,
        *,
        history: History,
        store: TakeStore,
        planner: Callable[..., SongPlan],
        style: Callable[[Sequence[Reference]], StyleCard] = lambda references: style_card(list(references)).value,
    ) -> None:
        self.library, self._style = library, style
        self._history, self._store, self._planner = history, store, planner

    @property
    def retriever(self) -> Retriever:
        """Over the library as it is; raises the library's errors."""
        index = self.library.index
        return Retriever(self.library.tracks, index.store, sound=index.sound, words=index.words)

    # --------------------------------------------------------------------------------------------- into plans

    def plan(self, brief: Brief, *, seed: int = 0) -> SongPlan:
        """The plan of a brief, after its references where it has some, for whoever asks (studio.asking).

        Raises the agents' errors and ReferenceGone.
        """
        weights = brief.weighted_references
        if not weights:
            return self._planner(brief, seed=seed)
        plan = plan_after(brief, self.weighted(weights, owner=asker().owner or None), seed=seed)
        return plan.model_copy(update={"planned_by": "built-in rules"})

    def ready(self, request: GenerateRequest, engine: Capabilities, *, owner: str) -> GenerateRequest:
        """The request with its references checked and, for an engine that reads prompts, spoken.

        Raises ReferenceGone. owner: as in the queue; "" is the studio's own user, who sees everything.
        """
        sees = owner or None
        self.check(request.brief, owner=sees)
        if not engine.uses_sampling:
            return request
        steering = self.steering(request.brief, request.sampling.steering, owner=sees)
        return request.model_copy(update={"sampling": request.sampling.model_copy(update={"steering": steering})})

    def weighted(self, weights: dict[str, float], *, owner: str | None) -> list[Weighted]:
        """The references by name, as the agents know them. Raises ReferenceGone."""
        return [
            Weighted(id=name, reference=self.reference(name, owner=owner), weight=weight)
            for name, weight in weights.items()
        ]

    def inspiration(self, weights: dict[str, float], *, owner: str | None) -> Inspiration:
        """What these references lend together, for showing. Raises ReferenceGone."""
        return inspiration_of(self.weighted(weights, owner=owner))

    def check(self, brief: Brief, *, owner: str | None) -> None:
        """Raise ReferenceGone unless every reference is there and this owner's (None: anybody's)."""
        for name in brief.references:
            self._found(name, owner)

    def reference(self, name: str, *, owner: str | None) -> Reference:
        """What is known of a reference. Raises ReferenceGone."""
        track, take = self._found(name, owner)
        path = Path(track.path) if track else self._store.audio_path(take.id) if take else None
        heard = _heard_of(str(path), path.stat().st_mtime_ns) if path is not None and path.is_file() else {}
        known = heard | (_of_track(track) if track else {})
        if take is not None:
            known |= self._of_take(take)
        return Reference.model_validate(known)

    # --------------------------------------------------------------------------------------------- into prompts

    def steering(self, brief: Brief, steering: Steering | None, *, owner: str | None) -> Steering | None:
        """The steering with a prompt for each reference, blended by weight at a model's logits.

        What the user blends in by hand stays as it is. Without words of the user's own, the references speak alone.
        """
        weights = brief.weighted_references
        if not weights or (steering is not None and steering.prompts):
            return steering
        prompts = tuple(
            PromptWeight(words=words, weight=round(weight, 3))
            for one in self.weighted(weights, owner=owner)
            if (words := self.words_for(one.reference)) and (weight := min(10.0, one.weight)) > 0
        )
        if not prompts:
            return steering
        own = 1.0 if brief.words.strip() else 0.0
        return (steering or Steering()).model_copy(update={"prompts": prompts, "words_weight": own})

    @staticmethod
    def words_for(reference: Reference) -> str:
        """A reference in the words a text-to-music model knows, "" when nothing is known of it."""
        return style_card([reference]).value.words

    def card(self, references: Sequence[Reference]) -> StyleCard:
        """What several references share, by the style agent. Raises Cancelled when it is stopped."""
        return self._style(references)

    def melody(self, name: str, *, owner: str | None) -> Clip:
        """The stretch of a reference that a melody model follows: its loudest MELODY_SECONDS. Raises ReferenceGone."""
        from audio.stream import loudest_part

        return self._read(name, owner, lambda path: loudest_part(path, seconds=MELODY_SECONDS))

    def sound(self, name: str, *, owner: str | None) -> Clip:
        """The whole sound of a reference, up to as long as sounds are edited. Raises ReferenceGone."""
        from audio.io import read_clip

        return self._read(name, owner, lambda path: read_clip(path, max_seconds=MAX_SECONDS))

    def _read(self, name: str, owner: str | None, read: Callable[[Path], Clip]) -> Clip:
        from audio.io import AudioError

        track, take = self._found(name, owner)
        path = Path(track.path) if track else self._store.audio_path(take.id) if take else Path()
        try:
            return read(path)
        except AudioError as error:
            raise ReferenceGone(str(error)) from error

    # ------------------------------------------------------------------------------------------------- nearest

    def nearest(self, words: str, *, owner: str | None, limit: int = NEAREST) -> list[Found]:
        """The library's tracks nearest to some words, for the prompt agent; [] when nothing is near, or none is there."""
        if not words.strip() or not self.library.tracks.count(Filters(owner=owner)):
            return []
        answer = self.retriever.find(Query(words=words, filters=Filters(owner=owner), limit=limit))
        return [hit for hit in answer.hits if hit.nearness.get("literal", 0) > 0 or hit.nearness.get("words", 0) > 0.3]

    def context(self, brief: Brief, taste: Taste, *, owner: str | None) -> tuple[Context, list[Track]]:
        """What the prompt agent is told beside the brief, and the tracks that it comes from.

        The chosen references where there are some; else the tracks of the library nearest to the words, which lend
        their sound but neither tempo nor key. A library that cannot be read lends nothing.
        """
        try:
            hits = self.nearest(brief.words, owner=owner)
            weights = brief.weighted_references
            chosen = [self.reference(name, owner=owner) for name in weights]
        except (LibraryError, VectorStoreError, EmbeddingError, ModelError, ReferenceGone):
            return Context(taste=taste), []
        tracks = [hit.track for hit in hits]
        card = self.card(chosen) if chosen else self.style_of(tracks) if tracks else None
        if card is not None and not chosen:
            card = card.model_copy(update={"tempo_bpm": None, "key": None})
        said = tuple(f"{track.label}: {track.description}" for track in tracks if track.description)
        return Context(taste=taste, style=card, nearest=said), tracks

    def style_of(self, tracks: Sequence[Track]) -> StyleCard:
        """The style card of tracks by what the library holds of them, without listening again."""
        return style_card([Reference.model_validate(_of_track(track)) for track in tracks]).value

    def prompt_of(self, tracks: Sequence[Track]) -> str:
        """A style that tracks share, as a wish one can generate from; "" when nothing is known of them."""
        card = self.style_of(tracks[:PROMPTED_BY])
        tempos = [track.features.tempo_bpm for track in tracks[:PROMPTED_BY] if track.features]
        middle = median(tempos) if tempos else 0.0
        near = [tempo for tempo in tempos if abs(tempo / middle - 1) < 0.12] if middle else []
        steady = len(near) * 2 >= len(tempos) > 0
        tempo = (middle, middle) if steady else None
        return card.model_copy(update={"tempo_bpm": tempo}).words

    def hear(self, sound: Path | Clip, *, name: str, owner: str | None) -> tuple[HeardClip, Copy | None]:
        """A sound that is not in the library, as the retriever compares it, and the track it surely is a copy or part of.

        Raises EmbeddingError, AudioUnreadable, NoMusic and the library's errors.
        """
        from rag.copies import Copies
        from rag.features import features_of
        from rag.frames import hear

        heard, index = hear(sound), self.library.index
        made = index.sound.embed(sound, heard=heard)
        copies = Copies(index).of(heard, limit=1, filters=Filters(owner=owner))
        found = next((copy for copy in copies if copy.is_sure), None)
        return HeardClip(made.whole, features_of(heard), name), found

    # ------------------------------------------------------------------------------------------- how it is done

    def _found(self, name: str, owner: str | None) -> tuple[Track | None, Take | None]:
        """The track and the take behind a name; a kept take is a track as well."""
        track: Track | None = None
        take: Take | None = None
        number = name.removeprefix(TRACK)
        if name.startswith(TRACK) and number.isdecimal():
            track = self.library.tracks.get(int(number), owner=owner)
            if track is None or track.state != "present":
                raise ReferenceGone("One of the references is not in your library any more: take it out of the tray.")
        take_id = track.take_id if track else name.removeprefix(TAKE) if name.startswith(TAKE) else None
        if take_id:
            entry = self._history.get(take_id)
            if entry is not None and (owner is None or entry.take.owner == owner):
                take = entry.take
        if track is None and take is None:
            raise ReferenceGone("One of the references is not here any more: take it out of the tray.")
        return track, take

    def _of_take(self, take: Take) -> dict[str, object]:
        """A take is known exactly: by its plan, and its notes where it has them."""
        plan = take.plan
        weights = [section.bars.value for section in plan.sections]
        energy = sum(w * s.energy.value for w, s in zip(weights, plan.sections, strict=True)) / max(1, sum(weights))
        known: dict[str, object] = {
            "name": take.title, "tempo_bpm": plan.tempo_bpm.value, "key": plan.key.value, "energy": energy,
            "genre": plan.genre.value, "groove": plan.groove.value,
            "tags": (
                genres()[plan.genre.value].label if plan.genre.value in genres() else plan.genre.value,
                *plan.moods.value, *(name.replace("_", " ") for name in plan.instruments.value),
            ),
        }  # fmt: skip
        if take.has_midi and (pitch := self._notes(take)) is not None:
            known["register_pitch"] = pitch
        return known

    def _notes(self, take: Take) -> float | None:
        from audio.register import middle_of_notes

        try:
            return middle_of_notes(self._store.midi_path(take.id).read_bytes())
        except (TakeError, OSError, ValueError):  # moved, or a file no reader takes: the sound has been heard anyway
            return None


def _of_track(track: Track) -> dict[str, object]:
    """What the library holds of a track, as far as it is sure."""
    tags = (*track.genre_tags, track.genre.replace("_", " "), *(mood.replace("_", " ") for mood in track.moods))
    known: dict[str, object] = {
        "name": track.label, "genre": track.genre or None, "tags": tuple(dict.fromkeys(tag for tag in tags if tag)),
    }  # fmt: skip
    if heard := track.features:
        known |= {"energy": heard.energy, "loudness_lufs": heard.loudness_lufs}
        if heard.tempo_confidence >= _SURE_TEMPO:
            known["tempo_bpm"] = round(heard.tempo_bpm, 1)
        if heard.key_confidence >= _SURE_KEY:
            known["key"] = Key.parse(heard.key_name)
    return known


@lru_cache(maxsize=256)
def _heard_of(path: str, changed_ns: int) -> dict[str, object]:
    """What only listening tells: character and register of a file's middle, kept while the file stays as it is."""
    from audio.analysis import TooShort
    from audio.character import character
    from audio.io import AudioError
    from audio.register import middle_pitch
    from audio.stream import clip_between, sound_facts

    try:
        middle = sound_facts(Path(path)).seconds / 2
        clip = clip_between(Path(path), middle - 22.5, middle + 22.5)
        sound = character(clip)
    except (AudioError, TooShort, OSError):
        return {}
    return {
        "brightness_hz": sound.brightness_hz, "percussive": sound.percussive, "low_share": sound.low_share,
        "width": sound.width, "register_pitch": middle_pitch(clip),
    }  # fmt: skip
