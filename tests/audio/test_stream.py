"""Sound read in stretches is the same as sound read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from audio.file_tags import FileTags, read_file_tags
from audio.io import AudioUnreadable, write_clip
from audio.loudness import HopMeter, hop_energies, integrated_lufs, loudness_range_lu, lufs_of_hops, range_of_hops
from audio.stream import clip_between, loudest_part, mono_at, sound_facts, stretches, windows_of


def noise(seconds: float, *, rate_hz: int = 44_100, channels: int = 2) -> Clip:
    samples = np.random.default_rng(5).normal(size=(channels, round(seconds * rate_hz))) * 0.1
    return Clip(samples.astype(np.float32), rate_hz)


@pytest.mark.parametrize("suffix", [".flac", ".wav", ".ogg", ".mp3"])
def test_stretches_joined_are_the_whole_file(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", noise(5.0))
    joined = Clip.joined(stretches(path, stretch_seconds=0.7))
    whole = Clip.joined(stretches(path, stretch_seconds=100))
    assert joined.frames == whole.frames and np.allclose(joined.samples, whole.samples, atol=1e-6)
    assert sound_facts(path).seconds == pytest.approx(5.0, abs=0.06)


def test_resampling_does_not_depend_on_the_stretches() -> None:
    clip = noise(4.0)
    once = np.concatenate(list(mono_at(clip, rate_hz=22_050)))
    pieces = np.concatenate(list(mono_at(stretches(clip, stretch_seconds=0.31), rate_hz=22_050)))
    assert len(once) == len(pieces) == 88_200
    assert np.abs(once - pieces).max() < 1e-5


def test_windows_lie_side_by_side_and_the_rest_comes_last() -> None:
    pieces = np.array_split(np.arange(25, dtype=np.float32), 7)
    assert [window.tolist() for window in windows_of(pieces, frames=10)] == [
        list(range(10)), list(range(10, 20)), list(range(20, 25)),
    ]  # fmt: skip


def test_loudness_in_pieces_is_loudness_of_the_whole() -> None:
    clip = noise(12.3)
    meter = HopMeter(clip.sample_rate_hz, clip.channels)
    hops = np.concatenate([*(meter.add(part.samples) for part in stretches(clip, stretch_seconds=0.77)), meter.end()])
    assert np.allclose(hops, hop_energies(clip, hop_frames=4_410))
    assert lufs_of_hops(hops) == pytest.approx(integrated_lufs(clip), abs=0.02)
    assert range_of_hops(hops) == pytest.approx(loudness_range_lu(clip), abs=0.05)


def test_a_cut_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.flac", noise(3.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioUnreadable, match="damaged"):
        list(stretches(path))


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg", ".wav"])
def test_tags_are_read_whatever_the_format_calls_them(tmp_path: Path, suffix: str) -> None:
    import mutagen
    from mutagen.id3 import TALB, TCON, TDRC, TIT2, TPE1

    path = write_clip(tmp_path / f"a{suffix}", noise(1.0))
    file = mutagen.File(path)
    if suffix in (".flac", ".ogg"):
        file.update(
            {
                "title": "Rain",
                "artist": "Ann",
                "album": "Weather",
                "date": "1999-05-01",
                "genre": ["Jazz", "Bossa Nova"],
            }
        )
    else:
        if file.tags is None:
            file.add_tags()
        for frame in (
            TIT2(text="Rain"),
            TPE1(text="Ann"),
            TALB(text="Weather"),
            TDRC(text="1999-05-01"),
            TCON(text="Jazz/Bossa Nova"),
        ):
            file.tags.add(frame)
    file.save()
    assert read_file_tags(path) == FileTags("Rain", "Ann", "Weather", 1999, ("Jazz", "Bossa Nova"))


def test_a_file_without_tags_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"no music")
    assert read_file_tags(tmp_path / "a.mp3") == FileTags()
    assert read_file_tags(tmp_path / "none.mp3") == FileTags()


@pytest.mark.parametrize("suffix", [".flac", ".wav", ".ogg", ".mp3"])
def test_a_part_is_what_lies_there_in_the_whole(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", noise(9.0))
    whole = Clip.joined(stretches(path))
    for start, end in ((0.0, 1.5), (3.25, 6.5), (8.0, 12.0)):
        part, there = clip_between(path, start, end), whole.between(start, end)
        assert part.frames == there.frames and np.allclose(part.samples, there.samples, atol=2e-3)
    with pytest.raises(AudioUnreadable, match="ends before"):
        clip_between(path, 20.0, 21.0)


def test_a_part_of_a_long_sound_reads_no_more_than_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import soundfile

    path = write_clip(tmp_path / "long.flac", noise(300.0, rate_hz=8_000, channels=1))
    read: list[int] = []
    plain = soundfile.SoundFile.read

    def counted(self: soundfile.SoundFile, frames: int = -1, **options: object) -> np.ndarray:
        out = plain(self, frames, **options)
        read.append(len(out))
        return out

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    assert clip_between(path, 140.0, 170.0).seconds == 30.0
    assert sum(read) <= 41 * 8_000


def test_the_loudest_part_is_where_the_power_is() -> None:
    quiet = noise(40.0, rate_hz=8_000)
    samples = quiet.samples * 0.1
    samples[:, 21 * 8_000 : 26 * 8_000] *= 10
    found = loudest_part(Clip(samples, 8_000), seconds=5.0)
    assert np.array_equal(found.samples, samples[:, 21 * 8_000 : 26 * 8_000])
    assert loudest_part(quiet, seconds=60.0).frames == quiet.frames
