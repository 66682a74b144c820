"""A take as a file to take away: sound in several formats, its parts as a zip, its notes as MIDI.

Made once per take, format and tagging, kept in a folder of bounded size. Knows nothing of who may export what.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.harmony import Key
from audio.cover import cover_png
from audio.io import FORMATS, AudioError, encode, read_clip, written_whole
from audio.lossy import encode_under_ceiling, is_lossy
from audio.tags import Tags
from studio.settings import VERSION
from studio.takes import Take, TakeMissing, TakeStore

SOFTWARE = f"MusicGen Studio {VERSION}"
CACHE_BYTES = 2_000_000_000
# Everything one can ask for, and what it is called.
EXPORT_FORMATS: dict[str, str] = {
    **{name: sound.label for name, sound in FORMATS.items()},
    "stems": "Stems, FLAC in a zip",
    "stems-wav": "Stems, WAV 24 bit in a zip",
    "midi": "MIDI",
    "dawproject": "Project, DAWproject (Bitwig, Studio One, Cubase)",
    "reaper": "Project, REAPER in a zip",
    "daw": "Parts and MIDI for Live, FL Studio, Logic",
}
_PROJECTS = {
    "dawproject": (".dawproject", "application/vnd.bitwig.dawproject"),
    "reaper": (" – REAPER.zip", "application/zip"),
    "daw": (" – parts and MIDI.zip", "application/zip"),
}


class ExportError(Exception):
    """A take cannot be exported so; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A finished export. filename: what to call it; ascii_filename: the same for those who need plain letters."""

    path: Path
    filename: str
    ascii_filename: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Bundle(ExportedFile):
    """Several takes' exports in one zip. take_ids: those that are in it."""

    take_ids: tuple[str, ...]


class Exports:
    """The folder of finished exports, at most `cache_bytes` large; the least recently asked for go first."""

    def __init__(self, store: TakeStore, exports_dir: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._store, self._dir, self._cache_bytes = store, exports_dir, cache_bytes

    def export(self, take_id: str, *, format: str, provenance: bool, folder: Path | None = None) -> ExportedFile:
        """The take in that format, with its prompt and settings in the tags when `provenance`.

        With a folder, a copy is put there under its telling name; nothing in it is ever overwritten. Raises
        ExportError or TakeError.
        """
        if format not in EXPORT_FORMATS:
            raise ExportError(f"“{format}” is not an export format. Choose one of {', '.join(EXPORT_FORMATS)}.")
        take = self._store.read(take_id)
        suffix, media_type, write = self._recipe(take, format, provenance=provenance)
        name = f"{telling_name(take)}{suffix}"
        path = self._dir / take.id / f"{format}{'' if provenance else '-plain'}" / name
        try:
            self._have(path, write)
            if folder is not None:
                path = _copied_into(folder, path)
        except OSError as error:
            raise ExportError(
                f"“{name}” could not be written: {error.strerror or error}. Free some space and try again."
            ) from error
        except AudioError as error:
            raise ExportError(f"This take cannot be exported as {EXPORT_FORMATS[format]}: {error}") from error
        return ExportedFile(path, path.name, ascii_name(path.name), media_type)

    def bundle(
        self,
        take_ids: Sequence[str],
        *,
        format: str,
        provenance: bool,
        progress: Callable[[float, str], None] | None = None,
    ) -> Bundle:
        """Several takes in one zip, each under its telling name. Takes without stems or notes are left out where those are
        asked for, and so are those that are gone.

        progress: told 0 to 1 and the take in hand; what it raises ends the work and nothing is left behind. Raises ExportError
        when none of them can be had so, or as `export`.
        """
        asked = hashlib.sha256(" ".join([format, str(provenance), *take_ids]).encode()).hexdigest()
        path = self._dir / "bundles" / f"{asked[:24]}.zip"
        try:
            self._have(path, lambda part: self._write_bundle(part, take_ids, format, provenance, progress))
            with zipfile.ZipFile(path) as bundle:
                inside = tuple(bundle.comment.decode().split())
        except OSError as error:
            raise ExportError(
                f"The zip could not be written: {error.strerror or error}. Free some space and try again."
            ) from error
        if progress is not None:
            progress(1.0, "")
        return Bundle(path, f"Takes – {len(inside)}.zip", f"Takes - {len(inside)}.zip", "application/zip", inside)

    def _write_bundle(
        self,
        part: Path,
        take_ids: Sequence[str],
        format: str,
        provenance: bool,
        progress: Callable[[float, str], None] | None,
    ) -> None:
        """The zip; its comment says which takes are in it."""
        refused, inside = "", []
        names: set[str] = set()
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
            for number, take_id in enumerate(take_ids):
                try:
                    if progress is not None:
                        progress(number / len(take_ids), self._store.read(take_id).title)
                    made = self.export(take_id, format=format, provenance=provenance)
                except (ExportError, TakeMissing) as error:
                    refused = refused or str(error)
                    continue
                name = _free_name(made.filename, names)
                bundle.write(made.path, name)
                names.add(name)
                inside.append(take_id)
            if not inside:
                raise ExportError(refused or "No take was chosen. Choose some and export again.")
            bundle.comment = " ".join(inside).encode()

    def kept(self, take_id: str, name: str) -> Path | None:
        """A file that `keep` has put beside a take's exports, if it is still there."""
        path = self._dir / take_id / "kept" / name
        if not path.is_file():
            return None
        path.touch()
        return path

    def keep(self, take_id: str, name: str, write: Callable[[Path], object]) -> Path:
        """Put a file beside a take's exports, whole or not at all; it goes when they do. Raises OSError."""
        path = self._dir / take_id / "kept" / name
        self._write(path, write)
        return path

    def forget(self, take_id: str) -> None:
        """Remove a take's exports, when it goes to the bin."""
        if re.fullmatch(r"[0-9a-f-]+", take_id):
            shutil.rmtree(self._dir / take_id, ignore_errors=True)

    def _recipe(self, take: Take, format: str, *, provenance: bool) -> tuple[str, str, Callable[[Path], None]]:
        """The file's ending, its media type and what writes it. Raises ExportError when the take has no such thing."""
        if format == "midi":
            if not take.has_midi:
                raise ExportError(f"This take has no MIDI: {take.engine.label} makes sound, not notes.")
            return ".mid", "audio/midi", lambda part: _copy(self._store.midi_path(take.id), part)
        if format.startswith("stems"):
            if not take.stems:
                raise ExportError(f"This take has no stems: {take.engine.label} makes the mix in one piece.")
            sound = "wav24" if format == "stems-wav" else "flac"
            return " – stems.zip", "application/zip", lambda part: self._write_stems(take, part, sound, provenance)
        if format in _PROJECTS:
            return *_PROJECTS[format], lambda part: self._write_project(take, part, format)
        chosen = FORMATS[format]
        return chosen.suffix, chosen.media_type, lambda part: self._write_sound(take, part, format, provenance)

    def _write_sound(self, take: Take, part: Path, format: str, provenance: bool) -> None:
        clip = read_clip(self._store.audio_path(take.id))
        tags = tags_of(take, peaks=self._store.peaks(take.id)) if provenance else None
        part.write_bytes((encode_under_ceiling if is_lossy(format) else encode)(clip, format=format, tags=tags))

    def _write_project(self, take: Take, part: Path, format: str) -> None:
        from studio.projects.dawproject import write_dawproject
        from studio.projects.folder import write_folder
        from studio.projects.rpp import write_reaper
        from studio.projects.session import session_of_take

        session = session_of_take(take, self._store)
        if format == "dawproject":
            write_dawproject(part, session, software="MusicGen Studio", version=VERSION)
        else:
            (write_reaper if format == "reaper" else write_folder)(part, session)

    def _write_stems(self, take: Take, part: Path, format: str, provenance: bool) -> None:
        """One file a part, stored as they are (sound does not shrink), and the notes when there are any."""
        from studio.desk.notes import part_label

        name = telling_name(take)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
            for number, stem in enumerate(take.stems, start=1):
                clip = read_clip(self._store.stem_path(take.id, stem.name))
                called = part_label(stem.name)
                tags = tags_of(take, part=called) if provenance else None
                label = plain_file_name(called) or f"part {number}"
                bundle.writestr(
                    f"{name} – {number:02} {label}{FORMATS[format].suffix}", encode(clip, format=format, tags=tags)
                )
            if take.has_midi:
                bundle.write(self._store.midi_path(take.id), f"{name}.mid")

    def _have(self, path: Path, write: Callable[[Path], object]) -> None:
        """The file as it was made before, or made now by `write`."""
        if path.is_file():
            path.touch()
        else:
            self._write(path, write)

    def _write(self, path: Path, write: Callable[[Path], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            write(part)
        self._make_room(keep=path)

    def _make_room(self, *, keep: Path) -> None:
        files = [(path.stat(), path) for path in self._dir.rglob("*") if path.is_file() and path != keep]
        total = keep.stat().st_size + sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime):
            if total <= self._cache_bytes:
                return
            with suppress(OSError):
                path.unlink()
                total -= stat.st_size


def provenance_of(take: Take) -> dict[str, Any]:
    """What a file says of how it was made: enough to make it again, and nothing of who made it."""
    return {
        "software": SOFTWARE,
        "take": take.id,
        "created_at": take.created_at.isoformat(),
        "prompt": take.plan.brief.words,
        "plan": take.plan.model_dump(mode="json"),
        "sampling": take.sampling.model_dump(mode="json"),
        "engine": take.engine.model_dump(mode="json"),
        "identity": take.identity,
        "complete": take.complete,
        "made_by_a_machine": True,
    }


def tags_of(take: Take, *, part: str = "", peaks: Sequence[int] = ()) -> Tags:
    """The tags of an exported sound, of the mix or of one part; with its peaks, a cover drawn from them too."""
    title = f"{take.title} – {part}" if part else take.title
    comment = take.plan.brief.words or take.plan.prompt.value
    return Tags(
        title=title, comment=comment, software=SOFTWARE, licence=take.engine.licence, provenance=provenance_of(take),
        cover=_cover_of(take, peaks) if peaks else b"",
    )  # fmt: skip


def _cover_of(take: Take, peaks: Sequence[int]) -> bytes:
    """The waveform on the colour of the key: neighbours on the circle of fifths are neighbours in hue."""
    sections = take.plan.sections
    energy = sum(section.energy.value * section.bars.value for section in sections) / max(1, take.plan.bars)
    return cover_png(peaks, hue=take.plan.key.value.tonic * 7 % 12 / 12, energy=energy)


def telling_name(take: Take) -> str:
    """What to call the take's file, without ending: "Rainy Window – 80bpm – Am"."""
    title = plain_file_name(take.title) or "Take"
    return f"{title} – {take.plan.tempo_bpm.value:.0f}bpm – {short_key(take.plan.key.value)}"


def short_key(key: Key) -> str:
    """As musicians write it: "Am", "F#", "D dorian"."""
    tonic = key.note_name(key.tonic)
    return {"major": tonic, "minor": f"{tonic}m"}.get(key.mode, f"{tonic} {key.mode}")


def ascii_name(name: str) -> str:
    """The file name in plain letters, for systems and headers that take no others."""
    plain = unicodedata.normalize("NFKD", name.replace("–", "-").replace("’", "'"))
    plain = plain.encode("ascii", "ignore").decode().strip()
    return f"Take {plain}" if plain.startswith(("-", ".")) else plain


def plain_file_name(text: str) -> str:
    """Without what some system forbids in a name, at most 80 characters and 150 bytes."""
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', " ", text)
    text = " ".join(text.split()).strip(" .")[:80]
    return text.encode()[:150].decode(errors="ignore").strip(" .")


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, under a number when another has it."""
    stem, dot, suffix = name.rpartition(".")
    number, free = 2, name
    while free in taken:
        free, number = f"{stem} ({number}){dot}{suffix}", number + 1
    return free


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _copied_into(folder: Path, source: Path) -> Path:
    """A copy in the folder, under a number when the name is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / source.name, 2
    while target.exists():
        target = folder / f"{source.stem} ({number}){source.suffix}"
        number += 1
    with written_whole(target) as part:
        _copy(source, part)
    return target
