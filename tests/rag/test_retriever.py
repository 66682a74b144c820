"""Finding tracks: what is asked for comes first, filters hold, and the reasons given are true figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from rag.embeddings import SignalEmbedder, WordEmbedder
from rag.features import Features
from rag.filters import KEY_NAMES, Filters, harmonic_neighbours
from rag.retriever import HeardClip, Query, Retriever, content_words, figures_in, words_found
from rag.tracks import Track, Tracks
from rag.vectordb import EdgeStore, Point, Schema, VectorSpec

FEATURES = Features(
    tempo_bpm=80.0, tempo_confidence=0.9, tempo_octave=0.9, key=21, key_confidence=0.5, energy=0.3, danceability=0.5,
    loudness_lufs=-14.0, loudness_range_lu=6.0, brightness_hz=800.0, instrumentalness=1.0, beat_regularity=0.9,
)  # fmt: skip
#         id  title             genre      description                          bpm  key energy owner
LIBRARY = (
    (1, "Rain on glass", "lo_fi", "mellow hip hop with dusty drums, rainy night", 80.0, 21, 0.30, ""),
    (2, "Warm tape", "lo_fi", "mellow beat, soft piano, vinyl", 84.0, 16, 0.32, ""),
    (3, "Iron gate", "metal", "distorted guitars and double kick, furious", 160.0, 16, 0.90, ""),
    (4, "Night shift", "techno", "hypnotic four on the floor", 130.0, 21, 0.80, ""),
    (5, "Hers alone", "lo_fi", "mellow rainy beat", 82.0, 21, 0.31, "anna"),
)
DIRECTION = {"lo_fi": 0, "metal": 1, "techno": 2}


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    """A library of five tracks; each genre's sound lies in a direction of its own, its tracks a little apart."""
    folder = tmp_path_factory.mktemp("library")
    tracks, sound, words = Tracks(folder / "library.sqlite3"), SignalEmbedder(), WordEmbedder()
    schema = Schema({"sound": VectorSpec(sound.dimensions), "words": VectorSpec(words.dimensions)}, {"sound": "test"})
    store = EdgeStore(folder / "vectors", schema)
    rng = np.random.default_rng(1)
    for identity, title, genre, description, tempo, key, energy, owner in LIBRARY:
        heard = replace(FEATURES, tempo_bpm=tempo, key=key, energy=energy)
        track = tracks.add(
            Track(
                path=f"/music/{identity}.flac", title=title, genre=genre, description=description, owner=owner,
                features=heard, year=1990 + identity, seconds=100.0 + identity,
            )
        )  # fmt: skip
        vector = rng.normal(0, 0.05, sound.dimensions)
        vector[DIRECTION[genre]] += 1.0
        vectors = {"sound": vector.astype(np.float32), "words": words.embed([f"{title}, {description}"])[0]}
        payload = {
            "tempo_bpm": tempo, "key": key, "energy": energy, "genre": genre, "own": False, "owner": owner,
            "year": track.year, "seconds": track.seconds,
        }  # fmt: skip
        store.upsert([Point(track.id, vectors, payload)])
    yield Retriever(tracks, store, sound=sound, words=words)
    store.close()
    tracks.close()


def found(retriever: Retriever, query: Query) -> list[int]:
    return [hit.track.id for hit in retriever.find(query).hits]


def test_words_find_what_they_say_and_what_they_mean(retriever: Retriever) -> None:
    assert found(retriever, Query(words="rainy"))[:2] in ([1, 5], [5, 1])
    assert found(retriever, Query(words="angry loud guitar music"))[0] == 3
    first = retriever.find(Query(words="double kick")).hits[0]
    assert first.track.id == 3 and "Says “double”, “kick”." in first.why


def test_figures_in_the_words_count(retriever: Retriever) -> None:
    hit = retriever.find(Query(words="something at 130 bpm in A minor")).hits[0]
    assert hit.track.id == 4
    assert {"130 bpm, you said 130.", "A minor, the same key as you said."} <= set(hit.why)


def test_like_this_song_finds_its_kind_and_leaves_itself_out(retriever: Retriever) -> None:
    answer = retriever.find(Query(like={1: 1.0}))
    assert [hit.track.id for hit in answer.hits[:2]] in ([2, 5], [5, 2])
    assert 1 not in [hit.track.id for hit in answer.hits]
    hit = next(hit for hit in answer.hits if hit.track.id == 2)
    assert hit.why[0].startswith("Sounds very much like “Rain on glass”")
    assert "84 bpm beside 80: they mix." in hit.why
    assert "E minor, a fifth up." in hit.why
    assert not any("they mix" in reason for reason in answer.hits[-1].why)


def test_a_mixture_lies_between_its_songs_by_their_weights(retriever: Retriever) -> None:
    even = retriever.mixed_vector({3: 1.0, 4: 1.0})
    heavy = retriever.mixed_vector({3: 3.0, 4: 1.0})
    assert even is not None and heavy is not None
    assert even[1] == pytest.approx(even[2], abs=0.1)
    assert heavy[1] > 2 * heavy[2] > 0
    assert np.linalg.norm(heavy) == pytest.approx(1.0, abs=1e-5)


def test_a_clip_and_words_are_asked_together(retriever: Retriever) -> None:
    clip = np.zeros(SignalEmbedder().dimensions, np.float32)
    clip[0] = 1.0
    assert found(retriever, Query(clip=HeardClip(clip, FEATURES), words="vinyl piano"))[0] == 2
    hit = retriever.find(Query(clip=HeardClip(clip, FEATURES, name="hum.wav"))).hits[0]
    assert "hum.wav" in hit.why[0]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (Filters(tempo_bpm=(79, 85)), {1, 2, 5}),
        (Filters(keys=harmonic_neighbours(KEY_NAMES.index("A minor"))), {1, 2, 3, 4, 5}),
        (Filters(keys=(KEY_NAMES.index("A minor"),)), {1, 4, 5}),
        (Filters(energy=(0.5, None)), {3, 4}),
        (Filters(genres=("techno", "metal")), {3, 4}),
        (Filters(years=(None, 1992)), {1, 2}),
        (Filters(seconds=(103, 104)), {3, 4}),
        (Filters(own=True), set()),
        (Filters(owner="anna"), {5}),
        (Filters(owner="", genres=("lo_fi",)), {1, 2}),
    ],
)
@pytest.mark.parametrize("words", ["", "rainy night"])
def test_filters_hold_whatever_is_asked(retriever: Retriever, filters: Filters, left: set[int], words: str) -> None:
    answer = retriever.find(Query(words=words, filters=filters))
    assert {hit.track.id for hit in answer.hits} == left
    assert answer.total == len(left)


def test_pages_follow_each_other(retriever: Retriever) -> None:
    whole = found(retriever, Query(words="mellow", limit=5))
    assert (
        found(retriever, Query(words="mellow", limit=2)) + found(retriever, Query(words="mellow", limit=3, offset=2))
        == whole
    )


def test_keys_and_tempos_are_read_out_of_words() -> None:
    assert figures_in("house, 124 bpm, F# minor") == figures_in("124.0 beats in f sharp minor")
    assert KEY_NAMES[figures_in("in Bb major").key or -1] == "A# major"
    assert not figures_in("a minor inconvenience for 80 people").tempo_bpm
    assert content_words("Some music for the Rain, in 2020") == ["rain"]
    assert content_words("slow hip hop, 80 bpm, in F♯ minor") == [
        "slow",
        "hip",
        "hop",
    ]  # figures are no words to be said
    assert content_words("a minor-key waltz") == ["key", "waltz"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("reggae", ["reggaeton"]),  # what stands there, not what was typed
        ("ete", ["été"]),
        ("JAZZ ballad", ["jazz", "ballad"]),
        ("night-club", ["night-club"]),
        ("club bing", ["club"]),
    ],
)
def test_the_words_said_to_be_there_are_those_that_are_written(words: str, said: list[str]) -> None:
    track = Track("/music/32 jazz_ballad.flac", title="Été à la plage", description="reggaeton for a night club")
    assert words_found(content_words(words), track) == said
