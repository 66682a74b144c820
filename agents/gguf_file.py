"""What a GGUF file says of itself, read without loading it: is it one, is it whole, how much memory will it want.

Follows the format's description in ggml's docs/gguf.md, versions 2 and 3. llama.cpp's own reader tells no reason and
trusts sizes, so a file is looked at here first. Knows nothing of prompts or answers.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.answers import LanguageModelError

# Architectures llama.cpp may load but that do not write text from left to right.
NO_WRITERS = frozenset(
    [
        "bert",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "t5",
        "t5encoder",
        "clip",
        "mmproj",
        "whisper",
        "wavtokenizer-dec",
        "dream",
        "llada",
        "llada-moe",
    ]
)
_WORKING_BYTES = 150_000_000
_MOST_ENTRIES = 1_000_000
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Bytes of a block and numbers in it, by ggml's type.
_BLOCKS = {
    0: (4, 1), 1: (2, 1), 2: (18, 32), 3: (20, 32), 6: (22, 32), 7: (24, 32), 8: (34, 32), 9: (36, 32),
    10: (84, 256), 11: (110, 256), 12: (144, 256), 13: (176, 256), 14: (210, 256), 15: (292, 256), 16: (66, 256),
    17: (74, 256), 18: (98, 256), 19: (50, 256), 20: (18, 32), 21: (110, 256), 22: (82, 256), 23: (136, 256),
    24: (1, 1), 25: (2, 1), 26: (4, 1), 27: (8, 1), 28: (8, 1), 29: (56, 256), 30: (2, 1),
}  # fmt: skip


class BadModelFile(LanguageModelError):
    """A file is no language model that can be used; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The facts of one file. kv_numbers: numbers the cache holds for each token. context_tokens: trained for."""

    path: Path
    name: str
    architecture: str
    size_bytes: int
    layers: int
    context_tokens: int
    kv_numbers: int
    has_chat_template: bool

    def memory_needed_bytes(self, *, context_tokens: int) -> int:
        """Weights, a 16-bit cache of that many tokens, and room to work in."""
        tokens = min(context_tokens, self.context_tokens) if self.context_tokens else context_tokens
        return self.size_bytes + 2 * self.kv_numbers * tokens + _WORKING_BYTES


def inspect(path: Path) -> GgufFile:
    """A file's facts; raises BadModelFile when it is missing, no GGUF, cut short, or no model that writes text."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 24 or file.read(4) != b"GGUF":
                raise BadModelFile(
                    f"{path.name} is not a GGUF file: choose a language model in that format, as llama.cpp uses it."
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                values, end = _Reader(data, path).read()
    except OSError as error:
        raise BadModelFile(f"{path.name} cannot be read ({error.strerror or error}): choose another file.") from error
    if end > size:
        raise BadModelFile(
            f"{path.name} is cut short: {size / 1e6:,.1f} MB are here of {end / 1e6:,.1f} MB. Download it again."
        )
    return _facts(path, values, size)


def _facts(path: Path, values: dict[str, Any], size: int) -> GgufFile:
    architecture = str(values.get("general.architecture") or "")

    def number(key: str, default: int = 0) -> int:
        value = values.get(f"{architecture}.{key}", default)
        return int(value) if isinstance(value, int | float) and 0 <= value < 2**31 else default

    if not architecture or architecture in NO_WRITERS:
        kind = architecture or "nameless"
        raise BadModelFile(f"{path.name} is a {kind} model, which writes no text: choose a chat or instruct model.")
    if values.get("split.count", 1) not in (0, 1):
        raise BadModelFile(f"{path.name} is one part of several: choose a model that comes in one file.")
    if "tokenizer.ggml.tokens" not in values or not values["tensors"] or not number("block_count"):
        raise BadModelFile(f"{path.name} holds no weights or no vocabulary: choose a complete model.")
    heads = max(1, number("attention.head_count", 1))
    width = number("embedding_length")
    key_size = number("attention.key_length", width // heads)
    value_size = number("attention.value_length", width // heads)
    kv_heads = number("attention.head_count_kv", heads) or heads
    return GgufFile(
        path=path,
        name=str(values.get("general.name") or path.stem),
        architecture=architecture,
        size_bytes=size,
        layers=number("block_count"),
        context_tokens=number("context_length"),
        kv_numbers=number("block_count") * kv_heads * (key_size + value_size),
        has_chat_template=bool(values.get("tokenizer.chat_template")),
    )


class _Reader:
    """Walks the header of one mapped file."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data, self._path, self._at = data, path, 4

    def read(self) -> tuple[dict[str, Any], int]:
        """The key-value pairs (long lists only as their length), and where the last tensor ends."""
        try:
            version = self._take("I")
            if version not in (2, 3):
                raise BadModelFile(
                    f"{self._path.name} is in GGUF version {version}; versions 2 and 3 can be read. "
                    "Download a newer copy of the model."
                )
            tensors, pairs = self._take("Q"), self._take("Q")
            if tensors > _MOST_ENTRIES or pairs > _MOST_ENTRIES:
                raise self._damaged()
            values: dict[str, Any] = {"tensors": tensors}
            for _ in range(pairs):
                key = self._text()
                values[key] = self._value(self._take("I"))
            last = max((self._tensor() for _ in range(tensors)), default=0)
        except (struct.error, UnicodeDecodeError, KeyError, OverflowError) as error:
            raise self._damaged() from error
        align = values.get("general.alignment", 32)
        align = align if isinstance(align, int) and 0 < align <= 1 << 20 else 32
        return values, (self._at + align - 1) // align * align + last if tensors else self._at

    def _damaged(self) -> BadModelFile:
        return BadModelFile(f"{self._path.name} is damaged or cut short: download it again.")

    def _take(self, form: str) -> Any:
        value = struct.unpack_from("<" + form, self._data, self._at)[0]
        self._at += struct.calcsize("<" + form)
        return value

    def _text(self) -> str:
        length = self._take("Q")
        if length > len(self._data) - self._at:
            raise self._damaged()
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8", errors="replace")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._take(_SCALARS[kind])
        inner, count = self._take("I"), self._take("Q")
        if count > len(self._data):
            raise self._damaged()
        if inner == _STRING:
            for _ in range(count):
                length = self._take("Q")
                self._at += length
                if self._at > len(self._data):
                    raise self._damaged()
        elif inner == _ARRAY:
            raise self._damaged()
        else:
            self._at += count * struct.calcsize("<" + _SCALARS[inner])
        return count

    def _tensor(self) -> int:
        """One tensor's end, counted from where the tensors begin."""
        self._text()
        numbers = 1
        for _ in range(min(8, self._take("I"))):
            numbers *= self._take("Q")
        size, block = _BLOCKS.get(self._take("I"), (0, 1))
        return self._take("Q") + numbers // block * size
