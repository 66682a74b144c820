"""A cover for a sound file: its waveform on a coloured ground, as a PNG.

The picture is a fact about the sound, the same for the same peaks and hue. Knows nothing of tags.
"""

from __future__ import annotations

import colorsys
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_BARS = 48
_EDGE = 0.1  # of the picture, kept free on each side


def cover_png(peaks: Sequence[int], *, hue: float, energy: float = 0.5, size: int = 600) -> bytes:
    """A square picture of `size` pixels. peaks: 0 to 100 over the whole sound. hue, energy: 0 to 1; more energy, more colour."""
    ground_from = colorsys.hls_to_rgb(hue % 1.0, 0.16, 0.35 + 0.4 * energy)
    ground_to = colorsys.hls_to_rgb((hue + 0.12) % 1.0, 0.34, 0.35 + 0.4 * energy)
    slope = (np.arange(size)[:, None] + np.arange(size)[None, :]) / (2 * size - 2)
    picture = np.asarray(ground_from) * (1 - slope[..., None]) + np.asarray(ground_to) * slope[..., None]
    light = np.asarray(colorsys.hls_to_rgb((hue + 0.5) % 1.0, 0.9, 0.6))
    cover = _bars(peaks, size)[..., None]
    picture = picture * (1 - cover) + light * cover
    return _png(np.rint(picture * 255).astype(np.uint8))


def _bars(peaks: Sequence[int], size: int) -> np.ndarray:
    """How much of each pixel the waveform's bars cover, 0 to 1: (size, size)."""
    levels = np.asarray(peaks if len(peaks) else [0], float) / 100
    edges = np.linspace(0, len(levels), _BARS + 1).astype(int)
    heights = np.array([levels[a : max(a + 1, b)].mean() for a, b in pairwise(edges)])
    heights = 0.01 + 0.36 * heights / max(heights.max(), 1e-9)
    places = (np.arange(size) + 0.5) / size
    slot = (places - _EDGE) / (1 - 2 * _EDGE) * _BARS
    inside = (slot >= 0) & (slot < _BARS) & (slot % 1.0 > 0.18) & (slot % 1.0 < 0.82)
    height = heights[np.clip(slot.astype(int), 0, _BARS - 1)]
    reach = np.clip((height[None, :] - np.abs(places - 0.5)[:, None]) * size + 0.5, 0.0, 1.0)
    return reach * inside[None, :]


def _png(pixels: np.ndarray) -> bytes:
    """An RGB picture, uint8 (height, width, 3), as a PNG (ISO/IEC 15948)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
