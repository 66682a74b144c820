"""Tiny MusicGen checkpoints with random weights, in the very files the model hub serves.

They are real models of the real classes, a few megabytes each, so that loading, decoding, streaming and downloading
are tested as they are used. They know nothing of music: what comes out is noise, but always the same noise.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

WORDS = """slow lo-fi hip hop with rain and warm vinyl crackle, 80 bpm
80s pop track with bassy drums and synth
90s rock song with loud guitars and heavy drums
a sad solo piano waltz in a minor key, soft and intimate
bright acoustic folk with fingerpicked guitar and hand claps
dark techno with a driving kick, 130 bpm, hypnotic and deep
an orchestral film score with strings, brass and timpani rising to a big chorus
noisy distorted vocals, low quality, off beat
"""

CODES = 512  # codes in a codebook; the hub's models have 2048
TEXT_WIDTH, WIDTH = 24, 48
LOUDER = 4.0


def build_mono(folder: Path, *, seed: int = 0) -> Path:
    """A checkpoint laid out as facebook/musicgen-small: 4 codebooks, mono. Returns the folder."""
    return _build(folder, seed=seed, channels=1, melody=False)


def build_stereo(folder: Path, *, seed: int = 0) -> Path:
    """A checkpoint laid out as facebook/musicgen-stereo-small: 8 interleaved codebooks, two channels."""
    return _build(folder, seed=seed, channels=2, melody=False)


def build_melody(folder: Path, *, seed: int = 0) -> Path:
    """A checkpoint laid out as facebook/musicgen-melody: the text is put before the codes, with a chroma."""
    return _build(folder, seed=seed, channels=1, melody=True)


def build_sharded(folder: Path, *, seed: int = 0) -> Path:
    """The mono checkpoint in several safetensors files with an index, as the hub's larger models are."""
    return _build(folder, seed=seed, channels=1, melody=False, shard="600KB")


def _build(folder: Path, *, seed: int, channels: int, melody: bool, shard: str = "5GB") -> Path:
    import torch
    from transformers import (
        MusicgenConfig,
        MusicgenForConditionalGeneration,
        MusicgenMelodyConfig,
        MusicgenMelodyForConditionalGeneration,
    )
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)  # so small a model gains nothing from more, and loses much on a busy machine
    tokenizer = _tokenizer()
    parts = _configs(vocabulary=len(tokenizer), channels=channels, melody=melody)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if melody:
            model = MusicgenMelodyForConditionalGeneration(MusicgenMelodyConfig(**parts, chroma_length=11))
        else:
            model = MusicgenForConditionalGeneration(MusicgenConfig(**parts))
        _fill(model)
    _set_generation(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    _write_preprocessor(folder, channels=channels, melody=melody)
    if (folder / "model.safetensors").exists():
        _name_weights_as_published(folder / "model.safetensors", model)
    return folder


def _configs(*, vocabulary: int, channels: int, melody: bool) -> dict[str, Any]:
    """The three sub-models' settings: T5, EnCodec as in facebook/encodec_32khz but thin, and the decoder."""
    text = {
        "model_type": "t5",
        "vocab_size": vocabulary,
        "d_model": TEXT_WIDTH,
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 3,
        "feed_forward_proj": "relu",
        "dropout_rate": 0.0,
    }
    codec = {
        "model_type": "encodec",
        "target_bandwidths": [2.2],
        "sampling_rate": 32000,
        "audio_channels": 1,
        "normalize": False,
        "chunk_length_s": None,
        "overlap": None,
        "hidden_size": 16,
        "num_filters": 4,
        "num_residual_layers": 1,
        "upsampling_ratios": [8, 5, 4, 4],
        "norm_type": "weight_norm",
        "kernel_size": 7,
        "last_kernel_size": 7,
        "residual_kernel_size": 3,
        "dilation_growth_rate": 2,
        "use_causal_conv": False,
        "pad_mode": "reflect",
        "compress": 2,
        "num_lstm_layers": 2,
        "trim_right_ratio": 1.0,
        "codebook_size": CODES,
        "codebook_dim": 16,
        "use_conv_shortcut": False,
    }
    decoder = {
        "model_type": "musicgen_melody_decoder" if melody else "musicgen_decoder",
        "vocab_size": CODES,
        "max_position_embeddings": 2048,
        "num_hidden_layers": 3,
        "ffn_dim": 96,
        "num_attention_heads": 4,
        "hidden_size": WIDTH,
        "num_codebooks": 4 * channels,
        "audio_channels": channels,
        "dropout": 0.0,
        "pad_token_id": CODES,
        "bos_token_id": CODES,
    }
    return {"text_encoder": text, "audio_encoder": codec, "decoder": decoder}


def _fill(model: Any) -> None:
    """Random weights of a size at which every code is reachable and the sound is not silence."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "audio_encoder" in name or weight.ndim < 2:
                continue
            gain = 2.5 if "lm_heads" in name else 1.0
            is_embedding = "embed_tokens" in name or name.endswith("shared.weight")
            torch.nn.init.normal_(weight, std=1.0 if is_embedding else gain / weight.shape[-1] ** 0.5)
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_(std=3.0)
        for name, weight in model.audio_encoder.decoder.named_parameters():
            if "lstm" in name:
                weight.mul_(3.0)  # a memory of half a second
            elif name.endswith("bias"):
                weight.zero_()  # no constant offset in the sound
        model.audio_encoder.decoder.layers[-1].conv.parametrizations.weight.original0.mul_(LOUDER)


def _name_weights_as_published(path: Path, model: Any) -> None:
    """The names of 2023, when the hub's files were made: the codec's norms, and positions that are computed now."""
    from safetensors.torch import load_file, save_file

    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    weights = {}
    for name, weight in load_file(path).items():
        for new_name, old_name in old.items():
            name = name.replace(new_name, old_name)
        weights[name] = weight
    positions = model.decoder.model.decoder.embed_positions.weights
    weights["decoder.model.decoder.embed_positions.weights"] = positions.contiguous()
    save_file(weights, path, metadata={"format": "pt"})


def _set_generation(model: Any) -> None:
    settings = model.generation_config
    settings.decoder_start_token_id = CODES
    settings.bos_token_id = CODES
    settings.pad_token_id = CODES
    settings.do_sample = True
    settings.guidance_scale = 3.0
    settings.max_length = 1500


def _tokenizer() -> Any:
    """A real T5 tokenizer over a Unigram vocabulary of the words and letters above, scored by how often they occur.

    Counted, not trained: the trainer's result differs from run to run.
    """
    from transformers import T5Tokenizer

    lines = WORDS.splitlines()
    pieces = Counter("▁" + word for line in lines for word in line.split())
    pieces.update(character for line in lines for character in line.replace(" ", "▁"))
    total = sum(pieces.values())
    scored = [(piece, math.log(count / total)) for piece, count in sorted(pieces.items())]
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5Tokenizer(vocab=specials + scored, extra_ids=100, model_max_length=512)


def _write_preprocessor(folder: Path, *, channels: int, melody: bool) -> None:
    """The hub's preprocessor_config.json, field for field."""
    settings: dict[str, Any] = {
        "feature_size": channels,
        "padding_side": "left",
        "padding_value": 0,
        "return_attention_mask": True,
        "sampling_rate": 32000,
    }
    if melody:
        settings |= {
            "chunk_length": 30,
            "feature_extractor_type": "MusicgenMelodyFeatureExtractor",
            "feature_size": 12,
            "hop_length": 4096,
            "n_fft": 16384,
            "n_samples": 960000,
            "nb_max_frames": 235,
            "num_chroma": 12,
            "processor_class": "MusicgenMelodyProcessor",
            "stem_indices": [3, 2],
        }
    else:
        settings |= {
            "chunk_length_s": None,
            "feature_extractor_type": "EncodecFeatureExtractor",
            "overlap": None,
            "processor_class": "MusicgenProcessor",
        }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
