"""Playlists as tables: what exporters really write, blanks and nonsense included."""

from __future__ import annotations

import pytest

from agents.harmony import Key
from studio.references.playlist import ReferenceError, profile_of
from studio.references.table import MAX_TABLE_BYTES, read_table

EXPORTIFY = (
    "Track URI,Track Name,Album Name,Artist Name(s),Release Date,Duration (ms),Popularity,Explicit,Added By,Added At,"
    "Genres,Record Label,Danceability,Energy,Key,Loudness,Mode,Speechiness,Acousticness,Instrumentalness,Liveness,"
    "Valence,Tempo,Time Signature\n"
    'spotify:track:1,"Rain, Again",Weather,"Ana Lua,Trio Sol",1999-05-01,184000,40,false,me,2020-01-01T00:00:00Z,'
    '"lo-fi beats,jazzhop",Own,0.7,0.35,9,-11.2,0,0.04,0.6,0.8,0.1,0.3,82.01,4\n'
    "spotify:track:2,Noon,,Café Ná,2004,201500,,,,,,,,,,,,,,,,,,\n"
    "spotify:track:3,Dusk,Weather,Ana Lua,2010-02,,30,false,me,,jazzhop,Own,0.5,0.55,-1,-9,1,0,0,0,0,0.4,0,4\n"
)


def test_exportifys_table_is_read_whole() -> None:
    playlist = read_table(EXPORTIFY.encode(), name="rain.csv")
    first, second, third = playlist.tracks
    assert (first.title, first.artists, first.year, first.seconds) == (
        "Rain, Again",
        ("Ana Lua", "Trio Sol"),
        1999,
        184,
    )
    assert first.key == Key.parse("A minor") and first.tempo_bpm == 82.01 and first.energy == 0.35
    assert first.genres == ("lo-fi beats", "jazzhop")
    assert playlist.notes == ()
    # Blank is unknown, and so are Spotify's own signs for "not heard": key -1 and tempo 0.
    assert (second.tempo_bpm, second.key, second.energy, second.genres) == (None, None, None, ())
    assert (third.tempo_bpm, third.key, third.seconds, third.year) == (None, None, None, 2010)


@pytest.mark.parametrize(
    ("table", "title", "artist", "key", "tempo", "seconds"),
    [
        ("Track name,Artist name,Album,Playlist name,Type,ISRC,Spotify - id\nNoon,Ana,W,P,Playlist,X,1\n", "Noon", "Ana", None, None, None),
        ("title;artist;album;isrc\nNoon;Ana;W;X\n", "Noon", "Ana", None, None, None),
        ("#,Song,Artist,BPM,Camelot,Energy,Time\n1,Noon,Ana,121,8A,64,03:45\n", "Noon", "Ana", "A minor", 121.0, 225.0),
        ("Song\tArtist\tBPM\tKey\tDuration\nNoon\tAna\t90\tF♯/G♭ Minor\t1:02:03\n", "Noon", "Ana", "F# minor", 90.0, 3723.0),
    ],
    ids=["TuneMyMusic", "Soundiiz", "Chosic", "tabs"],
)  # fmt: skip
def test_other_exporters_names_mean_the_same(
    table: str, title: str, artist: str, key: str | None, tempo: float | None, seconds: float | None
) -> None:
    (track,) = read_table(table.encode()).tracks
    assert (track.title, track.artists, track.tempo_bpm, track.seconds) == (title, (artist,), tempo, seconds)
    assert (track.key.name if track.key else None) == key


@pytest.mark.parametrize(
    ("code", "name"), [("1A", "Ab minor"), ("8B", "C major"), ("5A", "C minor"), ("12B", "E major"), ("10A", "B minor")]
)
def test_camelots_wheel_turns_by_fifths(code: str, name: str) -> None:
    (track,) = read_table(f"Title,Camelot\nx,{code}\n".encode()).tracks
    assert track.key == Key.parse(name)


def test_per_cent_and_shares_are_told_apart() -> None:
    tracks = read_table(b"Title,Energy\na,64\nb,0.64\nc,64%\nd,1\n").tracks
    assert [track.energy for track in tracks] == [0.64, 0.64, 0.64, 1.0]


def test_nonsense_in_a_cell_is_left_out_and_counted() -> None:
    playlist = read_table(b"Title,Tempo,Key,Mode,Release Date\na,fast,H#,1,once\nb,9000,3,1,1988\n")
    assert [(t.tempo_bpm, t.key) for t in playlist.tracks] == [(None, None), (None, Key.parse("Eb major"))]
    assert any("4 cells made no sense" in note for note in playlist.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_any_usual_encoding_is_read(encoding: str) -> None:
    (track,) = read_table("Track Name,Artist Name(s)\nÉté à Göteborg,Ana\n".encode(encoding)).tracks
    assert track.title == "Été à Göteborg"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no column"),
        (b"a,b\n1,2\n", "no column"),
        (b"Track Name,Tempo\n", "no tracks"),
        (b"\x00\x01RIFF\x00", "not a table"),
        (b"x" * (MAX_TABLE_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_playlist_is_refused_in_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(ReferenceError, match=says):
        read_table(data)


def test_the_profile_speaks_only_of_what_is_known() -> None:
    profile = profile_of(read_table(EXPORTIFY.encode()))
    assert profile.tempo_bpm is not None and profile.tempo_bpm.count == 1
    assert profile.genres[0] == ("jazzhop", 2)
    assert profile.decades == ((1990, 1), (2000, 1), (2010, 1))
    assert profile.minor_share == 1.0
    bare = profile_of(read_table(b"Track Name\nx\n"))
    assert bare.sentences == ["1 track."]
