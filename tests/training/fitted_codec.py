"""A tiny codec whose codes say something: its codebooks laid over real sound, as EnCodec's own training begins.

EnCodec starts each codebook with k-means over what the one before left (Défossez et al. 2022, section 3.2). The tiny
checkpoint's random codebooks lie far from anything its encoder says, so that all sound would be one code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from audio.clip import Clip
from studio.engines.musicgen.encoder import fitted


def fit_codebooks(codec: Any, clips: Sequence[Clip], *, used: int = 64, seed: int = 0) -> None:
    """Move the codebooks of a transformers EncodecModel to where its encoder hears these clips.

    used: codes of each book that are laid over the sound; so little sound would not fill all of them.
    """
    from sklearn.cluster import MiniBatchKMeans

    rate = codec.config.sampling_rate
    with torch.inference_mode():
        heard = [
            codec.encoder(torch.from_numpy(fitted(clip, sample_rate_hz=rate, channels=1).samples)[None])[0].T
            for clip in clips
        ]
    left = torch.cat(heard).numpy()
    for layer in codec.quantizer.layers:
        means = MiniBatchKMeans(used, batch_size=2_048, n_init=1, max_iter=20, random_state=seed, init="random").fit(
            left
        )
        with torch.no_grad():
            layer.codebook.embed.fill_(1e3)
            layer.codebook.embed[:used] = torch.from_numpy(means.cluster_centers_.astype(np.float32))
        left = left - means.cluster_centers_[means.predict(left)].astype(np.float32)
