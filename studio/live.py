"""Sound that is still being made, as a WAV of known length that can be read while it grows.

Holds int16, undithered: the kept take has the engine's full precision. Knows nothing of HTTP.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from audio.clip import Clip
from audio.io import live_wav_header, to_int16
from audio.peaks import PeakMeter

_HEADER_BYTES = 44


class LiveSound:
    """A growing take. Thread-safe: one engine feeds it, any number of listeners read it.

    As bytes it is a 44-byte WAV header announcing `frames`, then the samples. `read` waits for bytes that are still
    to come. Closed short (the user stopped), the bytes after the last sample never come and `read` answers b"".
    """

    def __init__(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        self.sample_rate_hz, self.channels, self.frames = sample_rate_hz, channels, frames
        self.total_bytes = _HEADER_BYTES + frames * channels * 2
        self._bytes = bytearray(live_wav_header(frames=frames, sample_rate_hz=sample_rate_hz, channels=channels))
        self._meter = PeakMeter(sample_rate_hz=sample_rate_hz)
        self._more = threading.Condition()
        self._closed = False

    def feed(self, clip: Clip) -> None:
        """Add the next stretch; what goes past the announced length is not heard live.

        Raises ValueError when the clip's rate or channels are not the announced ones.
        """
        if (clip.sample_rate_hz, clip.channels) != (self.sample_rate_hz, self.channels):
            raise ValueError("an engine changed its sample rate or channels in the middle of a take")
        with self._more:
            if self._closed:
                return
            room = (self.total_bytes - len(self._bytes)) // (2 * self.channels)
            heard = Clip(clip.samples[:, :room], clip.sample_rate_hz)
            self._meter.feed(heard)
            self._bytes += to_int16(heard).tobytes()
            self._more.notify_all()

    def close(self) -> None:
        """No more will come."""
        with self._more:
            self._closed = True
            self._more.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def available_bytes(self) -> int:
        """How many bytes of the WAV exist now, header included."""
        return len(self._bytes)

    @property
    def frames_heard(self) -> int:
        return (len(self._bytes) - _HEADER_BYTES) // (2 * self.channels)

    @property
    def seconds(self) -> float:
        """How much sound exists now."""
        return self.frames_heard / self.sample_rate_hz

    @property
    def peaks(self) -> tuple[int, ...]:
        """One peak each 0.1 s so far, 0 to 100."""
        with self._more:
            return self._meter.peaks

    def read(self, start_byte: int, end_byte: int, *, timeout_seconds: float = 10.0) -> bytes | None:
        """Bytes from start to end (exclusive), as many as exist, at least one.

        Waits until the first of them exists. b"": there is nothing there and there never will be. None: nothing yet
        within the timeout; ask again.
        """
        deadline = time.monotonic() + timeout_seconds
        end_byte = min(end_byte, self.total_bytes)
        with self._more:
            while start_byte < end_byte and len(self._bytes) <= start_byte and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0 or not self._more.wait(left):
                    return (
                        None
                        if len(self._bytes) <= start_byte and not self._closed
                        else bytes(self._bytes[start_byte:end_byte])
                    )
            return bytes(self._bytes[start_byte:end_byte])

    def wait_closed(self, *, timeout_seconds: float) -> bool:
        """True once the sound is whole or stopped."""
        with self._more:
            return self._more.wait_for(lambda: self._closed, timeout_seconds)

    def clip(self) -> Clip:
        """What exists, as a clip (16-bit precision): the last resort when an engine fails in the middle."""
        with self._more:
            data = bytes(self._bytes[_HEADER_BYTES:])
        frames = np.frombuffer(data, "<i2").reshape(-1, self.channels)
        return Clip(frames.T.astype(np.float32) / 32_767, self.sample_rate_hz)
