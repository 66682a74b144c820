"""Lossy files that are no louder between the samples than what went in.

An encoder rounds the spectrum, and its peaks come out up to a decibel higher: the file is decoded, its true peak measured
(ITU-R BS.1770-4, Annex 2), and where it is over, the clip is turned down by that much and encoded again. Knows nothing of takes.
"""

from __future__ import annotations

import io

from audio.clip import Clip
from audio.io import decode, encode, format_of
from audio.loudness import true_peak_dbtp
from audio.tags import Tags, write_tags

USUAL_CEILING_DBTP = -1.0
_TRIES = 6


def is_lossy(format: str) -> bool:
    """True for formats that keep only what is heard."""
    return format_of(format).container in ("MP3", "OGG")


def encode_under_ceiling(
    clip: Clip, *, format: str, ceiling_dbtp: float | None = None, tags: Tags | None = None
) -> bytes:
    """The clip as a lossy file's bytes whose decoded true peak is not over the ceiling.

    ceiling_dbtp: the clip's own true peak when not said, though not under -1: what was mastered to a ceiling keeps it. The
    clip is turned down as far as that needs, usually a few tenths of a decibel. Raises audio.io.AudioUnwritable.
    """
    ceiling = max(true_peak_dbtp(clip), USUAL_CEILING_DBTP) if ceiling_dbtp is None else ceiling_dbtp
    gain_db, data = 0.0, b""
    for _ in range(_TRIES):
        turned = Clip(clip.samples * 10 ** (gain_db / 20), clip.sample_rate_hz) if gain_db else clip
        data = encode(turned, format=format)
        over = true_peak_dbtp(decode(data)) - ceiling
        if over <= 0:
            break
        gain_db -= over + 0.05
    return _tagged(data, tags, container=format_of(format).tagging)


def _tagged(data: bytes, tags: Tags | None, *, container: str) -> bytes:
    if tags is None:
        return data
    buffer = io.BytesIO(data)
    write_tags(buffer, tags, container=container)
    return buffer.getvalue()
