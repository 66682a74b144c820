"""Sound files in and out: reading any usual file into a Clip, writing a Clip whole or not at all.

Integer formats get triangular (TPDF) dither of two least bits peak to peak (Lipshitz, Wannamaker and Vanderkooy,
"Quantization and Dither", JAES 1992), and only on samples whose bits are really dropped; digital silence stays silent. The
dither is seeded, so the same clip gives the same bytes. Knows nothing of takes, and of tags only that
`audio.tags` writes them.
"""

from __future__ import annotations

import io
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from audio.clip import Clip

if TYPE_CHECKING:
    import soundfile

    from audio.tags import Tags

_BLOCK_FRAMES = 65_536  # libsndfile's Vorbis encoder overflows its stack on much larger writes
_MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_INT16 = 32_767


class AudioError(Exception):
    """A sound file could not be read or written; the message is a sentence for the user."""


class AudioUnreadable(AudioError):
    """The file is no sound this studio reads, or it is damaged."""


class AudioUnwritable(AudioError):
    """The clip cannot be written in that format, or not to that place."""


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """How a clip is stored. bits: 16 or 24 for integer formats, 0 where the encoder takes floats."""

    name: str
    label: str
    suffix: str
    media_type: str
    container: str
    subtype: str
    bits: int = 0
    bitrate_mode: str | None = None
    compression_level: float | None = None

    @property
    def tagging(self) -> str:
        """How tags are written: by the container, but OGG's comments lie elsewhere under Opus."""
        return "OPUS" if self.subtype == "OPUS" else self.container


FORMATS: dict[str, SoundFormat] = {
    each.name: each
    for each in (
        SoundFormat("wav16", "WAV, 16 bit", ".wav", "audio/wav", "WAV", "PCM_16", bits=16),
        SoundFormat("wav24", "WAV, 24 bit", ".wav", "audio/wav", "WAV", "PCM_24", bits=24),
        SoundFormat("wav32f", "WAV, 32 bit float", ".wav", "audio/wav", "WAV", "FLOAT"),
        SoundFormat("flac", "FLAC, 24 bit", ".flac", "audio/flac", "FLAC", "PCM_24", bits=24),
        SoundFormat("flac16", "FLAC, 16 bit", ".flac", "audio/flac", "FLAC", "PCM_16", bits=16),
        SoundFormat(
            "mp3", "MP3, 320 kbit/s", ".mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III",
            bitrate_mode="CONSTANT", compression_level=0.0,
        ),
        SoundFormat(
            "mp3vbr", "MP3, variable rate", ".mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III",
            bitrate_mode="VARIABLE", compression_level=0.2,
        ),
        SoundFormat(
            "mp3-192", "MP3, 192 kbit/s", ".mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III",
            bitrate_mode="CONSTANT", compression_level=0.44,
        ),
        SoundFormat("ogg", "OGG Vorbis", ".ogg", "audio/ogg", "OGG", "VORBIS", compression_level=0.3),
        SoundFormat("opus", "OGG Opus", ".opus", "audio/ogg", "OGG", "OPUS", compression_level=0.7),
    )
}  # fmt: skip
# What a file's ending stands for when nothing more is said.
FORMAT_OF_SUFFIX = {".wav": "wav24", ".flac": "flac", ".mp3": "mp3", ".ogg": "ogg", ".opus": "opus"}


def format_of(name: str | Path) -> SoundFormat:
    """The format of a name ("wav16") or of a file's ending ("rain.flac").

    Raises AudioUnwritable, naming the endings that work.
    """
    key = FORMAT_OF_SUFFIX.get(Path(name).suffix.lower(), str(name))
    if key not in FORMATS:
        endings = ", ".join(FORMAT_OF_SUFFIX)
        raise AudioUnwritable(f"“{Path(name).name}” is not a sound format this studio writes. Use one of {endings}.")
    return FORMATS[key]


# ---------------------------------------------------------------------------------------------------- reading


def read_clip(path: Path, *, max_seconds: float | None = None) -> Clip:
    """The whole file as a clip at its own rate. Raises AudioUnreadable, also for a truncated FLAC."""
    try:
        with Path(path).open("rb") as file:
            return decode(file, name=Path(path).name, max_seconds=max_seconds)
    except OSError as error:
        raise AudioUnreadable(f"“{Path(path).name}” could not be opened: {error.strerror or error}.") from error


def decode(source: bytes | BinaryIO, *, name: str = "the file", max_seconds: float | None = None) -> Clip:
    """Sound out of bytes or an open file. Raises AudioUnreadable when it is none, is damaged or is too long."""
    import soundfile

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        file = soundfile.SoundFile(stream)
    except soundfile.LibsndfileError as error:
        clip = _decode_with_pedalboard(stream, name=name, max_seconds=max_seconds, cause=error)
    else:
        with file:
            _check_length(file.frames / file.samplerate, name=name, max_seconds=max_seconds)
            clip = _read_all(file, name=name)
    if not np.isfinite(clip.samples).all():
        raise AudioUnreadable(f"“{name}” holds samples that are no numbers; it is damaged. Fetch or export it again.")
    return clip


def _read_all(file: soundfile.SoundFile, *, name: str) -> Clip:
    import soundfile

    damaged = AudioUnreadable(f"“{name}” ends in the middle or is damaged. Fetch or export it again.")
    try:
        samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise damaged from error
    if file.format in ("FLAC", "WAV") and len(samples) != file.frames:
        raise damaged
    return Clip(np.ascontiguousarray(samples.T), file.samplerate)


def _decode_with_pedalboard(stream: BinaryIO, *, name: str, max_seconds: float | None, cause: Exception) -> Clip:
    """What libsndfile does not know (AIFF-C, M4A and WMA where the system can) goes to pedalboard."""
    from pedalboard.io import AudioFile

    try:
        stream.seek(0)
        with AudioFile(stream) as file:
            _check_length(file.frames / file.samplerate, name=name, max_seconds=max_seconds)
            return Clip(file.read(file.frames), int(file.samplerate))
    except (ValueError, RuntimeError, OSError) as error:
        raise AudioUnreadable(
            f"“{name}” is not a sound file this studio reads, or it is damaged. Use WAV, FLAC, MP3, OGG or AIFF."
        ) from (error if isinstance(error, OSError) else cause)


def _check_length(seconds: float, *, name: str, max_seconds: float | None) -> None:
    if max_seconds is not None and seconds > max_seconds:
        raise AudioUnreadable(
            f"“{name}” lasts {seconds:.0f} s; at most {max_seconds:.0f} s are read here. Cut it first."
        )


# ---------------------------------------------------------------------------------------------------- writing


def encode(clip: Clip, *, format: str = "flac", tags: Tags | None = None) -> bytes:
    """The clip as a file's bytes. Raises AudioUnwritable."""
    chosen = format_of(format)
    buffer = io.BytesIO()
    _encode_into(buffer, clip, chosen)
    if tags is not None:
        from audio.tags import write_tags

        write_tags(buffer, tags, container=chosen.tagging)
    return buffer.getvalue()


def write_clip(path: Path, clip: Clip, *, format: str | None = None, tags: Tags | None = None) -> Path:
    """Write the clip to the path, whole or not at all; the format follows the ending unless named.

    Encoded in memory first: libsndfile hides some refusals of a full disk, Python's own writing hides none.
    Raises AudioUnwritable when the format is unknown, OSError when the disk refuses (full, read-only).
    """
    data = encode(clip, format=format_of(format or path).name, tags=tags)
    with written_whole(path) as part:
        part.write_bytes(data)
    return path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; moved in when the block ends well, removed when it does not."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}.part")
    try:
        yield part
        flush_to_disk(part)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def flush_to_disk(path: Path) -> None:
    """Make sure a written file, or a folder's list of names, survives a power cut."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder to flush it; its journal keeps renames in order
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode_into(buffer: io.BytesIO, clip: Clip, chosen: SoundFormat) -> None:
    import soundfile

    if chosen.container == "MP3" and (clip.sample_rate_hz not in _MP3_RATES_HZ or clip.channels > 2):
        raise AudioUnwritable(
            f"MP3 holds no {clip.channels} channels at {clip.sample_rate_hz} Hz. Use FLAC or WAV, or convert to 48000 Hz."
        )
    if chosen.subtype == "OPUS":
        clip = _at_an_opus_rate(clip)
    options: dict[str, Any] = {"compression_level": chosen.compression_level, "bitrate_mode": chosen.bitrate_mode}
    options = {name: value for name, value in options.items() if value is not None}
    try:
        with soundfile.SoundFile(
            buffer, "w", clip.sample_rate_hz, clip.channels, chosen.subtype, format=chosen.container, **options
        ) as file:
            for block in _blocks(clip, bits=chosen.bits):
                file.write(block)
    except soundfile.LibsndfileError as error:
        raise AudioUnwritable(f"The sound could not be encoded as {chosen.label}: {error}") from error


def _at_an_opus_rate(clip: Clip) -> Clip:
    """Opus knows five rates; any other is brought to 48 kHz."""
    if clip.sample_rate_hz in _OPUS_RATES_HZ:
        return clip
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(48_000, clip.sample_rate_hz)
    made = resample_poly(clip.samples, 48_000 // common, clip.sample_rate_hz // common, axis=1)
    return Clip(made, 48_000)


def _blocks(clip: Clip, *, bits: int) -> Iterator[np.ndarray]:
    """The clip in blocks of (frames, channels): float32 when bits is 0, else integers as libsndfile wants them."""
    noise = np.random.default_rng(20_240_229)
    for start in range(0, clip.frames, _BLOCK_FRAMES):
        block = clip.samples[:, start : start + _BLOCK_FRAMES].T
        if bits == 0:
            yield np.ascontiguousarray(block)
            continue
        if not np.isfinite(block).all():
            raise AudioUnwritable("The sound holds samples that are no numbers, so it cannot be written.")
        yield _quantised(block, bits=bits, noise=noise)


def _quantised(block: np.ndarray, *, bits: int, noise: np.random.Generator) -> np.ndarray:
    """Integers of the given width, with triangular dither of ±1 step where bits are dropped.

    A sample that lies on a step already (silence, sound out of a file of that width) stays as it is, so that what an
    edit leaves alone is the same to the bit in the new file.
    """
    full = 2 ** (bits - 1)
    scaled = block.astype(np.float64) * full
    triangular = noise.random(block.shape) - noise.random(block.shape)
    scaled += np.where(scaled == np.rint(scaled), 0.0, triangular)
    steps = np.clip(np.rint(scaled), -full, full - 1).astype(np.int32)
    return steps.astype(np.int16) if bits == 16 else steps << (32 - bits)


# ------------------------------------------------------------------------------------------------- live sound


def to_int16(clip: Clip) -> np.ndarray:
    """Interleaved int16, shape (frames, channels), little-endian: for playing while it is made, undithered."""
    return np.rint(np.clip(clip.samples.T, -1.0, 1.0) * _INT16).astype("<i2")


def live_wav_header(*, frames: int, sample_rate_hz: int, channels: int) -> bytes:
    """The 44 bytes before `frames` frames of int16, so that a browser can play a WAV that is still being made."""
    data_bytes = frames * channels * 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", 16, 1, channels, sample_rate_hz,
        sample_rate_hz * channels * 2, channels * 2, 16, b"data", data_bytes,
    )  # fmt: skip
