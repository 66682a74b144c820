"""Sounds that requests name: hummed, uploaded or out of a take, kept under what they are.

“sound:…” and “midi:…” carry a hash of their content, so that a take that followed one can be made again; “take:…” is a
take's mix. Knows nothing of what is done with them, or of whose they are.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from audio.clip import Clip
from audio.io import AudioError, decode, encode, read_clip, written_whole
from studio.engines.base import EngineError
from studio.takes import TakeError, TakeStore

MAX_SECONDS = 600.0
MAX_MIDI_BYTES = 4_000_000
_NAME = re.compile(r"(sound|midi):([0-9a-f]{64})")


class SoundStore:
    """The kept sounds of one data folder."""

    def __init__(self, folder: Path, *, takes_dir: Path, bin_dir: Path) -> None:
        self._folder = folder
        self._takes_dir, self._bin_dir = takes_dir, bin_dir

    def keep(self, clip: Clip) -> str:
        """Keep a clip as it is; returns its name. The same clip has the same name. Raises EngineError."""
        if clip.frames == 0 or clip.seconds > MAX_SECONDS:
            raise EngineError(f"The sound lasts {clip.seconds:.0f} s: choose one of up to {MAX_SECONDS:.0f} s.")
        return self._put("sound", encode(clip, format="wav32f"))

    def keep_file(self, data: bytes, *, name: str = "the file") -> str:
        """Keep an uploaded sound or MIDI file; returns its name. Raises EngineError when it is neither."""
        if data[:4] == b"MThd":
            if len(data) > MAX_MIDI_BYTES:
                raise EngineError(f"“{name}” is too large for a MIDI file: choose a smaller one.")
            return self._put("midi", data)
        try:
            return self.keep(decode(data, name=name, max_seconds=MAX_SECONDS))
        except AudioError as error:
            raise EngineError(str(error)) from error

    def get(self, name: str) -> Clip | bytes:
        """A clip, or a MIDI file's bytes. Raises EngineError for what is not here."""
        if name.startswith("take:"):
            return self._take(name.removeprefix("take:"))
        match = _NAME.fullmatch(name)
        path = self._folder / f"{match[2]}.{'mid' if match[1] == 'midi' else 'wav'}" if match else None
        if path is None or not path.is_file():
            raise EngineError("The sound to follow is not here any more: choose or record it again.")
        try:
            return path.read_bytes() if path.suffix == ".mid" else read_clip(path)
        except (OSError, AudioError) as error:
            raise EngineError(f"The sound to follow cannot be read: choose or record it again ({error}).") from error

    def _take(self, take_id: str) -> Clip:
        try:
            return read_clip(TakeStore(self._takes_dir, self._bin_dir).audio_path(take_id))
        except (TakeError, AudioError) as error:
            raise EngineError(f"The take to follow cannot be read: {error}") from error

    def _put(self, kind: str, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self._folder / f"{digest}.{'mid' if kind == 'midi' else 'wav'}"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with written_whole(path) as draft:
                    draft.write_bytes(data)
            except OSError as error:
                raise EngineError(f"The sound could not be kept: {error.strerror or error}. Make room.") from error
        return f"{kind}:{digest}"
