"""Loop points in a WAV: the `smpl` chunk that samplers and DAWs read.

The chunk is Microsoft and IBM's "Multimedia Data Standards Update" of 1994; an end is the last frame played, so one less than
a region's end here. Knows nothing of how loops are found.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

_HEAD = struct.Struct("<9I")
_POINT = struct.Struct("<6I")
_FORWARD = 0


class NoWav(ValueError):
    """These bytes are no RIFF WAV file."""


def with_loop_points(
    wav: bytes, regions: Sequence[tuple[int, int]], *, sample_rate_hz: int, root_pitch: int = 60
) -> bytes:
    """The WAV with these regions, [start, end) in frames, as its loops; earlier ones are replaced. They go round for ever.

    root_pitch: the MIDI note at which a sampler plays the file as it is. Raises NoWav.
    """
    head = _HEAD.pack(0, 0, round(1e9 / sample_rate_hz), root_pitch, 0, 0, 0, len(regions), 0)
    points = [
        _POINT.pack(number, _FORWARD, start, end - 1, 0, 0) for number, (start, end) in enumerate(regions, start=1)
    ]
    body = head + b"".join(points)
    kept = [(name, data) for name, data in _chunks(wav) if name != b"smpl"]
    made = b"".join(_chunk(name, data) for name, data in [*kept, (b"smpl", body)])
    return b"RIFF" + struct.pack("<I", 4 + len(made)) + b"WAVE" + made


def read_loop_points(wav: bytes) -> tuple[tuple[int, int], ...]:
    """The file's loops as [start, end) in frames; none when it has none. Raises NoWav."""
    for name, data in _chunks(wav):
        if name == b"smpl" and len(data) >= _HEAD.size:
            count = min(_HEAD.unpack_from(data)[7], (len(data) - _HEAD.size) // _POINT.size)
            points = (_POINT.unpack_from(data, _HEAD.size + index * _POINT.size) for index in range(count))
            return tuple((start, end + 1) for _, _, start, end, _, _ in points)
    return ()


def _chunks(wav: bytes) -> Iterator[tuple[bytes, bytes]]:
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        raise NoWav("This is no WAV file, so it holds no loop points.")
    at = 12
    while at + 8 <= len(wav):
        name, size = wav[at : at + 4], struct.unpack_from("<I", wav, at + 4)[0]
        yield name, wav[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
