"""Sound that can be read while it grows."""

from __future__ import annotations

import io
import threading
import time
import wave

import numpy as np
import pytest

from audio.clip import Clip
from studio.live import LiveSound


def noise(frames: int) -> Clip:
    return Clip(np.random.default_rng(0).uniform(-0.5, 0.5, (2, frames)), 1_000)


def test_any_range_read_in_pieces_is_the_range_of_the_whole_file() -> None:
    live = LiveSound(sample_rate_hz=1_000, channels=2, frames=1_000)

    def feed() -> None:
        clip = noise(1_000)
        for start in range(0, 1_000, 100):
            time.sleep(0.005)
            live.feed(Clip(clip.samples[:, start : start + 100], 1_000))
        live.close()

    threading.Thread(target=feed).start()
    late = live.read(2_001, 2_345, timeout_seconds=5)
    data = b""
    while piece := live.read(len(data), 10**9, timeout_seconds=5):
        data += piece
    assert len(data) == live.total_bytes == 44 + 4_000
    assert late is not None and data[2_001:].startswith(late)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() == 1_000
    assert np.abs(live.clip().samples - noise(1_000).samples).max() < 1e-4


def test_waiting_too_long_is_told_apart_from_the_end() -> None:
    live = LiveSound(sample_rate_hz=1_000, channels=2, frames=1_000)
    assert len(live.read(0, 100, timeout_seconds=0) or b"") == 44, "the header is there at once"
    assert live.read(44, 100, timeout_seconds=0.01) is None
    live.feed(noise(10))
    live.close()
    assert len(live.read(44, 10**9, timeout_seconds=0) or b"") == 40
    assert live.read(84, 10**9, timeout_seconds=5) == b"", "stopped early: no more will come"
    assert live.wait_closed(timeout_seconds=0)


def test_a_reader_waiting_is_woken_by_a_stop() -> None:
    live = LiveSound(sample_rate_hz=1_000, channels=2, frames=1_000)
    threading.Timer(0.05, live.close).start()
    start = time.monotonic()
    assert live.read(44, 100, timeout_seconds=10) == b""
    assert time.monotonic() - start < 5


def test_more_than_was_announced_is_not_heard_live() -> None:
    live = LiveSound(sample_rate_hz=1_000, channels=2, frames=50)
    live.feed(noise(80))
    assert (live.available_bytes, live.frames_heard, live.seconds) == (44 + 200, 50, 0.05)


def test_a_changed_rate_is_refused() -> None:
    live = LiveSound(sample_rate_hz=1_000, channels=2, frames=50)
    with pytest.raises(ValueError, match="sample rate"):
        live.feed(Clip(np.zeros((2, 5)), 2_000))
