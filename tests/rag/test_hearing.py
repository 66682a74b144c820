"""What is heard in a piece is what was put in: tempo, key, energy, the same recording again, and what to call it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from audio.io import decode, encode
from rag.copies import same_length, same_print, same_sound
from rag.embeddings import SignalEmbedder, WordEmbedder
from rag.features import Features, features_of
from rag.filters import harmonic_neighbours, key_number
from rag.fingerprint import SPEEDS, fingerprint, match
from rag.frames import Frames, NoMusic, hear
from rag.labels import Kind, Labels, Vocabulary, moods_by_rules
from rag.signal_statistics import windows_in
from rag.tracks import Track
from tests.rag.music import piece


@pytest.fixture(scope="module")
def song() -> Clip:
    return piece(seed=11, seconds=24.0, tempo_bpm=100, tonic=2, mode="minor")


@pytest.fixture(scope="module")
def heard(song: Clip) -> Frames:
    return hear(song)


@pytest.mark.parametrize("tempo_bpm", [84.0, 100.0, 127.0])
def test_a_tempo_is_heard_within_two_percent_or_its_octave(tempo_bpm: float) -> None:
    made = features_of(hear(piece(seed=3, seconds=20.0, tempo_bpm=tempo_bpm)))
    assert min(abs(reading / tempo_bpm - 1) for reading in made.candidates_bpm) < 0.02
    assert made.beat_regularity > 0.8


@pytest.mark.parametrize(("tonic", "mode"), [(0, "major"), (7, "major"), (9, "minor"), (4, "minor")])
def test_a_key_is_heard(tonic: int, mode: str) -> None:
    made = features_of(hear(piece(seed=5, seconds=20.0, tonic=tonic, mode=mode)))
    assert made.key == key_number(tonic, mode)


def test_drums_add_energy(song: Clip, heard: Frames) -> None:
    bare = piece(seed=11, seconds=24.0, tempo_bpm=100, tonic=2, mode="minor", drums=False)
    assert features_of(heard).energy > features_of(hear(bare)).energy + 0.1


def test_figures_survive_being_written_down(heard: Frames) -> None:
    made = features_of(heard)
    kept = Features.from_dict(made.as_dict())
    assert kept.key == made.key and kept.tempo_bpm == pytest.approx(made.tempo_bpm, abs=1e-3)
    assert made.vector().shape == (12,) and np.isfinite(made.vector()).all()


def test_half_and_double_tempo_are_near_as_figures(heard: Frames) -> None:
    made = features_of(heard)
    double, odd = replace(made, tempo_bpm=made.tempo_bpm * 2), replace(made, tempo_bpm=made.tempo_bpm * 1.4)
    here = made.vector()
    assert np.linalg.norm(double.vector() - here) < np.linalg.norm(odd.vector() - here)


def test_silence_and_a_blink_are_no_music() -> None:
    with pytest.raises(NoMusic):
        hear(Clip.silence(seconds=5.0, sample_rate_hz=44_100))
    with pytest.raises(NoMusic):
        hear(piece(seconds=0.5))


def test_hearing_does_not_depend_on_how_the_file_is_read(song: Clip, heard: Frames) -> None:
    again = hear(decode(encode(song, format="flac")))
    assert np.allclose(again.hops, heard.hops, rtol=1e-3)
    assert np.allclose(np.log(again.bands + 1e-3), np.log(heard.bands + 1e-3), atol=0.05)


@pytest.mark.parametrize("speed", [0.97, 1.0, 1.03])
def test_an_excerpt_is_of_its_song_at_its_place_and_speed(song: Clip, heard: Frames, speed: float) -> None:
    import soxr

    part = song.between(8.0, 18.0)
    moved = Clip(soxr.resample(part.samples.T, part.sample_rate_hz * speed, part.sample_rate_hz).T, part.sample_rate_hz)
    found = match(fingerprint(hear(moved)), fingerprint(heard), speeds=SPEEDS)
    assert found.share > 0.5
    assert found.offset_seconds == pytest.approx(8.0, abs=0.25)
    assert found.speed == pytest.approx(speed, abs=0.008)


def test_another_song_is_no_copy(heard: Frames) -> None:
    other = hear(piece(seed=12, seconds=24.0, tempo_bpm=108, tonic=5))
    assert match(fingerprint(other), fingerprint(heard), speeds=SPEEDS).share < 0.5


def same(one: Frames, other: Frames) -> bool:
    signal = SignalEmbedder()
    a, b = signal.embed_heard(one), signal.embed_heard(other)
    return (
        same_length(one.seconds, other.seconds)
        and same_sound(a.whole, b.whole, a.windows, b.windows)
        and same_print(fingerprint(one), fingerprint(other))
    )


def test_the_same_sound_in_another_file_or_louder_is_a_duplicate(song: Clip, heard: Frames) -> None:
    assert same(heard, hear(decode(encode(song, format="flac16"))))
    assert same(heard, hear(Clip(song.samples * 0.4, song.sample_rate_hz)))


def test_remixes_edits_and_other_takes_are_no_duplicates(song: Clip, heard: Frames) -> None:
    without_drums = piece(seed=11, seconds=24.0, tempo_bpm=100, tonic=2, mode="minor", drums=False)
    edit = Clip.joined([song.between(0, 9.6), song.between(14.4, 24.0), song.between(9.6, 14.4)])
    other_take = piece(seed=12, seconds=24.0, tempo_bpm=100, tonic=2, mode="minor")
    shorter = song.between(0, 19.2)
    for each in (without_drums, edit, other_take, shorter):
        assert not same(heard, hear(each))


def test_windows_cover_a_piece_from_start_to_end() -> None:
    assert windows_in(7.0) == [(0.0, 7.0)]
    spread = windows_in(180.0)
    assert len(spread) == 8 and spread[0][0] == 0.0 and spread[-1][1] == pytest.approx(180.0)


def test_words_that_mean_the_same_lie_near() -> None:
    rows = WordEmbedder().embed(["slow sad piano", "melancholic piano ballad", "aggressive fast metal"])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1


def test_embedding_does_not_mind_the_loudness(song: Clip, heard: Frames) -> None:
    signal = SignalEmbedder()
    softer = hear(Clip(song.samples * 0.25, song.sample_rate_hz))
    assert signal.embed_heard(softer).whole @ signal.embed_heard(heard).whole > 0.95


VOCABULARY = Vocabulary(
    {
        "ambient": Kind("ambient", "Ambient", ("ambient music",)),
        "drum_and_bass": Kind("drum_and_bass", "Drum and bass", ("dnb", "drum & bass")),
    },
    {"calm": Kind("calm", "Calm"), "energetic": Kind("energetic", "Energetic"), "dark": Kind("dark", "Dark")},
)


def labelled(track: Track) -> Track:
    return Labels(VOCABULARY).label(track, None)


def figures(tempo_bpm: float, energy: float, key: int = 12) -> Features:
    return Features(tempo_bpm, 0.9, 0.9, key, 0.6, energy, 0.6, -14.0, 6.0, 900.0, 0.9, 0.9)


def test_a_tag_names_the_genre_before_any_rule() -> None:
    track = labelled(Track("/m/a.mp3", genre_tags=("Liquid DnB",), features=figures(60, 0.1)))
    assert (track.genre, track.genre_by) == ("drum_and_bass", "tags")


@pytest.mark.parametrize(
    ("path", "genre"),
    [
        ("/m/Drum & Bass/Album/a.mp3", "drum_and_bass"),
        ("/m/Ambient/DnB/a.mp3", "drum_and_bass"),  # the nearer folder
        ("/m/Ambient moods/a.mp3", ""),  # a name with the word in it is no shelf
        ("/m/b/ambient.mp3", ""),
    ],
)
def test_a_folder_called_like_a_genre_names_it_and_figures_do_not(path: str, genre: str) -> None:
    track = labelled(Track(path, features=figures(174, 0.9)))
    assert (track.genre, track.genre_by, track.moods_by) == (genre, "folder" if genre else "", "rules")


def test_a_takes_plan_is_believed() -> None:
    track = labelled(Track("/m/a.flac", take_id="t", genre="ambient", genre_by="take", features=figures(174, 0.9)))
    assert (track.genre, track.genre_by) == ("ambient", "take")


def test_moods_follow_energy_and_mode() -> None:
    assert moods_by_rules(figures(174, 0.9))[0] == "energetic"
    assert moods_by_rules(figures(60, 0.2))[0] == "calm"
    assert "melancholic" in moods_by_rules(figures(60, 0.2, key=14))


def test_a_description_says_what_is_known() -> None:
    track = labelled(Track("/m/DnB/1.mp3", artist="Ann", title="Night Bus", features=figures(174, 0.9)))
    for said in ("Ann", "Night Bus", "Drum and bass", "174 bpm", "C minor", "fast"):
        assert said in track.description


def test_harmonic_neighbours_are_the_wheels() -> None:
    a_minor = key_number(9, "minor")
    names = {key_number(9, "minor"), key_number(0, "major"), key_number(4, "minor"), key_number(2, "minor")}
    assert set(harmonic_neighbours(a_minor)) == names


def test_hearing_a_file_is_hearing_its_clip(tmp_path: Path, song: Clip, heard: Frames) -> None:
    from audio.io import write_clip

    path = write_clip(tmp_path / "a.flac", song)
    assert features_of(hear(path)).key == features_of(heard).key
    assert hear(path).seconds == heard.seconds
