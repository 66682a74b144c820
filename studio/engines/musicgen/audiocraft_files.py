"""AudioCraft's own checkpoints (state_dict.bin, compression_state_dict.bin) rewritten in transformers' layout.

The same weights under other names: queries, keys and values lie in one matrix, and the layers are called as torch's
TransformerEncoder calls them (audiocraft 1.3, models/lm.py and modules/). The words' encoder, T5, is not in these files
and is taken from a MusicGen model that is here already; so is the codec where the file but names the published one.
Files are opened as data only: nothing in them is run. Knows nothing of the catalogue.
"""

from __future__ import annotations

import json
import pickle
import re
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.engines.base import EngineError
from studio.engines.musicgen.checkpoint import TOKENIZER_FILES, Checkpoint
from studio.engines.musicgen.chroma import HOP

if TYPE_CHECKING:
    import torch

LANGUAGE, CODEC = "state_dict.bin", "compression_state_dict.bin"
SAMPLE_RATE_HZ = 32_000
INSTEAD = "install AudioCraft in the model list and play it there"
_SIDE_FILES = (*TOKENIZER_FILES, "tokenizer_config.json", "special_tokens_map.json")
_LAYER_NAMES = {
    "norm1": "self_attn_layer_norm", "norm_cross": "encoder_attn_layer_norm", "norm2": "final_layer_norm",
    "linear1": "fc1", "linear2": "fc2",
}  # fmt: skip
_ATTENTIONS = {"self_attn": "self_attn", "cross_attention": "encoder_attn"}
_CONDITIONER = "condition_provider.conditioners."
_PROJECTIONS = {"description": "enc_to_dec_proj", "self_wav": "audio_enc_to_dec_proj"}
_PROJECTED = re.compile(re.escape(_CONDITIONER) + r"(\w+)\.output_proj\.(weight|bias)")
_COMPUTED = (f"{_CONDITIONER}self_wav.chroma.",)


def is_audiocraft(folder: Path) -> bool:
    """True for a folder with a checkpoint of AudioCraft's, and none of transformers'."""
    return (folder / LANGUAGE).is_file() and not (folder / "config.json").is_file()


def convert(
    source: Path,
    target: Path,
    *,
    donors: Iterable[Checkpoint],
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
) -> Path:
    """Write AudioCraft's checkpoint as a folder that transformers reads, whole or not at all; returns the folder.

    donors: MusicGen models on this machine, whose T5 (and codec) may be used. Raises EngineError when the checkpoint
    is none of MusicGen's, is damaged, or no donor fits.
    """
    progress("reading", 0.0)
    package = _open(source / LANGUAGE)
    settings = _Settings(package)
    _check_kind(settings, source.name)
    weights = dict(_language_weights(package["best_state"], source.name))
    is_melodic = "audio_enc_to_dec_proj.weight" in weights
    donor = _donor(donors, width=int(weights["enc_to_dec_proj.weight"].shape[1]), name=source.name)
    borrowed = _borrow(donor, ("text_encoder.",))
    codec_config, codec_weights = _codec(source, donor)
    weights |= borrowed | codec_weights
    progress("checking", 0.5)
    config = _config(settings, weights, codec_config, donor, is_melodic=is_melodic)
    _check_whole(config, weights, is_melodic=is_melodic, name=source.name)
    progress("writing", 0.6)
    _write(target, config, weights, donor.folder, is_melodic=is_melodic)
    progress("writing", 1.0)
    return target


class _Settings:
    """The experiment's settings as YAML, with references like ${channels} followed."""

    def __init__(self, package: dict[str, Any]) -> None:
        import yaml

        written = package.get("xp.cfg")
        try:
            self._tree = yaml.safe_load(written) if isinstance(written, str) else written
        except yaml.YAMLError:
            self._tree = None
        if not isinstance(self._tree, dict):
            self._tree = {}

    def get(self, path: str, default: Any = None) -> Any:
        """The value at "seanet.n_filters"; the default where it is absent."""
        value: Any = self._tree
        for part in path.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        reference = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
        return self.get(reference[1], default) if reference and reference[1] != path else value


def _open(path: Path) -> dict[str, Any]:
    import torch

    try:
        package = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise EngineError(f"{path.name} is missing from “{path.parent.name}”: fetch the whole model again.") from None
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise EngineError(
            f"{path.name} in “{path.parent.name}” is damaged, or holds more than weights: export it with AudioCraft's "
            "export_lm and export_pretrained_compression_model."
        ) from error
    if not isinstance(package, dict) or not ("best_state" in package or "pretrained" in package):
        raise EngineError(f"{path.name} in “{path.parent.name}” is no checkpoint that AudioCraft exported.")
    return package


def _check_kind(settings: _Settings, name: str) -> None:
    """MAGNeT, AudioGen and others are kept in the same files."""
    kind, rate_hz = settings.get("lm_model", "transformer_lm"), settings.get("sample_rate", SAMPLE_RATE_HZ)
    if kind != "transformer_lm":
        raise EngineError(f"“{name}” is not MusicGen but a model of the kind {kind}: {INSTEAD}.")
    if rate_hz != SAMPLE_RATE_HZ:
        raise EngineError(f"“{name}” makes sound at {rate_hz} Hz, so it is AudioGen or another model: {INSTEAD}.")


def _language_weights(state: dict[str, torch.Tensor], folder: str) -> Iterable[tuple[str, torch.Tensor]]:
    """Each weight of the language model under transformers' name."""
    for name, weight in state.items():
        if name.startswith(_COMPUTED):
            continue
        place, _, rest = name.partition(".")
        if place == "emb":
            yield f"decoder.model.decoder.embed_tokens.{rest}", weight
        elif place == "linears" and rest.endswith("weight"):
            yield f"decoder.lm_heads.{rest}", weight
        elif place == "out_norm":
            yield f"decoder.model.decoder.layer_norm.{rest}", weight
        elif layer := re.fullmatch(r"layers\.(\d+)\.(\w+)\.(.+)", rest if place == "transformer" else ""):
            yield from _layer_weights(f"decoder.model.decoder.layers.{layer[1]}", layer[2], layer[3], weight, folder)
        elif (found := _PROJECTED.fullmatch(name)) and found[1] in _PROJECTIONS:
            yield f"{_PROJECTIONS[found[1]]}.{found[2]}", weight
        else:
            raise _unknown(name, folder)


def _layer_weights(
    layer: str, module: str, rest: str, weight: torch.Tensor, folder: str
) -> Iterable[tuple[str, torch.Tensor]]:
    rest = rest.removeprefix("mha.")
    if module in _ATTENTIONS and rest == "in_proj_weight":
        for part, third in zip("qkv", weight.chunk(3), strict=True):
            yield f"{layer}.{_ATTENTIONS[module]}.{part}_proj.weight", third
    elif module in _ATTENTIONS and rest == "out_proj.weight":
        yield f"{layer}.{_ATTENTIONS[module]}.out_proj.weight", weight
    elif module in _LAYER_NAMES and (rest == "weight" or (rest == "bias" and "norm" in module)):
        yield f"{layer}.{_LAYER_NAMES[module]}.{rest}", weight
    else:
        raise _unknown(f"{module}.{rest}", folder)


def _unknown(name: str, folder: str) -> EngineError:
    return EngineError(f"“{folder}” holds a part that MusicGen does not have ({name}): {INSTEAD}.")


def _donor(donors: Iterable[Checkpoint], *, width: int, name: str) -> Checkpoint:
    """A model whose T5 is as wide as the checkpoint expects, smallest first."""
    for donor in sorted(donors, key=lambda each: each.parameters):
        config = json.loads((donor.folder / "config.json").read_text(encoding="utf-8"))
        if config["text_encoder"].get("d_model") == width and donor.weight_files[0].suffix == ".safetensors":
            return donor
    raise EngineError(
        f"“{name}” comes without the encoder that reads the prompt (T5). It is in every MusicGen model: download "
        "MusicGen small, then add this one again."
    )


def _borrow(donor: Checkpoint, beginnings: tuple[str, ...]) -> dict[str, torch.Tensor]:
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    for path in donor.weight_files:
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys() if name.startswith(beginnings)}  # noqa: SIM118
    return found


def _codec(source: Path, donor: Checkpoint) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The codec's settings and weights: the checkpoint's own, or the donor's where it but names the published one."""
    package = _open(source / CODEC)
    if "pretrained" in package:
        if "encodec_32khz" not in str(package["pretrained"]):
            raise EngineError(f"“{source.name}” needs the codec {package['pretrained']}: {INSTEAD}.")
        config = json.loads((donor.folder / "config.json").read_text(encoding="utf-8"))["audio_encoder"]
        return config, _borrow(donor, ("audio_encoder.",))
    weights = dict(_codec_weights(package["best_state"], source.name))
    return _codec_config(_Settings(package), weights), weights


def _codec_weights(state: dict[str, torch.Tensor], folder: str) -> Iterable[tuple[str, torch.Tensor]]:
    convolution = re.compile(
        r"(encoder|decoder)\.model\.(\d+)\.(block\.\d+\.|shortcut\.)?(?:conv\.conv|convtr\.convtr)\.(.+)"
    )
    memory = re.compile(r"(encoder|decoder)\.model\.(\d+)\.lstm\.(\w+)")
    codebook = re.compile(r"quantizer\.vq\.layers\.(\d+)\._codebook\.(\w+)")
    for name, weight in state.items():
        if found := convolution.fullmatch(name):
            yield f"audio_encoder.{found[1]}.layers.{found[2]}.{found[3] or ''}conv.{found[4]}", weight
        elif found := memory.fullmatch(name):
            yield f"audio_encoder.{found[1]}.layers.{found[2]}.lstm.{found[3]}", weight
        elif found := codebook.fullmatch(name):
            yield f"audio_encoder.quantizer.layers.{found[1]}.codebook.{found[2]}", weight
        else:
            raise _unknown(name, folder)


def _codec_config(settings: _Settings, weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    seanet = {name: settings.get(f"seanet.{name}", default) for name, default in (
        ("n_filters", 64), ("n_residual_layers", 1), ("ratios", [8, 5, 4, 4]), ("norm", "weight_norm"),
        ("kernel_size", 7), ("last_kernel_size", 7), ("residual_kernel_size", 3), ("dilation_base", 2),
        ("pad_mode", "reflect"), ("compress", 2), ("lstm", 2), ("true_skip", True),
    )}  # fmt: skip
    codes, width = weights["audio_encoder.quantizer.layers.0.codebook.embed"].shape
    books = sum(name.endswith("codebook.embed") for name in weights)
    rate_hz = settings.get("sample_rate", SAMPLE_RATE_HZ)
    hop = 1
    for ratio in seanet["ratios"]:
        hop *= ratio
    return {
        "model_type": "encodec",
        "target_bandwidths": [round(books * (int(codes).bit_length() - 1) * rate_hz / hop / 1000, 3)],
        "sampling_rate": rate_hz,
        "audio_channels": 1,
        "normalize": bool(settings.get("encodec.renormalize", False)),
        "chunk_length_s": None,
        "overlap": None,
        "hidden_size": width,
        "codebook_dim": width,
        "codebook_size": codes,
        "num_filters": seanet["n_filters"],
        "num_residual_layers": seanet["n_residual_layers"],
        "upsampling_ratios": seanet["ratios"],
        "norm_type": seanet["norm"],
        "kernel_size": seanet["kernel_size"],
        "last_kernel_size": seanet["last_kernel_size"],
        "residual_kernel_size": seanet["residual_kernel_size"],
        "dilation_growth_rate": seanet["dilation_base"],
        "use_causal_conv": bool(settings.get("encodec.causal", False)),
        "pad_mode": seanet["pad_mode"],
        "compress": seanet["compress"],
        "num_lstm_layers": seanet["lstm"],
        "trim_right_ratio": 1.0,
        "use_conv_shortcut": not seanet["true_skip"],
    }


def _config(
    settings: _Settings,
    weights: dict[str, torch.Tensor],
    codec: dict[str, Any],
    donor: Checkpoint,
    *,
    is_melodic: bool,
) -> Any:
    """transformers' settings, read off the weights' shapes wherever they tell."""
    from transformers import MusicgenConfig, MusicgenMelodyConfig

    stem = "decoder.model.decoder."
    width = weights[f"{stem}layer_norm.weight"].shape[0]
    codes = weights["decoder.lm_heads.0.weight"].shape[0]
    decoder = {
        "model_type": "musicgen_melody_decoder" if is_melodic else "musicgen_decoder",
        "vocab_size": codes,
        "max_position_embeddings": 2048,
        "num_hidden_layers": len({name.split(".")[4] for name in weights if name.startswith(f"{stem}layers.")}),
        "ffn_dim": weights[f"{stem}layers.0.fc1.weight"].shape[0],
        "num_attention_heads": settings.get("transformer_lm.num_heads") or width // 64,
        "hidden_size": width,
        "num_codebooks": sum(name.startswith("decoder.lm_heads.") for name in weights),
        "audio_channels": 2 if settings.get("interleave_stereo_codebooks.use", False) else 1,
        "activation_function": settings.get("transformer_lm.activation", "gelu"),
        "dropout": 0.0,
        "pad_token_id": codes,
        "bos_token_id": codes,
    }
    text = json.loads((donor.folder / "config.json").read_text(encoding="utf-8"))["text_encoder"]
    parts = {"text_encoder": text, "audio_encoder": codec, "decoder": decoder}
    if not is_melodic:
        return MusicgenConfig(**parts)
    longest = settings.get("dataset.segment_duration", 30.0)
    return MusicgenMelodyConfig(**parts, chroma_length=1 + round(longest * SAMPLE_RATE_HZ) // HOP)


def _check_whole(config: Any, weights: dict[str, torch.Tensor], *, is_melodic: bool, name: str) -> None:
    """Raise EngineError unless every weight of the model is there in its size, and none besides."""
    import torch
    from transformers import MusicgenForConditionalGeneration, MusicgenMelodyForConditionalGeneration

    with torch.device("meta"):
        model: Any = (MusicgenMelodyForConditionalGeneration if is_melodic else MusicgenForConditionalGeneration)(
            config
        )
    wanted = {_old_name(key): tuple(weight.shape) for key, weight in model.named_parameters()}
    here = {_old_name(key): tuple(weight.shape) for key, weight in weights.items()}
    aliases = {"text_encoder.encoder.embed_tokens.weight", "text_encoder.shared.weight"}
    wrong = [key for key, shape in wanted.items() if key not in aliases and here.get(key) != shape]
    if wrong:
        raise EngineError(
            f"“{name}” is not whole: {len(wrong)} weights are missing or of the wrong size ({wrong[0]}). Fetch it again."
        )


def _apart(weight: torch.Tensor) -> torch.Tensor:
    """The weight in memory of its own, as safetensors wants it."""
    is_part = weight.untyped_storage().nbytes() != weight.nbytes or not weight.is_contiguous()
    return weight.detach().clone() if is_part else weight.detach()


def _old_name(name: str) -> str:
    return name.replace("parametrizations.weight.original0", "weight_g").replace(
        "parametrizations.weight.original1", "weight_v"
    )


def _write(target: Path, config: Any, weights: dict[str, torch.Tensor], donor: Path, *, is_melodic: bool) -> None:
    from safetensors.torch import save_file

    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    draft.mkdir(parents=True)
    codes = config.decoder.vocab_size
    generation = {
        "bos_token_id": codes, "decoder_start_token_id": codes, "pad_token_id": codes,
        "do_sample": True, "guidance_scale": 3.0, "max_length": 1500,
    }  # fmt: skip
    try:
        config.architectures = [f"Musicgen{'Melody' if is_melodic else ''}ForConditionalGeneration"]
        config.save_pretrained(draft)
        (draft / "generation_config.json").write_text(json.dumps(generation, indent=1), encoding="utf-8")
        for name in _SIDE_FILES:
            if (donor / name).is_file():
                shutil.copyfile(donor / name, draft / name)
        save_file(
            {name: _apart(weight) for name, weight in weights.items()},
            draft / "model.safetensors",
            metadata={"format": "pt"},
        )
        draft.replace(target)
    except OSError as error:
        raise EngineError(
            f"The converted model could not be written ({error.strerror or error}): make room."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
