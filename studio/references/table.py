"""Playlists as CSV tables: Exportify's columns, and those of other exporters under their own names.

Blank cells are unknown, never zero. Knows nothing of the network.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from agents.harmony import Key, UnknownName
from studio.references.playlist import Playlist, PlaylistTrack, ReferenceError

MAX_TABLE_BYTES = 20_000_000
MAX_ROWS = 20_000
Value = TypeVar("Value")

# What each exporter calls a thing, in small letters without punctuation; the first that a table has is taken.
# Exportify, exportify.app and its forks; TuneMyMusic; Soundiiz; Chosic; FreeYourMusic; Spotify's own data export.
COLUMNS: dict[str, tuple[str, ...]] = {
    "uri": ("track uri", "spotify uri", "track id", "spotify id", "spotify track id", "spotify  id", "trackuri", "url"),
    "title": ("track name", "song", "song name", "title", "name", "track", "trackname"),
    "artists": ("artist names", "artist name s", "artist name", "artists", "artist", "artistname", "creator"),
    "album": ("album name", "album", "albumname"),
    "released": ("release date", "album release date", "album date", "released", "release year", "year"),
    "milliseconds": ("duration ms", "track duration ms", "duration milliseconds", "length ms"),
    "clock": ("time", "duration", "length", "track duration"),
    "tempo": ("tempo", "bpm"),
    "key": ("key", "musical key"),
    "mode": ("mode",),
    "camelot": ("camelot", "camelot key"),
    "energy": ("energy",),
    "danceability": ("danceability", "dance"),
    "valence": ("valence", "happy", "happiness"),
    "genres": ("genres", "artist genres", "genre"),
}
# The Camelot wheel: 1A is A flat minor, each step a fifth up; B is the relative major.
_CAMELOT_1A, _CAMELOT_1B = 8, 11


def read_table(data: bytes, *, name: str = "The playlist") -> Playlist:
    """A playlist out of a CSV file's bytes, in UTF-8 or UTF-16, with commas, semicolons or tabs.

    Raises ReferenceError when it is no such table. Cells that make no sense are unknown, and a note says how many.
    """
    if len(data) > MAX_TABLE_BYTES:
        raise ReferenceError(f"“{name}” is larger than {MAX_TABLE_BYTES // 10**6} MB: is it really a playlist's table?")
    rows = _rows(_text(data, name), name)
    header = [_bare(cell) for cell in next(rows, [])]
    places = {
        what: next((header.index(one) for one in names if one in header), None) for what, names in COLUMNS.items()
    }
    if places["title"] is None:
        raise ReferenceError(
            f"“{name}” has no column for the tracks' names. Export the playlist as CSV (exportify.app does) and choose "
            "that file."
        )
    reader = _Reader({what: place for what, place in places.items() if place is not None})
    tracks = []
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            reader.notes.append(f"Only the first {MAX_ROWS:,} rows were read.")
            break
        if (track := reader.track(row)) is not None:
            tracks.append(track)
    if not tracks:
        raise ReferenceError(f"“{name}” has no tracks in it.")
    return Playlist(name=name, source="a CSV table", tracks=tuple(tracks), notes=tuple(reader.closing_notes()))


def _text(data: bytes, name: str) -> str:
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise ReferenceError(f"“{name}” is not a table of text: choose the CSV file of the playlist.")
    return text


def _rows(text: str, name: str) -> Iterator[list[str]]:
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    except csv.Error as error:
        raise ReferenceError(f"“{name}” cannot be read as a table: {error}.") from error


def _bare(cell: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", cell.lower()).strip()


class _Reader:
    """Reads rows by the places of the columns and counts what made no sense."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._odd = 0
        self.notes: list[str] = []

    def track(self, row: list[str]) -> PlaylistTrack | None:
        cells = {what: row[place].strip() if place < len(row) else "" for what, place in self._places.items()}
        title = cells.get("title", "")
        if not title:
            return None
        return PlaylistTrack(
            title=title,
            artists=_several(cells.get("artists", "")),
            album=cells.get("album", ""),
            year=self._read(_year, cells.get("released")),
            seconds=self._seconds(cells),
            tempo_bpm=self._read(_tempo, cells.get("tempo")),
            key=self._read(_camelot, cells.get("camelot")) or self._key(cells),
            energy=self._read(_share, cells.get("energy")),
            danceability=self._read(_share, cells.get("danceability")),
            valence=self._read(_share, cells.get("valence")),
            genres=_several(cells.get("genres", "")),
            uri=cells.get("uri", ""),
        )

    def closing_notes(self) -> list[str]:
        missing = [what for what in ("tempo", "key", "energy", "genres") if what not in self._places]
        if "camelot" in self._places and "key" in missing:
            missing.remove("key")
        if missing:
            self.notes.append(f"The table says nothing of {', '.join(missing)}.")
        if self._odd:
            self.notes.append(f"{self._odd} cell{'s' if self._odd != 1 else ''} made no sense and were left out.")
        return self.notes

    def _read(self, read: Callable[[str], Value | None], cell: str | None) -> Value | None:
        if not cell:
            return None
        try:
            return read(cell)
        except (ValueError, UnknownName):
            self._odd += 1
            return None

    def _seconds(self, cells: Mapping[str, str]) -> float | None:
        if cells.get("milliseconds"):
            return self._read(lambda cell: _positive(float(cell) / 1000), cells["milliseconds"])
        return self._read(_clock, cells.get("clock"))

    def _key(self, cells: Mapping[str, str]) -> Key | None:
        mode = cells.get("mode", "")
        return self._read(lambda cell: _key(cell, mode), cells.get("key"))


def _several(cell: str) -> tuple[str, ...]:
    """Names in one cell. Exportify writes "A,B" and, since 2023, "A;B"; a comma inside a name cannot be told apart."""
    separator = ";" if ";" in cell else ","
    return tuple(dict.fromkeys(part.strip() for part in cell.split(separator) if part.strip()))


def _positive(number: float) -> float:
    if not (math.isfinite(number) and number > 0):
        raise ValueError(number)
    return number


def _year(cell: str) -> int | None:
    match = re.search(r"\b(1[89]\d\d|20\d\d)\b", cell)
    if match is None:
        raise ValueError(cell)
    return int(match[1])


def _clock(cell: str) -> float:
    """Seconds out of "3:45", "1:02:03" or a number: of milliseconds when it is too large for seconds."""
    if ":" in cell:
        seconds = 0.0
        for part in cell.split(":"):
            seconds = seconds * 60 + float(part)
        return _positive(seconds)
    number = _positive(float(cell.replace(",", ".")))
    return number / 1000 if number > 20_000 else number


def _tempo(cell: str) -> float | None:
    """Spotify writes 0 where it heard no tempo."""
    tempo = float(cell.replace(",", "."))
    if tempo == 0:
        return None
    if not 20 <= tempo <= 400:
        raise ValueError(cell)
    return tempo


def _share(cell: str) -> float:
    """0 to 1; some exporters write per cent, which never stays within 1."""
    number = float(cell.rstrip("%").replace(",", "."))
    if number > 1 or cell.endswith("%"):
        number /= 100
    if not 0 <= number <= 1:
        raise ValueError(cell)
    return number


def _key(cell: str, mode: str) -> Key | None:
    """Spotify's pitch class 0 to 11 (-1: none heard) with its mode 0 or 1, or a name like "F♯/G♭ Minor"."""
    if re.fullmatch(r"-?\d+(\.0)?", cell):
        tonic = int(float(cell))
        if tonic == -1:
            return None
        if not 0 <= tonic <= 11:
            raise ValueError(cell)
        if mode.lower() in ("0", "0.0", "minor"):
            return Key(tonic=tonic, mode="minor")
        return Key(tonic=tonic, mode="major") if mode.lower() in ("1", "1.0", "major") else None
    if re.fullmatch(r"\d{1,2}[ABab]", cell):
        return _camelot(cell)
    name = re.sub(r"\s*/\s*[A-G][♯♭#b]?", "", cell)
    return Key.parse(f"{name} {mode}" if mode.lower() in ("major", "minor") else name)


def _camelot(cell: str) -> Key:
    match = re.fullmatch(r"\s*(\d{1,2})\s*([ABab])\s*", cell)
    if match is None or not 1 <= int(match[1]) <= 12:
        raise ValueError(cell)
    steps, minor = int(match[1]) - 1, match[2].upper() == "A"
    return Key(tonic=((_CAMELOT_1A if minor else _CAMELOT_1B) + 7 * steps) % 12, mode="minor" if minor else "major")
