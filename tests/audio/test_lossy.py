"""A lossy file is no louder than what went in, and carries its cover."""

from __future__ import annotations

import io

import mutagen
import numpy as np
import pytest
from PIL import Image

from audio.clip import Clip
from audio.cover import cover_png
from audio.io import decode, encode
from audio.lossy import encode_under_ceiling
from audio.loudness import true_peak_dbtp
from audio.mastering import master
from audio.tags import Tags, write_tags
from tests.audio.rhythms import band


@pytest.fixture(scope="module")
def loud() -> Clip:
    """A band mastered hard against a ceiling of -1 dBTP."""
    clip, _ = band(tempo_bpm=120, bars=4)
    return master(clip, target_lufs=-8.0, ceiling_dbtp=-1.0).clip


@pytest.mark.parametrize("format", ["mp3", "mp3-192", "mp3vbr", "ogg", "opus"])
def test_the_true_peak_is_kept_through_the_encoder(loud: Clip, format: str) -> None:
    assert true_peak_dbtp(decode(encode(loud, format=format))) > -1.0, "else there is nothing to keep"
    kept = decode(encode_under_ceiling(loud, format=format))
    assert true_peak_dbtp(kept) <= -1.0
    assert true_peak_dbtp(kept) > -1.8


def test_a_constant_rate_is_constant_and_a_variable_one_is_not(loud: Clip) -> None:
    from mutagen.mp3 import MP3

    info = MP3(io.BytesIO(encode(loud, format="mp3-192"))).info
    assert (info.bitrate, str(info.bitrate_mode)) == (192_000, "BitrateMode.CBR")
    assert str(MP3(io.BytesIO(encode(loud, format="mp3vbr"))).info.bitrate_mode) == "BitrateMode.VBR"


@pytest.mark.parametrize(
    ("format", "container"), [("flac", "FLAC"), ("mp3", "MP3"), ("ogg", "OGG"), ("opus", "OPUS"), ("wav16", "WAV")]
)
def test_every_format_carries_the_cover(format: str, container: str) -> None:
    cover = cover_png([10, 60, 100, 40], hue=0.6)
    buffer = io.BytesIO(encode(Clip.silence(seconds=1, sample_rate_hz=48_000), format=format))
    write_tags(buffer, Tags(title="Rain", cover=cover), container=container)
    buffer.seek(0)
    file = mutagen.File(buffer)
    if container == "FLAC":
        assert file.pictures[0].data == cover
    elif container in ("OGG", "OPUS"):
        from base64 import b64decode

        from mutagen.flac import Picture

        assert Picture(b64decode(file["METADATA_BLOCK_PICTURE"][0])).data == cover
    else:
        assert file.tags.getall("APIC")[0].data == cover
    assert decode(buffer.getvalue()).seconds == pytest.approx(1, abs=0.001)


def test_a_cover_is_a_picture_of_the_waveform() -> None:
    quiet_then_loud = [5] * 500 + [95] * 500
    picture = np.asarray(Image.open(io.BytesIO(cover_png(quiet_then_loud, hue=0.3, size=300))).convert("L"), float)
    assert picture.shape == (300, 300)
    bright = picture > 180
    assert bright[:, 150:].sum() > 5 * bright[:, :150].sum()


def test_opus_keeps_the_length_at_any_rate() -> None:
    for rate in (22_050, 44_100, 48_000):
        clip, _ = band(tempo_bpm=120, bars=1, rate_hz=rate)
        assert decode(encode(clip, format="opus")).seconds == pytest.approx(clip.seconds, abs=0.0005)
