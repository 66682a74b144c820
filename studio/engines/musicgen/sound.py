"""A take's sound while its codes are drawn: decoded as they come, told to the listener, kept in one place.

All room is taken at the start, so that memory stays flat however long the take. It can begin with sound that is kept
as it is and goes over into what is decoded. Knows nothing of how codes are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from audio.clip import Clip
from studio.engines.base import Listener
from studio.engines.musicgen import codec

FRAMES_A_CHUNK = 25  # half a second
FRAMES_A_REPORT = 5
WARM_FRAMES = 500  # of codes before, from which the codec's memory is filled
FADE_FRAMES = 8  # kept sound to decoded sound: more than the decoder looks ahead
PIECE_FRAMES = 250


class GrowingTake:
    """The codes and the sound of one take, filled from the left."""

    def __init__(
        self,
        audio_encoder: Any,
        listener: Listener,
        *,
        codebooks: int,
        channels: int,
        sample_rate_hz: int,
        samples: int,
        given: np.ndarray | None = None,
        kept: Clip | None = None,
    ) -> None:
        """given: codes (codebooks, frames) that the take begins with; kept: their sound, of this rate and channels.

        The last 160 ms of the kept sound go over into the decoded, which already hears what follows; all before is
        kept to the bit.
        """
        self._listener, self._rate_hz = listener, sample_rate_hz
        self._codec = codec.StreamingCodec(audio_encoder, channels=channels)
        self.hop = self._codec.hop
        self.frames = -(-samples // self.hop)
        self.tokens = np.zeros((codebooks, self.frames), np.int16)
        self.sound = np.zeros((channels, samples), np.float32)
        self.drawn = self._pushed = self._filled = self._skip = 0
        self._begun_with = 0
        self._fade: np.ndarray | None = None
        listener.started(sample_rate_hz=sample_rate_hz, channels=channels, frames=samples)
        if given is not None and kept is not None and given.shape[1]:
            self._begin_with(given, kept)

    def add(self, frame: np.ndarray) -> None:
        """The next frame's codes (codebooks,); every half second of them becomes sound."""
        self.tokens[:, self.drawn] = frame
        self.drawn += 1
        made, wanted = self.drawn - self._begun_with, self.frames - self._begun_with
        if made % FRAMES_A_REPORT == 0 or made == wanted:
            self._listener.progress("composing", made / wanted)
        if self.drawn - self._pushed == FRAMES_A_CHUNK:
            self._push(last=False)

    def finish(self) -> None:
        """Nothing follows: what is not yet sound becomes it."""
        if self.drawn > self._begun_with:
            self._push(last=True)

    def kept(self) -> tuple[np.ndarray, Clip]:
        """All sound, and the codes (codebooks, frames) that it came from."""
        if self._filled == self.sound.shape[1]:
            return self.tokens, Clip(self.sound, self._rate_hz)
        frames = self._filled // self.hop
        return self.tokens[:, :frames], Clip(self.sound[:, : frames * self.hop], self._rate_hz)

    @property
    def has_grown(self) -> bool:
        """True once there is a frame beside those it began with."""
        return self.drawn > self._begun_with

    def _begin_with(self, given: np.ndarray, kept: Clip) -> None:
        count = given.shape[1]
        self.tokens[:, :count] = given
        self.drawn = self._pushed = self._begun_with = count
        fade = min(FADE_FRAMES, count) * self.hop
        end = count * self.hop
        start = end - fade
        self.sound[:, :start] = kept.samples[:, :start]
        self._fade = kept.samples[:, start:end]
        self._filled = start
        if start:
            self._listener.heard(Clip(self.sound[:, :start], self._rate_hz))
        warm = max(0, count - WARM_FRAMES)
        self._skip = start - warm * self.hop
        self._take_in(self._codec.push(given[:, warm:].astype(np.int64)))

    def _push(self, *, last: bool) -> None:
        fresh = self.tokens[:, self._pushed : self.drawn].astype(np.int64)
        self._pushed = self.drawn
        self._take_in(self._codec.push(fresh, last=last))

    def _take_in(self, decoded: np.ndarray) -> None:
        skipped = min(self._skip, decoded.shape[1])
        self._skip -= skipped
        decoded = safe(decoded[:, skipped : skipped + self.sound.shape[1] - self._filled])
        if not decoded.shape[1]:
            return
        if self._fade is not None:
            decoded = self._faded(decoded)
        end = self._filled + decoded.shape[1]
        self.sound[:, self._filled : end] = decoded
        self._filled = end
        self._listener.heard(Clip(decoded, self._rate_hz))

    def _faded(self, decoded: np.ndarray) -> np.ndarray:
        """The next decoded samples, with what is left of the kept sound going over into them.

        Both are the same music, so their gains add up to one: an equal-power fade would swell.
        """
        if self._fade is None:
            return decoded
        length, left = min(FADE_FRAMES * self.hop, self._begun_with * self.hop), self._fade.shape[1]
        count = min(left, decoded.shape[1])
        done = length - left
        gain = ((done + np.arange(count) + 1) / (length + 1)).astype(np.float32)
        decoded = decoded.copy()
        decoded[:, :count] = self._fade[:, :count] * (1 - gain) + decoded[:, :count] * gain
        self._fade = self._fade[:, count:] if count < left else None
        return decoded


def decoded(audio_encoder: Any, tokens: np.ndarray, *, channels: int) -> np.ndarray:
    """Codes (codebooks, frames) as sound (channels, samples), in pieces: memory does not grow with their number."""
    stream = codec.StreamingCodec(audio_encoder, channels=channels)
    frames = tokens.shape[1]
    sound = np.zeros((channels, frames * stream.hop), np.float32)
    filled = 0
    for piece in _pieces(stream, tokens, frames=frames):
        sound[:, filled : filled + piece.shape[1]] = safe(piece)
        filled += piece.shape[1]
    return sound


def _pieces(stream: codec.StreamingCodec, tokens: np.ndarray, *, frames: int) -> Iterable[np.ndarray]:
    for start in range(0, frames, PIECE_FRAMES):
        end = min(frames, start + PIECE_FRAMES)
        yield stream.push(tokens[:, start:end].astype(np.int64), last=end == frames)


def safe(sound: np.ndarray) -> np.ndarray:
    """No number that is none, nothing beyond full scale; otherwise as the model made it."""
    return np.nan_to_num(sound, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0).astype(np.float32)
