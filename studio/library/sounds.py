"""The sounds behind the library's tracks: as a browser plays them, as peaks, and kept when they are uploaded.

Knows nothing of requests; owners are names handed in.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audio.io import AudioUnreadable, flush_to_disk, written_whole
from audio.peaks import PeakMeter
from audio.stream import sound_facts, stretches
from rag.database import LibraryError
from rag.frames import NoMusic
from rag.listening import hash_of
from rag.tracks import Track
from studio.library.library import Library

PEAK_BUCKETS = 2_000
MOST_SECONDS = 3_600.0
_PEAKS_AT_ONCE = 900.0  # seconds of sound whose peaks take a second or less
_PLAYED_AS_IT_IS = {
    ".mp3": "audio/mpeg", ".flac": "audio/flac", ".wav": "audio/wav", ".ogg": "audio/ogg", ".opus": "audio/ogg",
    ".oga": "audio/ogg",
}  # fmt: skip


class LibrarySounds:
    """Over one library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def playable(self, track: Track) -> tuple[Path, str]:
        """A file that browsers play and its media type: the track's own, or a FLAC made once of a rarer format.

        Raises LibraryError when the file is gone.
        """
        path = _there(track)
        if media_type := _PLAYED_AS_IT_IS.get(path.suffix.lower()):
            return path, media_type
        copy = self._library.folder / "heard" / f"{track.hash or track.id}.flac"
        if not copy.is_file():
            _write_flac(path, copy)
        return copy, "audio/flac"

    def peaks(self, track: Track) -> list[int]:
        """About 2,000 peaks over the track, 0 to 100. Raises AudioError, LibraryError when the file is gone."""
        return list(_peaks_of(str(_there(track)), track.mtime_ns))

    def peaks_of_clip(self, file: Path) -> list[int]:
        """Those of a file that is not kept; [] for one so long that they would keep its user waiting. Raises AudioError."""
        return (
            list(_peaks_of(str(file), file.stat().st_mtime_ns)) if sound_facts(file).seconds <= _PEAKS_AT_ONCE else []
        )

    @property
    def incoming(self) -> Path:
        """Where files lie while they arrive, on the disk they are kept on."""
        return self._library.folder / "incoming"

    def keep(self, file: Path, *, name: str, owner: str) -> Track:
        """Move a file into the library, as this owner's, under its name; the same bytes are kept once an owner.

        Raises AudioUnreadable for what is no sound or too long, LibraryError when it cannot be kept.
        """
        with sound_named(file, name):
            for _ in stretches(file):  # damage shows at the end, too
                pass
        folder = self._library.folder / "uploads" / hashlib.sha256(owner.encode()).hexdigest()[:12] / hash_of(file)[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = next((each for each in folder.iterdir() if each.is_file()), folder / name)
            if not path.exists():
                flush_to_disk(file)
                file.replace(path)
        except OSError as error:
            raise LibraryError(f"“{name}” could not be kept: {error.strerror or error}. Make room.") from error
        track = self._library.importer().add_known(Track(path=str(path), owner=owner))
        if track.state == "broken":
            raise AudioUnreadable(track.reason)
        return track


def _there(track: Track) -> Path:
    path = Path(track.path)
    if not path.is_file():
        raise LibraryError(f"“{track.label}” is not where it was: look through its folder again.")
    return path


@contextmanager
def sound_named(file: Path, name: str) -> Iterator[None]:
    """A file that arrived is called by its own name in what is said of it; one that lasts too long is refused."""
    try:
        seconds = sound_facts(file).seconds
        if seconds > MOST_SECONDS:
            raise AudioUnreadable(
                f"“{name}” lasts {seconds / 60:.0f} minutes; {MOST_SECONDS / 60:.0f} are the most. Cut it first, or import it "
                "from where it lies."
            )
        yield
    except (AudioUnreadable, NoMusic) as error:
        raise AudioUnreadable(str(error).replace(file.name, name)) from error


def _write_flac(path: Path, copy: Path) -> None:
    """The sound as a FLAC of 16 bits, a stretch at a time. Raises AudioError, LibraryError when it cannot be kept."""
    import soundfile

    facts = sound_facts(path)
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(copy) as draft, soundfile.SoundFile(
            draft, "w", facts.sample_rate_hz, facts.channels, "PCM_16", format="FLAC"
        ) as file:  # fmt: skip
            for clip in stretches(path):
                file.write(clip.samples.T)
    except (OSError, soundfile.LibsndfileError) as error:
        raise LibraryError(f"“{path.name}” could not be made ready to be heard ({error}). Is the disk full?") from error


@functools.lru_cache(maxsize=64)
def _peaks_of(path: str, changed_ns: int) -> tuple[int, ...]:
    """One meter over the whole, so that an hour needs no more memory than a minute."""
    facts = sound_facts(Path(path))
    meter = PeakMeter(sample_rate_hz=facts.sample_rate_hz, seconds_a_peak=facts.seconds / PEAK_BUCKETS)
    for clip in stretches(Path(path)):
        meter.feed(clip)
    return meter.peaks
