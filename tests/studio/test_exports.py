"""What leaves the studio is the take's own sound, well named, and says how it was made unless asked not to."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from agents.types import SongPlan
from audio.io import FORMATS, decode, read_clip
from audio.lossy import is_lossy
from audio.tags import read_provenance
from studio.engines.base import Listener, Sampling
from studio.exports import EXPORT_FORMATS, ExportError, Exports
from studio.takes import EngineFacts, Take, TakeMissing, TakeStore
from tests.engines_for_tests import ToneEngine, plan_of


@pytest.fixture
def store(tmp_path: Path) -> TakeStore:
    return TakeStore(tmp_path / "takes", tmp_path / "bin")


@pytest.fixture
def exports(store: TakeStore, tmp_path: Path) -> Exports:
    return Exports(store, tmp_path / "exports")


def keep(store: TakeStore, *, plain: bool = False, **plan: object) -> Take:
    planned = plan_of(seconds=2.0, **plan)
    engine = ToneEngine(plain=plain)
    facts = EngineFacts.of(engine.capabilities)
    return store.write(
        engine.generate(planned, Sampling(seed=7), Listener()), plan=planned, sampling=Sampling(seed=7), engine=facts,
        owner="lovelace",
    )  # fmt: skip


@pytest.mark.parametrize("format", list(FORMATS))
def test_every_sound_format_is_the_takes_sound_and_tells_how_it_was_made(
    store: TakeStore, exports: Exports, format: str
) -> None:
    take = keep(store)
    file = exports.export(take.id, format=format, provenance=True)
    assert file.filename == f"Rainy Window – 120bpm – Am{FORMATS[format].suffix}"
    assert file.ascii_filename == f"Rainy Window - 120bpm - Am{FORMATS[format].suffix}"
    assert file.media_type.startswith("audio/")
    kept, exported = read_clip(store.audio_path(take.id)), read_clip(file.path)
    assert exported.seconds == pytest.approx(kept.seconds, abs=0.0005)
    if format != "opus":  # which has only rates of its own
        assert exported.frames == kept.frames
        error = float(np.sqrt(np.mean((exported.samples - kept.samples) ** 2)))
        assert error < (1e-2 if is_lossy(format) else 2e-5)
    said = read_provenance(file.path)
    assert said is not None
    assert SongPlan.model_validate(said["plan"]) == take.plan
    assert (said["prompt"], said["sampling"]["seed"], said["take"]) == (take.plan.brief.words, 7, take.id)
    assert said["engine"]["licence"] == "CC-BY-NC 4.0"
    assert "lovelace" not in str(said), "who made it is nobody's business"


@pytest.mark.parametrize("format", list(FORMATS))
def test_opting_out_leaves_no_word_in_the_file(store: TakeStore, exports: Exports, format: str) -> None:
    take = keep(store)
    data = exports.export(take.id, format=format, provenance=False).path.read_bytes()
    assert read_provenance(data) is None
    assert b"rainy" not in data.lower()
    tagged = exports.export(take.id, format=format, provenance=True).path
    assert read_provenance(tagged) is not None, "the two are kept apart"
    assert np.array_equal(read_clip(tagged).samples, decode(data).samples)


def test_a_flac_export_is_bit_for_bit_the_take(store: TakeStore, exports: Exports) -> None:
    take = keep(store)
    for format in ("flac", "wav24", "wav32f"):
        exported = read_clip(exports.export(take.id, format=format, provenance=True).path)
        assert np.array_equal(exported.samples, read_clip(store.audio_path(take.id)).samples)


@pytest.mark.parametrize(("format", "suffix"), [("stems", ".flac"), ("stems-wav", ".wav")])
def test_the_stems_sum_to_the_mix(store: TakeStore, exports: Exports, format: str, suffix: str) -> None:
    take = keep(store)
    file = exports.export(take.id, format=format, provenance=True)
    with zipfile.ZipFile(file.path) as bundle:
        assert {info.compress_type for info in bundle.infolist()} == {zipfile.ZIP_STORED}
        assert bundle.namelist() == [
            f"Rainy Window – 120bpm – Am – 01 Bass{suffix}",
            f"Rainy Window – 120bpm – Am – 02 Electric piano{suffix}",
            "Rainy Window – 120bpm – Am.mid",
        ]
        parts = [decode(bundle.read(name)) for name in bundle.namelist()[:2]]
        said = read_provenance(bundle.read(bundle.namelist()[0]))
    assert said is not None and said["take"] == take.id
    mix = read_clip(store.audio_path(take.id)).samples
    assert 20 * np.log10(np.abs(sum(part.samples for part in parts) - mix).max()) < -60
    assert file.filename == "Rainy Window – 120bpm – Am – stems.zip"


def test_the_midi_is_the_notes(store: TakeStore, exports: Exports) -> None:
    take = keep(store)
    song = pretty_midi.PrettyMIDI(str(exports.export(take.id, format="midi", provenance=True).path))
    assert song.get_tempo_changes()[1][0] == pytest.approx(120)
    assert len(song.instruments[0].notes) == 12


def test_what_a_take_has_not_is_said(store: TakeStore, exports: Exports) -> None:
    take = keep(store, plain=True)
    with pytest.raises(ExportError, match="no stems: Tones"):
        exports.export(take.id, format="stems", provenance=True)
    with pytest.raises(ExportError, match="no MIDI"):
        exports.export(take.id, format="midi", provenance=True)
    with pytest.raises(ExportError, match="wma"):
        exports.export(take.id, format="wma", provenance=True)
    with pytest.raises(TakeMissing):
        exports.export("../../etc", format="flac", provenance=True)


@pytest.mark.parametrize(
    ("title", "name", "plain"),
    [
        ("Rain/Snow: a\\b?*", "Rain Snow a b – 120bpm – F#m", "Rain Snow a b - 120bpm - F#m"),
        ("..", "Take – 120bpm – F#m", "Take - 120bpm - F#m"),
        ("雨の窓", "雨の窓 – 120bpm – F#m", "Take - 120bpm - F#m"),
        ("Ünïcode’s café", "Ünïcode’s café – 120bpm – F#m", "Unicode's cafe - 120bpm - F#m"),
        ("あ" * 120, "あ" * 50 + " – 120bpm – F#m", "Take - 120bpm - F#m"),
    ],
)
def test_names_are_telling_and_safe_on_every_system(
    store: TakeStore, exports: Exports, title: str, name: str, plain: str
) -> None:
    file = exports.export(keep(store, title=title, key="F# minor").id, format="flac", provenance=False)
    assert (file.filename, file.ascii_filename) == (f"{name}.flac", f"{plain}.flac")
    assert len(file.filename.encode()) < 255


def test_into_a_folder_nothing_is_overwritten(store: TakeStore, exports: Exports, tmp_path: Path) -> None:
    take = keep(store)
    folder = tmp_path / "music"
    names = [exports.export(take.id, format="flac", provenance=True, folder=folder).filename for _ in range(3)]
    assert names == [f"Rainy Window – 120bpm – Am{number}.flac" for number in ("", " (2)", " (3)")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_the_same_export_is_made_once_and_the_oldest_go_when_there_are_too_many(
    store: TakeStore, tmp_path: Path
) -> None:
    exports = Exports(store, tmp_path / "exports", cache_bytes=1_000_000)
    takes = [keep(store, title=f"Take {number}") for number in range(4)]
    first = exports.export(takes[0].id, format="wav32f", provenance=True).path
    made = first.stat().st_ino
    assert exports.export(takes[0].id, format="wav32f", provenance=True).path.stat().st_ino == made
    for take in takes[1:]:
        last = exports.export(take.id, format="wav32f", provenance=True).path
    assert last.exists() and not first.exists()
    assert sum(path.stat().st_size for path in (tmp_path / "exports").rglob("*") if path.is_file()) <= 1_000_000
    assert exports.export(takes[0].id, format="wav32f", provenance=True).path.exists()


def test_everything_offered_works(store: TakeStore, exports: Exports) -> None:
    take = keep(store)
    for format in EXPORT_FORMATS:
        assert exports.export(take.id, format=format, provenance=True).path.stat().st_size > 0
    exports.forget(take.id)
    assert not any(path.is_file() for path in exports._dir.rglob("*"))


def test_many_takes_go_into_one_zip_with_progress(store: TakeStore, exports: Exports) -> None:
    takes = [keep(store).id, keep(store).id, keep(store, plain=True, title="Plain").id]
    told: list[tuple[float, str]] = []
    bundle = exports.bundle(takes, format="midi", provenance=True, progress=lambda *each: told.append(each))
    with zipfile.ZipFile(bundle.path) as files:
        assert files.namelist() == ["Rainy Window – 120bpm – Am.mid", "Rainy Window – 120bpm – Am (2).mid"]
    assert [share for share, _ in told] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert bundle.take_ids == tuple(takes[:2]) and bundle.filename == "Takes – 2.zip"
    made = bundle.path.stat().st_ino
    again = exports.bundle(takes, format="midi", provenance=True)
    assert again.take_ids == bundle.take_ids and again.path.stat().st_ino == made, "it was made a second time"
    assert exports.bundle(takes[:2], format="midi", provenance=True).path != bundle.path
    with pytest.raises(ExportError, match="no MIDI"):
        exports.bundle(takes[2:], format="midi", provenance=True)


def test_stopping_a_batch_leaves_nothing_behind(store: TakeStore, exports: Exports) -> None:
    class Stopped(Exception):
        pass

    def stop(share: float, _title: str) -> None:
        if share > 0.4:
            raise Stopped

    with pytest.raises(Stopped):
        exports.bundle([keep(store).id, keep(store).id], format="flac", provenance=True, progress=stop)
    assert not any((exports._dir / "bundles").iterdir())
