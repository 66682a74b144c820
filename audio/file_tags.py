"""What a sound file says of itself: title, artist, album, year, genres, comment, read by mutagen from any usual tag.

Never raises: a file without readable tags says nothing. Knows nothing of sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST = 300  # characters of one text: some files carry whole lyrics


@dataclass(frozen=True, slots=True)
class FileTags:
    """Empty where the file says nothing."""

    title: str = ""
    artist: str = ""
    album: str = ""
    year: int | None = None
    genres: tuple[str, ...] = ()
    comment: str = ""


_NAMES = {
    "title": ("title", "TIT2", "\xa9nam"),
    "artist": ("artist", "TPE1", "\xa9ART", "albumartist", "TPE2", "aART"),
    "album": ("album", "TALB", "\xa9alb"),
    "year": ("originaldate", "date", "year", "TDOR", "TDRC", "TYER", "\xa9day"),
    "genres": ("genre", "TCON", "\xa9gen"),
    "comment": ("comment", "description", "COMM", "\xa9cmt"),
}


def read_file_tags(path: Path) -> FileTags:
    """The tags of a file, whatever kind it has."""
    import mutagen

    try:
        file = mutagen.File(path)
        tags = file.tags if file is not None else None
    except Exception:  # noqa: BLE001 - mutagen raises all kinds of errors on damaged files, none of which matter here
        return FileTags()
    if not tags:
        return FileTags()
    found = {field: _texts(tags, names) for field, names in _NAMES.items()}
    year = re.search(r"\b(1[89]\d\d|20\d\d)\b", " ".join(found["year"]))
    genres = [part.strip() for text in found["genres"] for part in re.split(r"[;/,\0]", text)]
    return FileTags(
        title=_first(found["title"]), artist=_first(found["artist"]), album=_first(found["album"]),
        year=int(year[0]) if year else None, genres=tuple(dict.fromkeys(g for g in genres if g))[:8],
        comment=_first(found["comment"]),
    )  # fmt: skip


def _texts(tags: Any, names: tuple[str, ...]) -> list[str]:
    """The texts under the first of these names that has any."""
    for name in names:
        values: list[Any] = []
        if hasattr(tags, "getall"):  # ID3
            if len(name) == 4 and name.isupper():
                # TCON keeps numbers for old genres: `genres` spells them out.
                values = [text for frame in tags.getall(name) for text in getattr(frame, "genres", None) or frame.text]
        else:
            try:
                held = tags.get(name)
            except (KeyError, ValueError):
                held = None
            values = held if isinstance(held, list) else [held] if held is not None else []
        texts = [str(value).strip()[:_MOST] for value in values if str(value).strip()]
        if texts:
            return texts
    return []


def _first(texts: list[str]) -> str:
    return texts[0] if texts else ""
