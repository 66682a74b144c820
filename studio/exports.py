"""A take as a file to take away: sound in several formats, its parts as a zip, its notes as MIDI.

Made once per take, format and tagging, kept in a folder of bounded size. Knows nothing of who may export what.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.harmony import Key
from audio.io import FORMATS, AudioError, encode, read_clip, written_whole
from audio.tags import Tags
from studio.settings import VERSION
from studio.takes import Take, TakeStore

SOFTWARE = f"MusicGen Studio {VERSION}"
CACHE_BYTES = 2_000_000_000
# Everything one can ask for, and what it is called.
EXPORT_FORMATS: dict[str, str] = {
    **{name: sound.label for name, sound in FORMATS.items()},
    "stems": "Stems, FLAC in a zip",
    "stems-wav": "Stems, WAV 24 bit in a zip",
    "midi": "MIDI",
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
            if path.is_file():
                path.touch()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path) as part:
                    write(part)
                self._make_room(keep=path)
            if folder is not None:
                path = _copied_into(folder, path)
        except OSError as error:
            raise ExportError(
                f"“{name}” could not be written: {error.strerror or error}. Free some space and try again."
            ) from error
        except AudioError as error:
            raise ExportError(f"This take cannot be exported as {EXPORT_FORMATS[format]}: {error}") from error
        return ExportedFile(path, path.name, ascii_name(path.name), media_type)

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
        chosen = FORMATS[format]
        return chosen.suffix, chosen.media_type, lambda part: self._write_sound(take, part, format, provenance)

    def _write_sound(self, take: Take, part: Path, format: str, provenance: bool) -> None:
        clip = read_clip(self._store.audio_path(take.id))
        part.write_bytes(encode(clip, format=format, tags=tags_of(take) if provenance else None))

    def _write_stems(self, take: Take, part: Path, format: str, provenance: bool) -> None:
        """One file a part, stored as they are (sound does not shrink), and the notes when there are any."""
        name = telling_name(take)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
            for number, stem in enumerate(take.stems, start=1):
                clip = read_clip(self._store.stem_path(take.id, stem.name))
                tags = tags_of(take, part=stem.name) if provenance else None
                label = plain_file_name(stem.name) or f"part {number}"
                bundle.writestr(
                    f"{name} – {number:02} {label}{FORMATS[format].suffix}", encode(clip, format=format, tags=tags)
                )
            if take.has_midi:
                bundle.write(self._store.midi_path(take.id), f"{name}.mid")

    def _make_room(self, *, keep: Path) -> None:
        files = [(path.stat(), path) for path in self._dir.rglob("*") if path.is_file() and path != keep]
        total = keep.stat().st_size + sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime):
            if total <= self._cache_bytes:
                return
            with suppress(OSError):
                path.unlink()
                total -= stat.st_size


def export_take(
    store: TakeStore, take_id: str, *, format: str, provenance: bool, exports_dir: Path, folder: Path | None = None
) -> ExportedFile:
    """One export; see `Exports.export`."""
    return Exports(store, exports_dir).export(take_id, format=format, provenance=provenance, folder=folder)


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


def tags_of(take: Take, *, part: str = "") -> Tags:
    """The tags of an exported sound, of the mix or of one part."""
    title = f"{take.title} – {part}" if part else take.title
    comment = take.plan.brief.words or take.plan.prompt.value
    return Tags(
        title=title, comment=comment, software=SOFTWARE, licence=take.engine.licence, provenance=provenance_of(take)
    )


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
