"""What goes through the pipe: frames of a JSON message and raw bytes, each with its length before it.

A frame is the mark “MGS1”, the message's length (4 bytes) and the payload's (8 bytes), little-endian, then both. Sound
is float32, little-endian, channel after channel. Runs in the worker's environment too: standard library and NumPy only.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np

MARK = b"MGS1"
HEAD = struct.Struct("<4sIQ")
MAX_MESSAGE_BYTES = 1_000_000
MAX_PAYLOAD_BYTES = 600_000_000
MAX_CHANNELS = 8


class ProtocolError(Exception):
    """What came through the pipe is no frame."""


def write(stream: BinaryIO, message: dict[str, Any], payload: bytes = b"") -> None:
    """Send one frame; raises OSError when nobody listens, ProtocolError for a frame that is too large."""
    text = json.dumps(message).encode()
    if len(text) > MAX_MESSAGE_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise ProtocolError("a frame is too large to send")
    stream.write(HEAD.pack(MARK, len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def read(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, or None at the end of the stream; raises ProtocolError for anything else."""
    head = _exactly(stream, HEAD.size, may_end=True)
    if head is None:
        return None
    mark, message_bytes, payload_bytes = HEAD.unpack(head)
    if mark != MARK or message_bytes > MAX_MESSAGE_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise ProtocolError(f"no frame begins with {head[:12]!r}")
    text = _exactly(stream, message_bytes) or b""
    payload = _exactly(stream, payload_bytes) or b""
    try:
        message = json.loads(text)
    except ValueError as error:
        raise ProtocolError("a message is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise ProtocolError("a message does not say its kind")
    return message, payload


def sound_message(samples: np.ndarray, sample_rate_hz: int) -> tuple[dict[str, Any], bytes]:
    """Sound (channels, frames) as a message and its payload."""
    samples = np.atleast_2d(samples).astype("<f4")
    shape = {"channels": samples.shape[0], "frames": samples.shape[1], "sample_rate_hz": int(sample_rate_hz)}
    return {"kind": "sound", **shape}, samples.tobytes()


def sound_of(message: dict[str, Any], payload: bytes) -> tuple[np.ndarray, int]:
    """The sound of a message, float32 (channels, frames), and its rate; raises ProtocolError when they do not agree."""
    try:
        channels, frames, rate = (int(message[name]) for name in ("channels", "frames", "sample_rate_hz"))
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError("a sound does not say its shape") from error
    if not 1 <= channels <= MAX_CHANNELS or frames < 0 or not 1_000 <= rate <= 400_000:
        raise ProtocolError(f"no sound has {channels} channels of {frames} frames at {rate} Hz")
    if len(payload) != 4 * channels * frames:
        raise ProtocolError("a sound is not as long as it says")
    samples = np.frombuffer(payload, "<f4").reshape(channels, frames).astype(np.float32)
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), rate


def _exactly(stream: BinaryIO, count: int, *, may_end: bool = False) -> bytes | None:
    """So many bytes; None when the stream ends before the first and may."""
    pieces, missing = [], count
    while missing:
        piece = stream.read(missing)
        if not piece:
            if may_end and missing == count:
                return None
            raise ProtocolError("the stream ended within a frame")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
