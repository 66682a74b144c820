"""Which of a playlist's songs one already has: the same recording, not another version of it."""

from __future__ import annotations

from studio.references.playlist import OwnTrack, Playlist, PlaylistTrack, match_own


def matched(track: PlaylistTrack, *own: OwnTrack) -> list[str]:
    return [match.own.id for match in match_own(Playlist("p", "test", (track,)), own)]


def test_what_sellers_add_to_a_title_does_not_matter() -> None:
    track = PlaylistTrack("Rain, Again - 2011 Remaster", ("Ana Lua",), seconds=184.0)
    assert matched(track, OwnTrack("1", "rain again (feat. Trio Sol)", "ANA LUA", 184.9)) == ["1"]
    assert matched(PlaylistTrack("Été"), OwnTrack("1", "Ete")) == ["1"]


def test_another_length_is_another_version() -> None:
    track = PlaylistTrack("Rain", ("Ana Lua",), seconds=184.0)
    assert matched(track, OwnTrack("1", "Rain", "Ana Lua", 391.0)) == []


def test_another_artists_song_of_that_name_is_another_song() -> None:
    track = PlaylistTrack("Rain", ("Ana Lua",), seconds=184.0)
    assert matched(track, OwnTrack("1", "Rain", "The Beatles", 184.0)) == []


def test_a_remix_is_not_its_original() -> None:
    assert matched(PlaylistTrack("Rain (Ben's Remix)", ("Ana",)), OwnTrack("1", "Rain", "Ana")) == []


def test_a_file_without_tags_is_known_by_its_name() -> None:
    track = PlaylistTrack("Rain", ("Ana Lua",), seconds=184.0)
    assert matched(track, OwnTrack("1", "03 Ana Lua - Rain", "", 184.2)) == ["1"]
    assert matched(track, OwnTrack("1", "03 Other Band - Rain", "", 184.2)) == []


def test_each_own_track_is_matched_once_and_the_nearest_wins() -> None:
    tracks = (PlaylistTrack("Rain", ("Ana",), seconds=100.0), PlaylistTrack("Rain", ("Ana",), seconds=100.0))
    own = [OwnTrack("exact", "Rain", "Ana", 100.0), OwnTrack("bare", "Rain")]
    matches = match_own(Playlist("p", "test", tracks), own)
    assert [match.own.id for match in matches] == ["exact", "bare"]
    assert [match.sure for match in matches] == [True, False]
