"""Finding tracks: by words, by songs that are to be like, by a clip, or by all together, narrowed by filters.

Each kind of question ranks the tracks by a nearness of its own; where several are asked, each nearness is standardised
over the candidates and they are averaged by weight, so that none drowns the others. Every hit says in words why it
matched, from measured figures alone. Knows nothing of pages, plans or of how vectors are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from rag.embeddings import Embedder, unit
from rag.features import Features
from rag.filters import EVERYTHING, KEY_NAMES, Filters, harmonic_neighbours
from rag.text import folded, words_in
from rag.tracks import Track, Tracks
from rag.vectordb import VectorStore

SOUND, WORDS = "sound", "words"
CANDIDATES = 200
MOST = 200
_MIXES_WITHIN = 0.06  # a DJ's pitch fader: tempos that differ by less can be played together
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at but by for from has in into is it its like me more music my no not of on or piece some "
        "something song songs sound sounds style take takes that the this to track tracks tune very what which with without",
    )
)
_NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


class ReadsWords(Protocol):
    """What the retriever needs of a `rag.embeddings.WordEmbedder`."""

    def embed(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True, slots=True, eq=False)
class HeardClip:
    """A sound that is not in the library: its vector, (dimensions,), and its figures when they were measured."""

    vector: np.ndarray
    features: Features | None = None
    name: str = "the clip"


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. like: tracks and how much each weighs; a weight below 0 leads away from it. by_letter: words are
    looked for as they are written alone, which waits for no model.

    Nothing but filters lists what they leave, in `order` (see `Tracks.listing`).
    """

    words: str = ""
    like: Mapping[int, float] = field(default_factory=dict)
    clip: HeardClip | None = None
    clip_weight: float = 1.0
    by_letter: bool = False
    filters: Filters = EVERYTHING
    order: str = "added"
    limit: int = 20
    offset: int = 0

    @property
    def asks_nothing(self) -> bool:
        return not (self.words.strip() or self.like or self.clip)


@dataclass(frozen=True, slots=True)
class Found:
    """One hit. nearness: by kind of question ("sound", "words", "literal", "figures"), cosines or shares.

    score: what it was ranked by, comparable within one answer only. why: sentences, the weightiest first.
    """

    track: Track
    score: float = 0.0
    nearness: Mapping[str, float] = field(default_factory=dict)
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits. total: how many match the filters. by: which tiers answered, in words for the user."""

    hits: tuple[Found, ...]
    total: int
    by: str = ""


class Retriever:
    """Over one library, its vector store and the embedders that filled it."""

    def __init__(self, tracks: Tracks, store: VectorStore, *, sound: Embedder, words: ReadsWords) -> None:
        self._tracks, self._store = tracks, store
        self._sound, self._words = sound, words

    def find(self, query: Query) -> Answer:
        """The tracks that answer the query, best first."""
        limit = max(1, min(query.limit, MOST))
        if query.asks_nothing:
            listed = self._tracks.listing(query.filters, order=query.order, limit=limit, offset=query.offset)
            total = self._tracks.count(query.filters)
            return Answer(tuple(Found(track) for track in listed), total)
        filters = query.filters
        if query.like:
            filters = replace(filters, without=(*filters.without, *query.like))
        targets = self._targets(query)
        wanted = figures_in(query.words)
        candidates = self._candidates(query, targets, wanted, filters, limit + query.offset)
        hits = self._ranked(query, targets, wanted, candidates)
        return Answer(tuple(hits[query.offset : query.offset + limit]), self._tracks.count(filters), self._by(query))

    def mixed_vector(self, weights: Mapping[int, float]) -> np.ndarray | None:
        """The direction between tracks, each pulling by its weight, (dimensions,) at length 1; None without vectors."""
        kept = self._store.vectors(list(weights), using=SOUND)
        if not kept:
            return None
        mixed = sum((weights[track_id] * unit(vector) for track_id, vector in kept.items()), np.zeros(1, np.float32))
        return unit(mixed) if float(np.linalg.norm(mixed)) > 1e-6 else None

    # ------------------------------------------------------------------------------------------- how it is done

    def _targets(self, query: Query) -> dict[str, list[np.ndarray]]:
        """The vectors to be near to, by the named vector they are compared with."""
        targets: dict[str, list[np.ndarray]] = {SOUND: [], WORDS: []}
        mixed = self.mixed_vector(query.like) if query.like else None
        if query.clip is not None:
            heard = unit(np.asarray(query.clip.vector, np.float32))
            whole = sum(abs(weight) for weight in query.like.values())
            mixed = heard if mixed is None else unit(whole * mixed + query.clip_weight * heard)
        if mixed is not None:
            targets[SOUND].append(mixed)
        if query.words.strip() and not query.by_letter:
            targets[WORDS].append(self._words.embed([query.words])[0])
            if self._sound.hears_words:
                targets[SOUND].append(unit(self._sound.embed_words([query.words])[0]))
        return targets

    def _candidates(
        self, query: Query, targets: Mapping[str, list[np.ndarray]], wanted: Wanted, filters: Filters, least: int
    ) -> dict[int, Track]:
        many = max(CANDIDATES, least)
        ids: dict[int, None] = {}
        for using, vectors in targets.items():
            for vector in vectors:
                ids |= dict.fromkeys(
                    hit.id for hit in self._store.nearest(vector, using=using, limit=many, filters=filters)
                )
        for word in content_words(query.words):
            ids |= dict.fromkeys(one.id for one in self._tracks.listing(filters, words=word, limit=CANDIDATES))
        if wanted.tempo_bpm is not None and filters.tempo_bpm is None:
            near = (wanted.tempo_bpm * (1 - _MIXES_WITHIN), wanted.tempo_bpm * (1 + _MIXES_WITHIN))
            ids |= dict.fromkeys(
                one.id for one in self._tracks.listing(replace(filters, tempo_bpm=near), limit=CANDIDATES)
            )
        found = self._tracks.many(ids)
        return {track_id: track for track_id, track in found.items() if track.state == "present"}

    def _ranked(
        self, query: Query, targets: Mapping[str, list[np.ndarray]], wanted: Wanted, candidates: Mapping[int, Track]
    ) -> list[Found]:
        ids = list(candidates)
        if not ids:
            return []
        columns: dict[str, np.ndarray] = {}
        for using, vectors in targets.items():
            kept = self._store.vectors(ids, using=using) if vectors else {}
            for number, vector in enumerate(vectors):
                name = using if not number and (using != SOUND or query.like or query.clip) else f"{using} by words"
                columns[name] = np.array(
                    [float(unit(kept[i]) @ vector) if i in kept else np.nan for i in ids], np.float64
                )
        said = content_words(query.words)
        if said:
            columns["literal"] = np.array([literal_share(said, candidates[i]) for i in ids])
        if wanted.any:
            columns["figures"] = np.array([wanted.nearness(candidates[i].features) for i in ids])
        total = _fused(columns)
        order = sorted(range(len(ids)), key=lambda row: (-total[row], ids[row]))
        known = self._tracks.many(query.like)
        hits = []
        for row in order:
            nearness = {name: float(column[row]) for name, column in columns.items() if not np.isnan(column[row])}
            track = candidates[ids[row]]
            why = why_it_matched(query, track, nearness, like=[known[i] for i in query.like if i in known])
            hits.append(Found(track, float(total[row]), nearness, why))
        return hits

    def _by(self, query: Query) -> str:
        parts = []
        words = bool(query.words.strip())
        if query.like or query.clip or (words and self._sound.hears_words and not query.by_letter):
            parts.append(f"sound by {self._sound.label} ({self._sound.tier})")
        if words:
            parts.append("words by their letter" if query.by_letter else "words by their meaning and letter")
        return ", ".join(parts)


# What each kind of question weighs beside the others.
_WEIGHTS = {SOUND: 1.0, f"{SOUND} by words": 0.7, WORDS: 1.0, "literal": 1.0, "figures": 1.2}


def _fused(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """One figure a candidate: the weighted mean of each column's standardised values; a blank is below the middle."""
    if len(columns) == 1:
        (column,) = columns.values()
        return np.nan_to_num(column, nan=-1.0)
    total, weights = np.zeros(len(next(iter(columns.values())))), 0.0
    for name, column in columns.items():
        known = column[~np.isnan(column)]
        if not len(known) or float(known.std()) < 1e-9:
            continue
        standard = np.nan_to_num((column - known.mean()) / known.std(), nan=-1.0)
        total += _WEIGHTS[name] * np.clip(standard, -3, 3)
        weights += _WEIGHTS[name]
    return total / max(weights, 1e-9)


# ------------------------------------------------------------------------------------------- words and figures


@dataclass(frozen=True, slots=True)
class Wanted:
    """Figures that the words of a query name."""

    tempo_bpm: float | None = None
    key: int | None = None

    @property
    def any(self) -> bool:
        return self.tempo_bpm is not None or self.key is not None

    def nearness(self, features: Features | None) -> float:
        """0 to 1: how well a track's figures agree with those wanted; a blank agrees with none."""
        if features is None:
            return 0.0
        parts = []
        if self.tempo_bpm is not None:
            parts.append(float(np.exp(-abs(np.log2(features.tempo_bpm / self.tempo_bpm)) / 0.06)))
        if self.key is not None:
            parts.append({0: 1.0, 1: 0.6, 2: 0.5, 3: 0.5}.get(key_steps(self.key, features.key), 0.0))
        return float(np.mean(parts))


_TEMPO = re.compile(r"\b(\d{2,3}(?:\.\d+)?)\s*(?:bpm|beats)\b")
_KEY = re.compile(r"\b([a-g])(#|b|[ -]sharp|[ -]flat)?[ -](major|minor|maj|min)\b")


def _plainly(words: str) -> str:
    return words.lower().replace("♯", "#").replace("♭", "b")


def figures_in(words: str) -> Wanted:
    """A tempo like "80 bpm" and a key like "in F# minor" out of words."""
    text = _plainly(words)
    tempo, key = _TEMPO.search(text), _KEY.search(text)
    number = None
    if key:
        shift = {"#": 1, "b": -1}.get((key[2] or "").strip(" -")[:1].replace("s", "#").replace("f", "b"), 0)
        number = (_NOTES[key[1]] + shift) % 12 + (12 if key[3].startswith("min") else 0)
    return Wanted(tempo_bpm=float(tempo[1]) if tempo else None, key=number)


def content_words(words: str) -> list[str]:
    """The words that say something beside a tempo and a key, in small letters, each once, at most twelve."""
    said = re.findall(r"[\w#'’-]+", _KEY.sub(" ", _TEMPO.sub(" ", _plainly(words))))
    kept = [word.strip("-'’") for word in said if word not in _STOP_WORDS and not word.isdecimal() and word != "bpm"]
    return [word for word in dict.fromkeys(kept) if len(word) > 1][:12]


def literal_share(words: Sequence[str], track: Track) -> float:
    """The share of these words that begin a word of what is written of the track."""
    return sum(map(bool, _written(words, track))) / max(1, len(words))


def words_found(words: Sequence[str], track: Track) -> list[str]:
    """What is written of the track, in its title, artist, album, tags, description or file's name, that begins with one of
    the words; each once."""
    return list(dict.fromkeys(filter(None, _written(words, track))))


def _written(words: Sequence[str], track: Track) -> list[str]:
    """For each word what it begins of what is written, "" where nothing."""
    said = (
        track.title, track.artist, track.album, *track.genre_tags, track.genre, *track.moods, track.description,
        track.path.rpartition("/")[2],
    )  # fmt: skip
    written = {folded(one): one for one in reversed(words_in(" ".join(said)))}
    return [_begun(folded(word), written) for word in words]


def _begun(word: str, written: Mapping[str, str]) -> str:
    """The shortest written word that begins with this, "" for none; of a compound every part must be there."""
    if word in written:
        return written[word].lower()
    parts = word.split("-")
    best = [min((one for one in written if one.startswith(part)), key=len, default="") for part in parts]
    return "-".join(written[one].lower() for one in best) if all(best) else ""


def key_steps(wanted: int, key: int) -> int:
    """0 the same key, 1 its relative, 2 a fifth up, 3 a fifth down, 9 none of these."""
    neighbours = harmonic_neighbours(wanted)
    return neighbours.index(key) if key in neighbours else 9


# -------------------------------------------------------------------------------------------- why it matched

_KEY_WORDS = {0: "the same key", 1: "the relative key", 2: "a fifth up", 3: "a fifth down"}


def why_it_matched(
    query: Query, track: Track, nearness: Mapping[str, float], *, like: Sequence[Track] = ()
) -> tuple[str, ...]:
    """Sentences out of real figures; none is made up where a figure is missing."""
    why = []
    against = [(one.label, one.features) for one in like]
    if query.clip is not None:
        against.append((query.clip.name, query.clip.features))
    if nearness.get(SOUND, 0.0) > 0.1 and against:
        named = f"“{against[0][0]}”" if len(against) == 1 else f"the mixture of {len(against)}"
        why.append(f"Sounds {_nearness_word(nearness[SOUND])} {named} ({nearness[SOUND]:.2f} of 1).")
    if len(against) == 1 and against[0][1] is not None and track.features is not None:
        why += _beside(track.features, against[0][1])
    if said := words_found(content_words(query.words), track):
        why.append(f"Says {', '.join(f'“{word}”' for word in said)}.")
    elif nearness.get(WORDS, 0.0) > 0.25:
        why.append(f"Its description means something near ({nearness[WORDS]:.2f} of 1).")
    if nearness.get(f"{SOUND} by words", 0.0) > 0.1:
        why.append(f"Sounds like these words ({nearness[f'{SOUND} by words']:.2f} of 1).")
    why += _as_wanted(figures_in(query.words), track.features)
    return tuple(why)


def _nearness_word(cosine: float) -> str:
    return (
        "very much like"
        if cosine > 0.85
        else "like"
        if cosine > 0.6
        else "somewhat like"
        if cosine > 0.3
        else "a little like"
    )


def _beside(its: Features, other: Features) -> list[str]:
    said = []
    ratio = its.tempo_bpm / max(1e-6, other.tempo_bpm)
    octave = next((word for factor, word in ((0.5, "half"), (2.0, "double")) if abs(ratio / factor - 1) < 0.03), None)
    if abs(ratio - 1) <= _MIXES_WITHIN:
        said.append(f"{its.tempo_bpm:.0f} bpm beside {other.tempo_bpm:.0f}: they mix.")
    elif octave:
        said.append(f"{its.tempo_bpm:.0f} bpm, {octave} of {other.tempo_bpm:.0f}.")
    if (steps := key_steps(other.key, its.key)) in _KEY_WORDS:
        said.append(f"{KEY_NAMES[its.key]}, {_KEY_WORDS[steps]}.")
    if abs(its.energy - other.energy) <= 0.1:
        said.append(f"Energy {its.energy:.2f} beside {other.energy:.2f}.")
    return said


def _as_wanted(wanted: Wanted, its: Features | None) -> list[str]:
    said = []
    if its is not None and wanted.tempo_bpm is not None and abs(its.tempo_bpm / wanted.tempo_bpm - 1) <= _MIXES_WITHIN:
        said.append(f"{its.tempo_bpm:.0f} bpm, you said {wanted.tempo_bpm:.0f}.")
    if its is not None and wanted.key is not None and (steps := key_steps(wanted.key, its.key)) in _KEY_WORDS:
        said.append(f"{KEY_NAMES[its.key]}, {_KEY_WORDS[steps]}{' as you said' if not steps else ''}.")
    return said
