"""Sound files: what goes in comes out, and what is damaged is refused."""

from __future__ import annotations

import io
import os
import struct
import wave
from pathlib import Path

import mutagen.wave
import numpy as np
import pytest
import soundfile

from audio.clip import Clip
from audio.io import (
    FORMATS,
    AudioUnreadable,
    AudioUnwritable,
    decode,
    encode,
    format_of,
    live_wav_header,
    read_clip,
    to_int16,
    write_clip,
)
from audio.tags import KEY, Tags, read_provenance

PROVENANCE = {"prompt": "rainy lo-fi – “80 bpm” ☔", "seed": 7, "plan": {"bars": list(range(9_000))}}
TAGS = Tags(title="Rainy Window é", comment="rain", software="MusicGen Studio", provenance=PROVENANCE)


def tone(*, seconds: float = 1.0, gain: float = 0.5, sample_rate_hz: int = 44_100, channels: int = 2) -> Clip:
    time = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    parts = [gain * np.sin(2 * np.pi * (220.0 * (channel + 1)) * time) for channel in range(channels)]
    return Clip(np.stack(parts), sample_rate_hz)


@pytest.mark.parametrize(
    ("format", "error_db"),
    [
        ("wav16", -88),
        ("wav24", -136),
        ("wav32f", -300),
        ("flac", -136),
        ("flac16", -88),
        ("mp3", -45),
        ("mp3vbr", -35),
        ("ogg", -30),
    ],
)
def test_a_written_tone_comes_back_as_the_same_tone(tmp_path: Path, format: str, error_db: float) -> None:
    clip = tone()
    path = write_clip(tmp_path / f"tone{FORMATS[format].suffix}", clip, format=format)
    again = read_clip(path)
    assert (again.sample_rate_hz, again.channels, again.frames) == (44_100, 2, clip.frames)
    error = np.sqrt(np.mean((again.samples - clip.samples) ** 2))
    assert 20 * np.log10(error + 1e-20) < error_db
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing is left beside the file"


@pytest.mark.parametrize("format", [name for name in FORMATS if FORMATS[name].container != "OGG"])
def test_the_same_clip_gives_the_same_bytes(format: str) -> None:
    assert encode(tone(), format=format) == encode(tone(), format=format)


def test_a_tone_below_the_last_bit_survives_sixteen_bits_through_dither() -> None:
    quiet = tone(seconds=4, gain=0.4 / 32_768, channels=1)
    again = decode(encode(quiet, format="wav16"))
    spectrum = np.abs(np.fft.rfft(again.samples[0]))
    assert np.argmax(spectrum) == pytest.approx(220 * 4, abs=1)
    assert np.allclose(np.rint(quiet.samples * 32_768), 0), "plain rounding would have left silence"


def test_the_dither_does_not_follow_the_music() -> None:
    """TPDF's point: the error's power is the same for quiet and loud, 3/4 of a step squared... as rms, half a step."""
    for gain in (0.01 / 32_768, 0.3 / 32_768, 0.5):
        clip = tone(seconds=2, gain=gain, channels=1)
        error = (decode(encode(clip, format="wav16")).samples - clip.samples) * 32_768
        assert float(np.sqrt(np.mean(error**2))) == pytest.approx(0.5, abs=0.02)


def test_bits_that_are_not_dropped_get_no_dither() -> None:
    sixteen = decode(encode(tone(), format="wav16"))
    assert np.array_equal(decode(encode(sixteen, format="flac")).samples, sixteen.samples)
    assert np.array_equal(decode(encode(sixteen, format="wav16")).samples, sixteen.samples)


def test_silence_stays_silent() -> None:
    clip = Clip.joined([tone(), Clip.silence(seconds=1.0, sample_rate_hz=44_100)])
    assert not decode(encode(clip, format="wav16")).samples[:, 44_100:].any()


def test_too_loud_is_held_at_full_scale_instead_of_wrapping() -> None:
    samples = decode(encode(Clip(np.array([[2.0, -2.0, 0.3]]), 44_100), format="wav16")).samples[0]
    assert samples[0] > 0.99 and samples[1] < -0.99


@pytest.mark.parametrize("format", list(FORMATS))
def test_every_format_carries_its_provenance_however_long(tmp_path: Path, format: str) -> None:
    path = write_clip(tmp_path / f"tagged{FORMATS[format].suffix}", tone(), format=format, tags=TAGS)
    assert path.stat().st_size > 40_000
    assert read_provenance(path) == PROVENANCE
    assert read_provenance(encode(tone(), format=format, tags=TAGS)) == PROVENANCE
    assert read_provenance(encode(tone(), format=format)) is None, "opting out writes nothing"
    assert read_clip(path).seconds == tone().seconds, "tags do not touch the sound"


def test_a_wav_says_it_twice_in_id3_and_in_the_info_list(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "twice.wav", tone(), tags=TAGS)
    short = write_clip(tmp_path / "short.wav", tone(), tags=Tags(title="Rainy Window é", provenance={"seed": 7}))
    with soundfile.SoundFile(short) as file:  # libsndfile shows no text longer than its own buffer
        assert file.title == "Rainy Window é"
        assert file.comment == f'{{"{KEY}": {{"seed": 7}}}}'
    tagged = mutagen.wave.WAVE(path)
    assert str(tagged.tags["TIT2"]) == "Rainy Window é"
    tagged.delete()
    assert read_provenance(path) == PROVENANCE, "the INFO list alone is enough"
    with wave.open(str(path)) as plain:
        assert plain.getnframes() == tone().frames


def test_a_file_of_somebody_else_has_no_provenance(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("not sound")
    assert read_provenance(path) is None


def test_a_truncated_flac_is_refused(tmp_path: Path) -> None:
    data = encode(tone(seconds=3), format="flac")
    path = tmp_path / "cut.flac"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioUnreadable, match=r"cut\.flac"):
        read_clip(path)


def test_what_is_no_sound_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for content in (b"", b"hello", os.urandom(5_000)):
        with pytest.raises(AudioUnreadable, match="not a sound file"):
            decode(content, name="note.wav")
    with pytest.raises(AudioUnreadable, match="could not be opened"):
        read_clip(tmp_path / "absent.wav")


def test_too_long_a_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(AudioUnreadable, match="at most 2 s"):
        decode(encode(tone(seconds=3), format="flac"), max_seconds=2)


def test_samples_that_are_no_numbers_are_refused() -> None:
    broken = Clip(np.array([[0.0, np.nan, 0.5]]), 44_100)
    with pytest.raises(AudioUnwritable):
        encode(broken, format="flac")
    buffer = io.BytesIO()
    soundfile.write(buffer, broken.samples.T, 44_100, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioUnreadable):
        decode(buffer.getvalue())


def test_formats_that_cannot_be_are_said() -> None:
    with pytest.raises(AudioUnwritable, match=r"\.flac"):
        format_of(Path("song.docx"))
    with pytest.raises(AudioUnwritable, match="96000"):
        encode(tone(sample_rate_hz=96_000), format="mp3")


def test_a_failed_write_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "song.flac", tone())
    before = path.read_bytes()
    with pytest.raises(AudioUnwritable):
        write_clip(path, Clip(np.full((1, 90_000), np.nan), 44_100))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["song.flac"]


def test_a_live_header_makes_a_wav_any_reader_plays() -> None:
    clip = tone()
    data = live_wav_header(frames=clip.frames, sample_rate_hz=44_100, channels=2) + to_int16(clip).tobytes()
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (clip.frames, 44_100, 2)
    assert np.abs(decode(data).samples - clip.samples).max() < 1.1 / 32_768 * 1.5
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def test_two_minutes_of_ogg_do_not_crash_the_encoder() -> None:
    long = Clip(np.zeros((1, 44_100 * 120), np.float32), 44_100)
    assert decode(encode(long, format="ogg")).frames == long.frames
