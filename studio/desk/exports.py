"""What is carried off the desk as files: the mix, its strips, the parts.

Each is written whole into the item's folder under a telling name. Knows nothing of pages or of who may fetch them.
"""

from __future__ import annotations

import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from audio.clip import Clip
from audio.cover import cover_png
from audio.io import FORMATS, encode, written_whole
from audio.lossy import encode_under_ceiling, is_lossy
from audio.peaks import bucket_peaks
from audio.tags import Tags
from studio.desk.errors import DeskError
from studio.desk.items import Item
from studio.desk.jobs import Work
from studio.desk.mix import Mix
from studio.desk.mixing import full_mix, mixdown, under_full_scale
from studio.desk.notes import part_label
from studio.desk.options import Options
from studio.desk.projects import has_notes, midi_of_item, session_of_item, write_project
from studio.exports import EXPORT_FORMATS, SOFTWARE, plain_file_name, short_key, tags_of

if TYPE_CHECKING:
    from studio.desk.desk import Desk, Sheet

MOST_KEPT = 24
_ZIPPED = {"flac": "FLAC", "wav24": "WAV, 24 bit", "wav16": "WAV, 16 bit", "wav32f": "WAV, 32 bit float"}


class ExportOptions(Options):
    """What to carry off, and as what ("" for the first format there is). start, end: of a loop; fill_seconds: play it round for so long instead of giving it
    loop points. parts: of MIDI, all when none is named."""

    what: Annotated[str, Field(max_length=20)] = "mix"
    format: Annotated[str, Field(max_length=20)] = ""
    start_seconds: Annotated[float, Field(ge=0)] | None = None
    end_seconds: Annotated[float, Field(ge=0)] | None = None
    fill_seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    parts: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    takes: Annotated[tuple[str, ...], Field(max_length=200)] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """A kind of export: what it is called, its formats by name, and what it writes (returns the files)."""

    label: str
    formats: Mapping[str, str]
    write: Callable[[Desk, Item, ExportOptions, Work, Path], Sequence[Path]]
    note: str = ""
    is_there: Callable[[Sheet], bool] = lambda sheet: True


def export(desk: Desk, item: Item, options: ExportOptions, work: Work) -> Mapping[str, Any]:
    """Write what was asked for; the files can then be fetched from the work. Raises DeskError."""
    chosen = EXPORTS.get(options.what)
    if chosen is None or not chosen.is_there(desk.sheet(item)):
        raise DeskError(f"There is no “{options.what}” to carry off here.")
    if not options.format and chosen.formats:
        options = options.model_copy(update={"format": next(iter(chosen.formats))})
    if chosen.formats and options.format not in chosen.formats:
        raise DeskError(f"{chosen.label} can be had as {', '.join(chosen.formats.values())}.")
    folder = item.folder / "exports" / secrets.token_hex(6)
    try:
        folder.mkdir(parents=True)
        made = chosen.write(desk, item, options, work, folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise DeskError(f"The files could not be written: {error.strerror or error}. Free some space.") from error
        raise
    work.files.update({path.name: path for path in made})
    _make_room(folder.parent)
    return {"files": [path.name for path in made], "bytes": sum(path.stat().st_size for path in made)}


def name_of(desk: Desk, item: Item) -> str:
    """What to call an item's files, without ending: "Rainy Window – 80bpm – Am"."""
    tempo = desk.tempo_of(item)
    facts = [f"{tempo:.0f}bpm"] if tempo else []
    if item.plan is not None:
        facts.append(short_key(item.plan.key.value))
    return " – ".join([plain_file_name(item.title) or "Sound", *facts])


def tags_for(item: Item, mix: Mix | None = None, *, part: str = "", clip: Clip | None = None) -> Tags:
    """The tags of what leaves the desk: where it comes from and how it was mixed; with its sound, a cover drawn from it."""
    title = f"{item.title} – {part}" if part else item.title
    peaks = bucket_peaks(clip, buckets=480).tolist() if clip is not None else []
    if item.take is not None:
        tags = tags_of(item.take, peaks=peaks)
    else:
        cover = cover_png(peaks, hue=sum(item.title.encode()) % 97 / 97) if peaks else b""
        tags = Tags(software=SOFTWARE, provenance={"software": SOFTWARE, "source": item.title}, cover=cover)
    provenance = dict(tags.provenance) | ({"mix": mix.model_dump(mode="json")} if mix is not None else {})
    return replace(tags, title=title, licence=item.licence, provenance=provenance)


def _write_mix(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    mix = desk.sheet(item).page.mix
    clip, _, _ = under_full_scale(full_mix(desk, item, mix, work.part(0.0, 0.85)), {})
    work.tell(0.9, "writing the file")
    path = folder / f"{name_of(desk, item)}{FORMATS[options.format].suffix}"
    with written_whole(path) as part:
        write = encode_under_ceiling if is_lossy(options.format) else encode
        part.write_bytes(write(clip, format=options.format, tags=_tags_wanted(desk, item, mix, clip=clip)))
    return [path]


def _write_strips(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    mix = desk.sheet(item).page.mix
    mixed = mixdown(desk, item, mix, work.part(0.0, 0.7, "mixing"), keep_strips=True)
    _, strips, _ = under_full_scale(mixed.clip, dict(mixed.strips))
    return [_zipped(desk, item, folder, "strips", strips, options.format, work.part(0.7, 1.0, "packing"), mix)]


def _write_parts(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    parts = desk.sheet(item).parts
    clips = _Opened(parts.names, parts.open)
    return [_zipped(desk, item, folder, "stems", clips, options.format, work.part(0.0, 1.0, "packing"), None)]


def _write_midi(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    path = folder / f"{name_of(desk, item)}.mid"
    with written_whole(path) as part:
        part.write_bytes(midi_of_item(desk, item, options.parts))
    return [path]


def _write_project(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    work.tell(0.1, "laying out the project")
    session = session_of_item(desk, item)
    ending = {"dawproject": ".dawproject", "reaper": " – REAPER.zip", "daw": " – parts and MIDI.zip"}[options.format]
    path = folder / f"{name_of(desk, item)}{ending}"
    work.tell(0.3, "writing the parts")
    with written_whole(path) as part:
        write_project(part, session, format=options.format)
    return [path]


def _write_takes(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    """Several takes in one zip; whoever may not have one of them gets none."""
    for take_id in options.takes:
        desk.studio.entry(take_id, owner=item.owner or None)
    made = desk.studio.exports.bundle(
        options.takes, format=options.format, provenance=desk.studio.settings.embed_provenance,
        progress=lambda share, title: work.tell(share, title),
    )  # fmt: skip
    path = folder / made.filename
    made.path.replace(path)
    return [path]


def _write_loop(desk: Desk, item: Item, options: ExportOptions, work: Work, folder: Path) -> Sequence[Path]:
    """A region of the mix as a WAV that goes round: crossfaded at its seam, loop points in its smpl chunk."""
    from audio.loop_points import with_loop_points
    from audio.loops import Loop, looped, tile

    if options.start_seconds is None or options.end_seconds is None:
        raise DeskError("Mark the region that is to go round first.")
    mix = desk.sheet(item).page.mix
    clip, _, _ = under_full_scale(full_mix(desk, item, mix, work.part(0.0, 0.8)), {})
    rate = clip.sample_rate_hz
    start, end = round(options.start_seconds * rate), min(clip.frames, round(options.end_seconds * rate))
    if end - start < rate // 20:
        raise DeskError("This region is too short to go round. Mark at least a twentieth of a second.")
    beats = desk.beats(item)
    bars = (end - start) / rate / (beats.beat_seconds * beats.beats_a_bar) if beats else 0.0
    loop = Loop(start, end, max(1, round(bars)), 1.0, "")
    piece = tile(clip, loop, seconds=options.fill_seconds) if options.fill_seconds else looped(clip, loop)
    data = encode(piece, format=options.format, tags=_tags_wanted(desk, item, mix, part="loop"))
    whole = abs(bars - round(bars)) < 0.02 and bars > 0.5
    length = f"{round(bars)} bar{'s' if round(bars) != 1 else ''}" if whole else f"{(end - start) / rate:.2f} s"
    if options.fill_seconds:
        length += f" for {piece.seconds:.1f} s"
    else:
        data = with_loop_points(data, [(0, piece.frames)], sample_rate_hz=rate)
    path = folder / f"{name_of(desk, item)} – loop, {length}.wav"
    with written_whole(path) as part:
        part.write_bytes(data)
    return [path]


class _Opened(dict[str, Clip]):
    """Parts that are read when their turn comes, so that only one is in memory."""

    def __init__(self, names: Sequence[str], open_part: Callable[[str], Clip]) -> None:
        super().__init__()
        self._names, self._open = names, open_part

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> Clip:
        return self._open(name)


def _zipped(
    desk: Desk,
    item: Item,
    folder: Path,
    what: str,
    clips: Mapping[str, Clip],
    format: str,
    progress: Callable[[float], None],
    mix: Mix | None,
) -> Path:
    """One file a clip, stored as they are: sound does not shrink."""
    name = name_of(desk, item)
    path = folder / f"{name} – {what}.zip"
    with written_whole(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
        for number, each in enumerate(clips, start=1):
            progress((number - 1) / max(1, len(clips)))
            label = plain_file_name(part_label(each)) or f"part {number}"
            tags = _tags_wanted(desk, item, mix, part=label)
            data = encode(clips[each], format=format, tags=tags)
            bundle.writestr(f"{name} – {number:02} {label}{FORMATS[format].suffix}", data)
    return path


def _tags_wanted(desk: Desk, item: Item, mix: Mix | None, *, part: str = "", clip: Clip | None = None) -> Tags | None:
    return tags_for(item, mix, part=part, clip=clip) if desk.studio.settings.embed_provenance else None


def _make_room(home: Path) -> None:
    """The newest exports of an item stay; one made in the last minutes is never taken away under a download."""
    folders = sorted((path for path in home.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in folders[: max(0, len(folders) - MOST_KEPT)]:
        if time.time() - path.stat().st_mtime > 600:
            shutil.rmtree(path, ignore_errors=True)


_PROJECTS = {
    "dawproject": "DAWproject (Bitwig, Studio One, Cubase)",
    "reaper": "REAPER, in a zip",
    "daw": "Parts and MIDI for Live, FL Studio, Logic",
}
_WAVS = {name: label for name, label in _ZIPPED.items() if name.startswith("wav")}
EXPORTS: dict[str, Export] = {
    "mix": Export("The mix", {name: each.label for name, each in FORMATS.items()}, _write_mix, "As it stands on the desk, effects on the sum included."),
    "strips": Export("The strips, as mixed", _ZIPPED, _write_strips, "Each through its chain, fader and panner, in a zip; together they are the mix without the effects on the sum."),
    "parts": Export("The parts, as they are", _ZIPPED, _write_parts, "Untouched, in a zip; together they are the sound they were taken from."),
    "midi": Export("The notes, as MIDI", {}, _write_midi, "With tempo map and section markers.", has_notes),
    "project": Export("A project for a DAW", _PROJECTS, _write_project, "Strips through their effects with level and pan, notes where they are known, tempo map and sections."),
    "takes": Export("Several takes at once", dict(EXPORT_FORMATS), _write_takes, "In one zip."),
    "loop": Export("The marked region, to go round", _WAVS, _write_loop, "A WAV with loop points that samplers read. Mark the region on the ruler first."),
}  # fmt: skip
