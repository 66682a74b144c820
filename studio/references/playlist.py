"""A playlist as the outside describes it, its profile, and which of the user's own tracks are in it.

Knows nothing of where a playlist was read from, and hands nothing of it to any model: what generates are the user's own
tracks, by the studio's own measurements.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import quantiles

from agents.harmony import Key

# Two recordings of one song that differ by more are two versions: a live take, an edit, a remix.
_SAME_LENGTH_SECONDS = 4.0
_SAME_ARTIST = 0.72
_DECORATION = re.compile(
    r"[(\[][^)\]]*\b(feat|ft|with|remaster\w*|mono|stereo|deluxe|bonus|album|single|radio)\b[^)\]]*[)\]]"
    r"|\s[-–—]\s.*\b(remaster\w*|mono|stereo|single version|album version|radio edit|bonus track)\b.*$"
    r"|\b(feat|ft|featuring)\b\.?.*$",
    re.IGNORECASE,
)


class ReferenceError(Exception):
    """Something outside could not be read or may not be; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class PlaylistTrack:
    """One row of a playlist. None and () where the source says nothing. energy, danceability, valence: 0 to 1."""

    title: str
    artists: tuple[str, ...] = ()
    album: str = ""
    year: int | None = None
    seconds: float | None = None
    tempo_bpm: float | None = None
    key: Key | None = None
    energy: float | None = None
    danceability: float | None = None
    valence: float | None = None
    genres: tuple[str, ...] = ()
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Playlist:
    """Tracks in their order. source: who described them. notes: what was odd or is not known, in sentences."""

    name: str
    source: str
    tracks: tuple[PlaylistTrack, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle half of some measurements and their middle; count: of how many tracks it is known."""

    low: float
    middle: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What a playlist is like as a whole. keys, genres, decades: with how many tracks, most first.

    tempo_bpm, energy, danceability, valence, seconds: None where no track says.
    """

    tracks: int
    tempo_bpm: Spread | None
    energy: Spread | None
    danceability: Spread | None
    valence: Spread | None
    seconds: Spread | None
    keys: tuple[tuple[str, int], ...]
    genres: tuple[tuple[str, int], ...]
    decades: tuple[tuple[int, int], ...]
    minor_share: float | None

    @property
    def sentences(self) -> list[str]:
        """The profile in words, only of what is known."""
        said = [f"{self.tracks} track{'' if self.tracks == 1 else 's'}."]
        if self.tempo_bpm:
            said.append(
                f"Half of them are between {self.tempo_bpm.low:.0f} and {self.tempo_bpm.high:.0f} bpm, the middle is "
                f"{self.tempo_bpm.middle:.0f}."
            )
        if self.keys and self.minor_share is not None:
            most = ", ".join(f"{name} ({count})" for name, count in self.keys[:3])
            said.append(f"{self.minor_share:.0%} are in minor keys; most often {most}.")
        if self.energy:
            said.append(f"Their energy is {self.energy.middle:.2f} of 1 in the middle.")
        if self.genres:
            said.append("Genres: " + ", ".join(f"{name} ({count})" for name, count in self.genres[:5]) + ".")
        if self.decades:
            first, last = min(d for d, _ in self.decades), max(d for d, _ in self.decades)
            said.append(f"From the {first}s." if first == last else f"From the {first}s to the {last}s.")
        return said


def profile_of(playlist: Playlist) -> Profile:
    """The playlist's characteristics, each over the tracks whose source states it."""
    tracks = playlist.tracks
    keys = [track.key for track in tracks if track.key is not None]
    genres = Counter(genre.lower() for track in tracks for genre in dict.fromkeys(track.genres))
    decades = Counter(track.year // 10 * 10 for track in tracks if track.year)
    return Profile(
        tracks=len(tracks),
        tempo_bpm=_spread(track.tempo_bpm for track in tracks),
        energy=_spread(track.energy for track in tracks),
        danceability=_spread(track.danceability for track in tracks),
        valence=_spread(track.valence for track in tracks),
        seconds=_spread(track.seconds for track in tracks),
        keys=tuple(Counter(key.name for key in keys).most_common()),
        genres=tuple(genres.most_common()),
        decades=tuple(sorted(decades.items())),
        minor_share=sum(key.is_minor for key in keys) / len(keys) if keys else None,
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    if len(known) == 1:
        return Spread(known[0], known[0], known[0], 1)
    low, middle, high = quantiles(known, n=4, method="inclusive")
    return Spread(low, middle, high, len(known))


# ------------------------------------------------------------------------------------------------- own tracks


@dataclass(frozen=True, slots=True)
class OwnTrack:
    """What matching needs of a track of the user's: names as its tags or its file say."""

    id: str
    title: str
    artist: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A playlist's track and the user's own recording of it. sure: title, artist and length all agree."""

    track: PlaylistTrack
    own: OwnTrack
    sure: bool


def match_own(playlist: Playlist, own: Sequence[OwnTrack]) -> list[Match]:
    """The playlist's tracks that the user has as files, in the playlist's order, each own track at most once.

    Titles must agree but for what sellers add to them ("2011 Remaster", "feat. …"); then the artist, where both sides
    name one, and the length, where both know it, decide. A different length is another version and no match.
    """
    by_title: dict[str, list[OwnTrack]] = defaultdict(list)
    for each in own:
        for title in dict.fromkeys((plain(each.title), *_title_after_artist(each))):
            if title:
                by_title[title].append(each)
    matches, taken = [], set()
    for track in playlist.tracks:
        found = [each for each in by_title.get(plain(track.title), ()) if each.id not in taken]
        scored = sorted(
            ((score, each) for each in found if (score := _agreement(track, each)) is not None),
            key=lambda pair: (-pair[0], pair[1].id),
        )
        if scored:
            score, best = scored[0]
            taken.add(best.id)
            matches.append(Match(track=track, own=best, sure=score >= 2.0))
    return matches


def plain(name: str) -> str:
    """A title or a name as it is compared: no case, accents, punctuation or sellers' additions."""
    bare = _DECORATION.sub("", name)
    folded = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[\w]+", folded.casefold().replace("&", " and ")))


def _title_after_artist(own: OwnTrack) -> list[str]:
    """The title in a file's name like "03 Artist - Title", where there are no tags."""
    bare = re.sub(r"^\d{1,3}[.\s_-]+", "", own.title)
    parts = [part.strip() for part in re.split(r"\s[-–—]\s", bare)]
    return [plain(bare), *([plain(parts[-1])] if len(parts) > 1 else [])]


def _agreement(track: PlaylistTrack, own: OwnTrack) -> float | None:
    """How well what is known of both agrees: a point each for artist and length. None when they contradict."""
    points = 0.0
    names = [plain(name) for name in track.artists]
    said = plain(own.artist) or (plain(own.title) if " - " in own.title else "")
    if names and said:
        nearness = max(_nearness(name, said) for name in names)
        if nearness < _SAME_ARTIST:
            return None
        points += nearness if nearness < 1 else 1.0
    if track.seconds is not None and own.seconds is not None:
        if abs(track.seconds - own.seconds) > max(_SAME_LENGTH_SECONDS, 0.02 * track.seconds):
            return None
        points += 1.0
    return points


def _nearness(name: str, said: str) -> float:
    if name and re.search(rf"\b{re.escape(name)}\b", said):
        return 1.0
    return SequenceMatcher(None, name, said).ratio()
