"""A CLAP of random weights in the hub's own format, small enough for tests: a byte-level vocabulary, two layers of Swin."""

from __future__ import annotations

from pathlib import Path


def save_tiny_clap(folder: Path, *, seed: int = 0, width: int = 64) -> Path:
    """Write config, weights, feature extractor and tokenizer; about 2 MB. width: of the common space."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {
        token: number
        for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bytes_to_unicode().values()])
    }
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
    config = ClapConfig(
        text_config={
            "vocab_size": len(vocabulary), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 32, "max_position_embeddings": 128, "pad_token_id": vocabulary["<pad>"],
            "bos_token_id": 0, "eos_token_id": 2,
        },
        audio_config={
            "spec_size": 256, "num_mel_bins": 64, "window_size": 8, "patch_size": 4, "patch_stride": [4, 4],
            "patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [1, 2], "hidden_size": 16,
            "enable_fusion": False,
        },
        projection_dim=width,
    )  # fmt: skip
    torch.manual_seed(seed)
    ClapModel(config).eval().save_pretrained(folder)
    extractor = ClapFeatureExtractor(feature_size=64, truncation="rand_trunc", padding="repeatpad")
    ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder
