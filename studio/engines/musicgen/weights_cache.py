"""The decoder's weights in 8 or 4 bits: converted once, kept beside the model, memory-mapped ever after.

One file: the length of a JSON header, the header (what it was made from, where each array lies), then the arrays, in
the order and layout in which `kernel` reads them. Written beside its place and moved in, so that half a file is never
found. Knows nothing of decoding.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 1
ALIGN = 4096
LARGE_PAGE = 1 << 21
BLOCK = GROUP = 64
MATRICES = ("qkv", "out", "cross_q", "cross_kv", "cross_out", "up", "down")
NORMS = ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm")


@dataclass(frozen=True, slots=True)
class Packed:
    """A decoder ready for the kernel: its arrays by name, and what they are.

    Matrices carry two arrays each, "layers.0.qkv" and "layers.0.qkv.scales", and last "heads". "norms" is float32
    (layers + 1, 3, 2, width); "embeddings" float32 (codebooks * codes, width), one codebook after the other.
    """

    arrays: dict[str, np.ndarray]
    bits: int
    layers: int
    width: int
    heads: int
    inner: int
    codebooks: int
    codes: int
    embedded: int  # codes a codebook's embedding has, with the one for silence

    @property
    def weight_bytes(self) -> int:
        """Bytes one step reads, apart from keys and values: all matrices but that of the text."""
        names = [name for name in self.arrays if name not in ("norms", "embeddings") and "cross_kv" not in name]
        return sum(self.arrays[name].nbytes for name in names)


def padded(count: int) -> int:
    """The next multiple of 64, to which all widths are filled with zeros."""
    return -(-count // BLOCK) * BLOCK


def path_of(folder: Path, *, bits: int) -> Path:
    """Where a model's converted weights lie."""
    return folder / f".studio-int{bits}.weights"


def is_kept(path: Path, *, made_from: str) -> bool:
    """True when converted weights lie there, whole, made from weights of that sum."""
    return _header(path, made_from=made_from) is not None


def read(path: Path, *, made_from: str) -> Packed | None:
    """The converted weights if they are there, whole, and made from weights of that sum; else None."""
    header = _header(path, made_from=made_from)
    if header is None:
        return None
    try:
        whole = _in_large_pages(np.memmap(path, np.uint8, mode="r"))
    except (OSError, ValueError):
        return None
    arrays = {}
    for name, (kind, shape, offset) in header["arrays"].items():
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        arrays[name] = whole[offset : offset + size].view(kind).reshape(shape)
    return Packed(arrays=arrays, **header["sizes"])


def rounded(decoder: Any, *, bits: int, progress: Callable[[float], None] = lambda fraction: None) -> Packed:
    """A transformers decoder's weights, rounded to that many bits, in memory."""
    arrays: dict[str, np.ndarray] = {}
    sizes = _sizes(decoder, bits=bits)
    for done, part in enumerate(_parts(decoder, bits=bits)):
        arrays |= _together(part)
        progress((done + 1) / (sizes["layers"] + 2))
    return Packed(arrays=arrays, **sizes)


def convert(
    decoder: Any, path: Path, *, bits: int, made_from: str, progress: Callable[[float], None] = lambda fraction: None
) -> Packed:
    """The same, kept at `path`; where the folder cannot be written to, in memory alone."""
    packed = rounded(decoder, bits=bits, progress=progress)
    try:
        _write(packed, path, made_from=made_from, sizes=_sizes(decoder, bits=bits))
    except OSError:
        return packed
    return read(path, made_from=made_from) or packed


def round_to_8_bits(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (outputs, inputs) as bytes offset by 128 (outputs / 64, inputs / 4, 64, 4), and scales (outputs,)."""
    filled = _filled(weight)
    outputs, inputs = filled.shape
    scales = np.abs(filled).max(axis=1) / 127
    rounded = np.rint(filled / np.where(scales > 0, scales, 1)[:, None])
    shaped = (rounded + 128).astype(np.uint8).reshape(outputs // BLOCK, BLOCK, inputs // 4, 4)
    return np.ascontiguousarray(shaped.transpose(0, 2, 1, 3)), scales.astype(np.float32)


def round_to_4_bits(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as halves of bytes offset by 8 (outputs / 64, inputs / 8, 64, 4), scales (outputs / 64, groups, 64).

    Of 8 neighbouring inputs the first four lie in the low halves. In each group the number farthest from zero takes
    the end of the range, -8, so that all 16 steps are used.
    """
    filled = _filled(weight)
    outputs, inputs = filled.shape
    grouped = filled.reshape(outputs, inputs // GROUP, GROUP)
    farthest = np.take_along_axis(grouped, np.abs(grouped).argmax(axis=-1)[..., None], axis=-1)
    scales = farthest / -8
    rounded = np.clip(np.rint(grouped / np.where(scales == 0, 1, scales)), -8, 7) + 8
    shaped = rounded.astype(np.uint8).reshape(outputs // BLOCK, BLOCK, inputs // 8, 2, 4)
    packed = np.ascontiguousarray((shaped[..., 0, :] | shaped[..., 1, :] << 4).transpose(0, 2, 1, 3))
    by_block = scales[..., 0].reshape(outputs // BLOCK, BLOCK, inputs // GROUP).transpose(0, 2, 1)
    return packed, np.ascontiguousarray(by_block, dtype=np.float32)


def _filled(weight: np.ndarray) -> np.ndarray:
    outputs, inputs = weight.shape
    filled = np.zeros((padded(outputs), padded(inputs)), np.float32)
    filled[:outputs, :inputs] = weight
    return filled


def _sizes(decoder: Any, *, bits: int) -> dict[str, int]:
    config = decoder.config
    return {
        "bits": bits,
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "heads": config.num_attention_heads,
        "inner": config.ffn_dim,
        "codebooks": config.num_codebooks,
        "codes": config.vocab_size,
        "embedded": decoder.model.decoder.embed_tokens[0].weight.shape[0],
    }


def _parts(decoder: Any, *, bits: int) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of each layer, then the heads, then all that stays float32."""
    rounding = round_to_8_bits if bits == 8 else round_to_4_bits
    stack = decoder.model.decoder
    norms = np.zeros((len(stack.layers) + 1, len(NORMS), 2, decoder.config.hidden_size), np.float32)
    for place, layer in enumerate(stack.layers):
        part = {}
        for name, weights in _matrices(layer).items():
            joined = np.concatenate([_numbers(weight) for weight in weights])
            part[f"layers.{place}.{name}"], part[f"layers.{place}.{name}.scales"] = rounding(joined)
        yield part
        for row, norm in enumerate(NORMS):
            if hasattr(layer, norm):
                norms[place, row] = _numbers(getattr(layer, norm).weight), _numbers(getattr(layer, norm).bias)
    heads = np.concatenate([_numbers(head.weight) for head in decoder.lm_heads])
    packed, scales = rounding(heads)
    yield {"heads": packed, "heads.scales": scales}
    norms[-1, 0] = _numbers(stack.layer_norm.weight), _numbers(stack.layer_norm.bias)
    yield {"norms": norms, "embeddings": np.concatenate([_numbers(each.weight) for each in stack.embed_tokens])}


def _matrices(layer: Any) -> dict[str, list[Any]]:
    """A layer's matrices under the kernel's names; a melody model's have no cross-attention."""
    own, text = layer.self_attn, getattr(layer, "encoder_attn", None)
    found = {"qkv": [own.q_proj.weight, own.k_proj.weight, own.v_proj.weight], "out": [own.out_proj.weight]}
    if text is not None:
        found |= {
            "cross_q": [text.q_proj.weight],
            "cross_kv": [text.k_proj.weight, text.v_proj.weight],
            "cross_out": [text.out_proj.weight],
        }
    return found | {"up": [layer.fc1.weight], "down": [layer.fc2.weight]}


def _numbers(weight: Any) -> np.ndarray:
    return np.asarray(weight.detach().float().cpu().numpy())


def _header(path: Path, *, made_from: str) -> dict[str, Any] | None:
    """What the file says of itself, if it is of this version, whole, and made from weights of that sum."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 0 < length < 1 << 24 else None
        if not isinstance(header, dict) or header.get("version") != VERSION or header.get("made_from") != made_from:
            return None
        return header if path.stat().st_size == header["size"] else None
    except (OSError, ValueError, KeyError):
        return None


def _write(packed: Packed, path: Path, *, made_from: str, sizes: dict[str, int]) -> None:
    places: dict[str, tuple[str, list[int], int]] = {}
    offset = 0
    for name, array in packed.arrays.items():
        places[name] = (array.dtype.str, list(array.shape), offset)
        offset += _room(array.nbytes)
    header: dict[str, Any] = {"version": VERSION, "made_from": made_from, "sizes": sizes, "size": 0, "arrays": places}
    start = ALIGN * (2 + len(json.dumps(header)) // ALIGN)
    header["size"] = start + offset
    header["arrays"] = {name: [kind, shape, start + place] for name, (kind, shape, place) in places.items()}
    head = json.dumps(header).encode()
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for name, array in packed.arrays.items():
                file.seek(header["arrays"][name][2])
                file.write(array.data)
            file.truncate(header["size"])
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _in_large_pages(mapped: np.ndarray) -> np.ndarray:
    """The mapped file itself, or on Linux a copy in pages of 2 MB, which a pass over all weights reads faster."""
    memory = _large_pages(mapped.size)
    if memory is None:
        return mapped
    memory[: mapped.size] = mapped
    return memory


def _together(part: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same arrays side by side in large pages, where there are such."""
    memory = _large_pages(sum(_room(array.nbytes) for array in part.values()))
    if memory is None:
        return part
    moved, offset = {}, 0
    for name, array in part.items():
        moved[name] = memory[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)
        moved[name][...] = array
        offset += _room(array.nbytes)
    return moved


def _large_pages(size: int) -> np.ndarray | None:
    """Empty memory in pages of 2 MB, or None where there are none such or the size is not worth one.

    Private: Linux gives memory that programs could share small pages, whatever it is advised, and a pass over all
    weights then takes half as long again.
    """
    if sys.platform != "linux" or size < LARGE_PAGE:
        return None
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
    except (OSError, ValueError, AttributeError):
        return None
    return np.frombuffer(memory, np.uint8)


def _room(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
