"""Copies of a clip as they turn up in a library: encoded, played faster or slower, cut out, louder or softer.

Used by the benchmarks and tests of retrieval; `of` makes one by its name.
"""

from __future__ import annotations

import io

import numpy as np

from audio.clip import Clip
from audio.io import decode

KINDS = ("mp3 128k", "3 % faster", "3 % slower", "10 s excerpt", "9 dB softer")


def of(clip: Clip, kind: str, *, seed: int = 0) -> Clip:
    """The clip altered in one way of KINDS. seed: where an excerpt lies."""
    if kind == "mp3 128k":
        return decode(mp3(clip, kbit_a_second=128))
    if kind == "3 % faster":
        return at_speed(clip, 1.03)
    if kind == "3 % slower":
        return at_speed(clip, 0.97)
    if kind == "10 s excerpt":
        start = np.random.default_rng(seed).uniform(0.0, max(0.0, clip.seconds - 10.0))
        return clip.between(start, start + 10.0)
    if kind == "9 dB softer":
        return Clip(clip.samples * 10 ** (-9 / 20), clip.sample_rate_hz)
    raise ValueError(kind)


def at_speed(clip: Clip, speed: float) -> Clip:
    """Played at another speed, as a tape would be: pitch and tempo move together."""
    import soxr

    moved = soxr.resample(clip.samples.T, clip.sample_rate_hz * speed, clip.sample_rate_hz)
    return Clip(np.ascontiguousarray(moved.T), clip.sample_rate_hz)


def mp3(clip: Clip, *, kbit_a_second: int) -> bytes:
    """The clip as an MP3 of constant rate."""
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(kbit_a_second)
    encoder.set_in_sample_rate(clip.sample_rate_hz)
    encoder.set_channels(clip.channels)
    encoder.silence()
    samples = np.rint(np.clip(clip.samples.T, -1, 1) * 32_767).astype("<i2")
    buffer = io.BytesIO()
    buffer.write(encoder.encode(np.ascontiguousarray(samples).tobytes()))
    buffer.write(encoder.flush())
    return buffer.getvalue()
