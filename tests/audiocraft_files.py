"""Writes AudioCraft's checkpoint files from a model of transformers', as audiocraft 1.3's modules name their weights.

Made from the module types on both sides (an LMModel of embeddings, a TransformerEncoder with one matrix for queries, keys
and values, and heads; a SEANet of StreamableConv1d inside NormConv1d), not from the studio's converter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

LANGUAGE_SETTINGS = """
lm_model: transformer_lm
sample_rate: {rate_hz}
channels: {channels}
transformer_lm: {{dim: {width}, num_heads: {heads}, num_layers: {layers}, n_q: {books}, card: {codes}, activation: gelu}}
interleave_stereo_codebooks: {{use: {stereo}, per_timestep: false}}
dataset: {{segment_duration: {seconds}}}
conditioners: {{description: {{model: t5, t5: {{name: t5-base}}}}}}
"""
CODEC_SETTINGS = """
sample_rate: 32000
channels: 1
encodec: {{autoencoder: seanet, quantizer: rvq, sample_rate: '${{sample_rate}}', causal: false, renormalize: false}}
seanet:
  {{dimension: {dimension}, channels: '${{channels}}', causal: '${{encodec.causal}}', n_filters: {filters},
  n_residual_layers: 1, ratios: [8, 5, 4, 4], norm: weight_norm, kernel_size: 7, residual_kernel_size: 3,
  last_kernel_size: 7, dilation_base: 2, pad_mode: reflect, true_skip: true, compress: 2, lstm: 2}}
rvq: {{n_q: 4, bins: {codes}}}
"""


def write(folder: Path, model: Any, *, codec_is_named: bool = False, half: bool = False) -> Path:
    """Both files in a folder. codec_is_named: the second but names the published codec. half: float16 weights."""
    import torch

    folder.mkdir(parents=True)
    config = model.config.decoder
    settings = LANGUAGE_SETTINGS.format(
        rate_hz=32_000, channels=config.audio_channels, width=config.hidden_size, heads=config.num_attention_heads,
        layers=config.num_hidden_layers, books=config.num_codebooks, codes=config.vocab_size,
        seconds=(getattr(model.config, "chroma_length", 235) - 1) * 4096 / 32_000, stereo=str(config.audio_channels == 2).lower(),
    )  # fmt: skip
    state = language_state(model)
    if half:
        state = {name: weight.half() for name, weight in state.items()}
    package = {"best_state": state, "xp.cfg": settings, "version": "1.3.0", "exported": True}
    torch.save(package, folder / "state_dict.bin")
    if codec_is_named:
        named = {"pretrained": "facebook/encodec_32khz", "exported": True, "version": "1.3.0"}
        torch.save(named, folder / "compression_state_dict.bin")
        return folder
    codec = model.config.audio_encoder
    settings = CODEC_SETTINGS.format(dimension=codec.hidden_size, filters=codec.num_filters, codes=codec.codebook_size)
    package = {"best_state": codec_state(model.audio_encoder), "xp.cfg": settings, "version": "1.3.0", "exported": True}
    torch.save(package, folder / "compression_state_dict.bin")
    return folder


def language_state(model: Any) -> dict[str, Any]:
    """audiocraft.models.lm.LMModel's state_dict."""
    import torch

    decoder, state = model.decoder.model.decoder, {}
    for book, (embedding, head) in enumerate(zip(decoder.embed_tokens, model.decoder.lm_heads, strict=True)):
        state[f"emb.{book}.weight"], state[f"linears.{book}.weight"] = embedding.weight, head.weight
    for number, layer in enumerate(decoder.layers):
        before = f"transformer.layers.{number}."
        attentions = {"self_attn": layer.self_attn, "cross_attention": getattr(layer, "encoder_attn", None)}
        for name, attention in attentions.items():
            if attention is None:
                continue
            fused = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
            state[f"{before}{name}.in_proj_weight"] = torch.cat(fused)
            state[f"{before}{name}.out_proj.weight"] = attention.out_proj.weight
        norms = {"norm1": layer.self_attn_layer_norm, "norm2": layer.final_layer_norm}
        if hasattr(layer, "encoder_attn_layer_norm"):
            norms["norm_cross"] = layer.encoder_attn_layer_norm
        for name, norm in norms.items():
            state[f"{before}{name}.weight"], state[f"{before}{name}.bias"] = norm.weight, norm.bias
        state[f"{before}linear1.weight"], state[f"{before}linear2.weight"] = layer.fc1.weight, layer.fc2.weight
    state["out_norm.weight"], state["out_norm.bias"] = decoder.layer_norm.weight, decoder.layer_norm.bias
    projections = {"description": model.enc_to_dec_proj}
    if hasattr(model, "audio_enc_to_dec_proj"):
        projections["self_wav"] = model.audio_enc_to_dec_proj
        state["condition_provider.conditioners.self_wav.chroma.spec.window"] = torch.hann_window(16_384)
    for name, linear in projections.items():
        state[f"condition_provider.conditioners.{name}.output_proj.weight"] = linear.weight
        state[f"condition_provider.conditioners.{name}.output_proj.bias"] = linear.bias
    return {name: weight.detach().clone() for name, weight in state.items()}


def codec_state(codec: Any) -> dict[str, Any]:
    """audiocraft.models.encodec.EncodecModel's state_dict, as torch 2.1's weight_norm names it."""
    from torch import nn

    inner = {"EncodecConv1d": "conv.conv", "EncodecConvTranspose1d": "convtr.convtr"}
    state: dict[str, Any] = {}
    for side in ("encoder", "decoder"):
        for number, layer in enumerate(getattr(codec, side).layers):
            for path, module in layer.named_modules():
                where = ".".join(filter(None, [f"{side}.model.{number}", path]))
                if type(module).__name__ in inner:
                    norm = module.conv.parametrizations.weight
                    base = f"{where}.{inner[type(module).__name__]}"
                    state[f"{base}.weight_g"], state[f"{base}.weight_v"] = norm.original0, norm.original1
                    state[f"{base}.bias"] = module.conv.bias
                elif isinstance(module, nn.LSTM):
                    state |= {f"{where}.{name}": weight for name, weight in module.named_parameters()}
    for number, layer in enumerate(codec.quantizer.layers):
        base = f"quantizer.vq.layers.{number}._codebook"
        for name in ("inited", "cluster_size", "embed", "embed_avg"):
            state[f"{base}.{name}"] = getattr(layer.codebook, name)
    return {name: weight.detach().clone() for name, weight in state.items()}
