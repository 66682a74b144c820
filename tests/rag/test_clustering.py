"""Styles found in a library: groups that are there, none where there are none, the same map every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rag.clustering import FEWEST_FOR_UMAP, map_of
from rag.features import Features
from rag.tracks import Track

STYLES = {"lo_fi": (80.0, 0.2), "techno": (132.0, 0.8), "ambient": (64.0, 0.05)}


def features(tempo_bpm: float, energy: float) -> Features:
    return Features(
        tempo_bpm=tempo_bpm, tempo_confidence=0.9, tempo_octave=0.9, key=0, key_confidence=0.5, energy=energy,
        danceability=energy, loudness_lufs=-14.0, loudness_range_lu=6.0, brightness_hz=500 + 1_500 * energy,
        instrumentalness=1.0, beat_regularity=0.9,
    )  # fmt: skip


def library(each: int, *, far: float = 4.0, seed: int = 3) -> tuple[list[Track], np.ndarray]:
    """Tracks of three styles, their vectors round a middle of each style's own."""
    rng = np.random.default_rng(seed)
    tracks, rows = [], []
    for place, (genre, (tempo, energy)) in enumerate(STYLES.items()):
        middle = np.zeros(16)
        middle[place] = far
        for number in range(each):
            identity = place * each + number + 1
            heard = features(tempo + rng.normal(0, 3), float(np.clip(energy + rng.normal(0, 0.05), 0, 1)))
            tracks.append(Track(path=f"/{identity}", id=identity, genre=genre, moods=("calm",), features=heard))
            rows.append(middle + rng.normal(0, 0.5, 16))
    return tracks, np.array(rows)


@pytest.mark.parametrize("each", [8, FEWEST_FOR_UMAP])
def test_styles_that_are_there_are_found_and_named_by_what_sets_them_apart(each: int) -> None:
    tracks, vectors = library(each)
    found = map_of(tracks, vectors)
    assert len(found.clusters) == 3
    by_id = {track.id: track for track in tracks}
    for cluster in found.clusters:
        genres = {by_id[one].genre for one in cluster.tracks}
        assert len(genres) == 1 and len(cluster.tracks) >= 0.9 * each
        genre = genres.pop()
        assert genre.replace("_", " ") in cluster.name.lower()
        assert any("against 33% of the library" in sentence for sentence in cluster.because)
        assert cluster.tempo_bpm == pytest.approx(STYLES[genre][0], abs=3)
    names = {cluster.name.lower() for cluster in found.clusters}
    assert names <= {f"{word} techno" for word in ("fast", "energetic", "bright", "danceable")} | {
        f"{word} {style}" for word in ("slow", "calm", "dark", "free-floating") for style in ("ambient", "lo fi")
    } | {"ambient", "lo fi"}


def test_the_map_lays_like_beside_like_and_is_the_same_every_time() -> None:
    tracks, vectors = library(30)
    first, again = map_of(tracks, vectors), map_of(tracks[::-1], vectors[::-1])
    assert first == again
    assert first.drawn_by == "umap"
    places = np.array([first.places[track.id] for track in tracks])
    assert np.abs(places).max() <= 1.0
    near = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(near, np.inf)
    neighbour = near.argmin(axis=1)
    same = [tracks[row].genre == tracks[other].genre for row, other in enumerate(neighbour)]
    assert np.mean(same) > 0.95


def test_a_few_tracks_are_drawn_without_groups() -> None:
    tracks, vectors = library(1)
    found = map_of(tracks, vectors)
    assert found.clusters == () and found.drawn_by == "pca" and len(found.places) == 3
    assert map_of([], np.zeros((0, 16))).places == {}


def test_noise_is_not_made_into_one_style() -> None:
    rng = np.random.default_rng(5)
    tracks = [Track(path=f"/{n}", id=n) for n in range(1, 41)]
    found = map_of(tracks, rng.uniform(-1, 1, (40, 16)))
    biggest = max((len(cluster.tracks) for cluster in found.clusters), default=0)
    assert biggest < 30


def test_tracks_nobody_has_heard_yet_do_not_stop_the_naming() -> None:
    tracks, vectors = library(8)
    bare = [Track(path=t.path, id=t.id) for t in tracks]
    assert {cluster.name for cluster in map_of(bare, vectors).clusters} <= {"Mixed"}


def test_a_style_is_not_named_after_a_genre_that_few_of_its_tracks_have() -> None:
    tracks, vectors = library(20)
    few = [replace(track, genre="slow_blues" if track.id % 20 < 3 else "", moods=()) for track in tracks]
    assert not [cluster.name for cluster in map_of(few, vectors).clusters if "blues" in cluster.name]
    many = [replace(track, genre="slow_blues" if track.genre == "ambient" else track.genre) for track in tracks]
    assert "slow slow" not in " ".join(cluster.name.lower() for cluster in map_of(many, vectors).clusters)


def test_every_style_says_why_it_has_its_name() -> None:
    tracks, vectors = library(8)
    happy = [
        replace(track, genre="", moods=("happy",) if track.genre == "techno" else (), features=features(120.0, 0.5))
        for track in tracks
    ]
    named = {cluster.name: cluster.because for cluster in map_of(happy, vectors).clusters}
    assert named["Happy"] == ("100% are happy, against 33% of the library.",)
    assert all("No figure sets it apart" in because[0] for name, because in named.items() if name.startswith("Mixed"))
