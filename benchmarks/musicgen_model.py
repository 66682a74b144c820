"""A transformers MusicGen of a true size with random weights, for what is measured without a download."""

from __future__ import annotations

from typing import Any

SIZES = {"small": (24, 1024, 16), "medium": (48, 1536, 24), "large": (48, 2048, 32)}  # layers, width, heads


def random_model(size: str, device: str, *, dtype: str = "float32") -> Any:
    """A transformers MusicGen of that size with T5-base and EnCodec at 32 kHz, its weights random, in that format."""
    import torch
    from transformers import MusicgenConfig, MusicgenForConditionalGeneration

    layers, width, heads = SIZES[size]
    text = {"model_type": "t5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}  # fmt: skip
    codec = {
        "model_type": "encodec", "target_bandwidths": [2.2], "sampling_rate": 32000, "audio_channels": 1,
        "normalize": False, "chunk_length_s": None, "overlap": None, "hidden_size": 128, "num_filters": 64,
        "num_residual_layers": 1, "upsampling_ratios": [8, 5, 4, 4], "norm_type": "weight_norm", "kernel_size": 7,
        "last_kernel_size": 7, "residual_kernel_size": 3, "dilation_growth_rate": 2, "use_causal_conv": False,
        "pad_mode": "reflect", "compress": 2, "num_lstm_layers": 2, "trim_right_ratio": 1.0, "codebook_size": 2048,
        "codebook_dim": 128, "use_conv_shortcut": False,
    }  # fmt: skip
    decoder = {
        "model_type": "musicgen_decoder", "vocab_size": 2048, "num_hidden_layers": layers, "hidden_size": width,
        "ffn_dim": 4 * width, "num_attention_heads": heads, "num_codebooks": 4, "audio_channels": 1, "dropout": 0.0,
    }  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            model = MusicgenForConditionalGeneration(
                MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder)
            )
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        for name, weight in model.decoder.named_parameters():
            if weight.ndim == 2:  # of the size at which a step's numbers neither vanish nor grow
                weight.normal_(std=0.5 if "embed_tokens" in name else weight.shape[1] ** -0.5)
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_()
    settings = model.generation_config
    settings.decoder_start_token_id = settings.bos_token_id = settings.pad_token_id = 2048
    return model.eval().to(device)
