"""The library keeps what it was given, narrows it as asked, and is set aside when damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.features import Features
from rag.filters import Filters, harmonic_neighbours, key_number
from rag.tracks import LibraryError, Track, Tracks


def figures(tempo_bpm: float = 120.0, key: int = 0, energy: float = 0.5) -> Features:
    return Features(tempo_bpm, 0.9, 0.8, key, 0.7, energy, 0.6, -14.0, 6.0, 900.0, 0.9, 0.9)


@pytest.fixture
def tracks(tmp_path: Path) -> Iterator[Tracks]:
    library = Tracks(tmp_path / "library.sqlite3")
    yield library
    library.close()


def test_a_track_comes_back_as_it_was_put_in(tracks: Tracks) -> None:
    put = tracks.add(
        Track(
            "/music/a.flac",
            hash="x",
            title="Rain",
            year=1999,
            genre_tags=("Jazz",),
            features=figures(),
            moods=("calm",),
        )
    )
    assert put.id > 0
    assert tracks.get(put.id) == put
    assert tracks.by_path("/music/a.flac") == put


def test_adding_a_path_again_keeps_its_id_and_its_first_day(tracks: Tracks) -> None:
    first = tracks.add(Track("/music/a.flac", title="Rain"))
    again = tracks.add(Track("/music/a.flac", title="Snow"))
    assert again.id == first.id
    kept = tracks.get(first.id)
    assert kept is not None and kept.title == "Snow" and kept.added_at == first.added_at


def test_a_listing_obeys_every_filter(tracks: Tracks) -> None:
    slow = tracks.add(
        Track("/m/slow.flac", features=figures(70, key_number(9, "minor"), 0.2), genre="ambient", moods=("calm",))
    )
    fast = tracks.add(
        Track("/m/fast.flac", features=figures(174, 3, 0.9), genre="drum_and_bass", year=1996, seconds=300)
    )
    own = tracks.add(Track("/t/own.flac", take_id="t1", owner="ann", features=figures(120, 5)))

    def found(**narrowed: object) -> list[int]:
        return sorted(track.id for track in tracks.listing(Filters(**narrowed)))  # type: ignore[arg-type]

    assert found(tempo_bpm=(160, None)) == [fast.id]
    assert found(keys=harmonic_neighbours(0)) == [slow.id, own.id]
    assert found(energy=(None, 0.3)) == [slow.id]
    assert found(genres=("ambient", "jazz")) == [slow.id]
    assert found(moods=("calm",)) == [slow.id]
    assert found(years=(1990, 1999)) == [fast.id]
    assert found(seconds=(200, None)) == [fast.id]
    assert found(own=True) == [own.id]
    assert found(owner="") == [slow.id, fast.id]
    assert found(without=(slow.id,)) == [fast.id, own.id]


def test_a_list_is_in_the_order_it_is_read_in(tracks: Tracks) -> None:
    for path, title, artist, year in (
        ("/m/zebra.wav", "", "", None), ("/m/1.mp3", "Élan", "Zoë", 1999), ("/m/2.mp3", "fuge", "ärzte", 1985),
        ("/m/apfel.aiff", "", "", None), ("/m/3.mp3", "Dusk", "Zoë", 2001),
    ):  # fmt: skip
        tracks.add(Track(path, title=title, artist=artist, year=year))
    read = {order: [track.label for track in tracks.listing(order=order)] for order in ("title", "artist", "year")}
    assert read["title"] == ["apfel", "Zoë – Dusk", "Zoë – Élan", "ärzte – fuge", "zebra"]
    assert read["artist"] == ["ärzte – fuge", "Zoë – Dusk", "Zoë – Élan", "apfel", "zebra"], "untagged ones come last"
    assert read["year"][:3] == ["ärzte – fuge", "Zoë – Élan", "Zoë – Dusk"]


def test_words_find_tracks_by_their_beginnings(tracks: Tracks) -> None:
    rain = tracks.add(Track("/m/1.flac", title="Rainy evening", artist="Ann"))
    tracks.add(Track("/m/2.flac", title="Sunny morning"))
    assert [track.id for track in tracks.listing(words="rain ann")] == [rain.id]
    assert tracks.count(words="even") == 1
    assert tracks.count(words="!!!") == 0


def test_gone_tracks_are_kept_but_not_listed(tracks: Tracks) -> None:
    track = tracks.add(Track("/m/1.flac", features=figures()))
    tracks.mark_gone([track.id])
    assert tracks.count() == 0
    kept = tracks.get(track.id)
    assert kept is not None and kept.state == "gone" and kept.features == track.features


def test_vectors_are_kept_by_model_to_a_half_float(tracks: Tracks) -> None:
    whole, parts = np.linspace(-1, 1, 64, dtype=np.float32), np.ones((5, 64), np.float32)
    track = tracks.add(
        Track("/m/1.flac", features=figures()), vectors={("signal-1", "sound"): whole, ("signal-1", "windows"): parts}
    )
    assert np.allclose(tracks.vectors([track.id], "signal-1", "sound")[track.id], whole, atol=1e-3)
    assert tracks.vectors([track.id], "signal-1", "windows")[track.id].shape == (5, 64)
    assert tracks.vectors([track.id], "clap-x", "sound") == {}
    assert tracks.without_vector("clap-x", "sound") == [track.id]
    assert tracks.without_vector("signal-1", "sound") == []


def test_a_stream_meets_every_track_while_more_are_added(tracks: Tracks) -> None:
    for number in range(25):
        tracks.add(Track(f"/m/{number}.flac"))
    seen = []
    for track in tracks.stream(at_a_time=10):
        seen.append(track.id)
        if len(seen) == 3:
            tracks.add(Track("/m/late.flac"))
    assert len(seen) == len(set(seen)) == 26


def test_a_damaged_library_is_set_aside_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    path.write_bytes(b"this is no database " * 500)
    library = Tracks(path)
    assert "set aside" in library.notice and library.count() == 0
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    library.close()


def test_a_library_of_a_newer_studio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    library = Tracks(path)
    library._connection.execute("PRAGMA user_version = 999")
    library.close()
    with pytest.raises(LibraryError, match="newer"):
        Tracks(path)


def test_a_style_of_a_large_library_may_hold_more_tracks_than_sqlite_takes_values(tracks: Tracks) -> None:
    kept = [tracks.add(Track(f"/m/{number}.flac")).id for number in range(3)]
    assert tracks.ids(Filters(ids=(*kept[:2], *range(10, 300_000)))) == kept[:2]


def test_tracks_below_a_folder_are_told_from_those_of_its_namesakes(tracks: Tracks) -> None:
    inside = tracks.add(Track("/m/jazz/deep/a.flac")).id
    for elsewhere in ("/m/jazz2/b.flac", "/m/jazz.flac", "/m/jazz/own.flac"):
        tracks.add(Track(elsewhere, take_id="x" if "own" in elsewhere else None))
    assert tracks.ids_under(Path("/m/jazz")) == [inside]
