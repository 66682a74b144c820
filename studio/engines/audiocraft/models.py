"""AudioCraft's models as the worker's plug-in: MAGNeT, AudioGen, MusicGen, and multi-band diffusion.

Runs in AudioCraft's own environment. MAGNeT: Ziv et al. 2024 (arXiv 2401.04577); AudioGen: Kreuk et al. 2022 (arXiv
2209.15352); multi-band diffusion: San Roman et al. 2023 (arXiv 2308.02560). One model is kept at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Progress = Callable[[str, float], None]


class AudioCraftModels:
    """Loads what a request names, and makes it."""

    def __init__(self) -> None:
        self._name = ""
        self._model: Any = None

    def make(self, request: dict[str, Any], payload: bytes, progress: Progress) -> Iterator[tuple[np.ndarray, int]]:
        """Yield sound (channels, frames) and its rate.

        request: task ("magnet", "audiogen", "musicgen" or "diffusion"), model (a hub's name or a folder), words,
        seconds, seed, temperature, top_k, top_p, guidance; for diffusion, shape: of the int16 codes in the payload.
        """
        import torch

        progress("loading", 0.0)
        task = request["task"]
        model = self._load(task, str(request.get("model", "")))
        torch.manual_seed(int(request["seed"]))
        progress("composing", 0.0)
        if task == "diffusion":
            codes = np.frombuffer(payload, "<i2").reshape(request["shape"]).astype(np.int64)
            with torch.no_grad():
                sound = model.tokens_to_wav(torch.from_numpy(codes)[None].to(model.device))
            yield sound[0].float().cpu().numpy(), int(model.sample_rate)
            return
        model.set_generation_params(**_settings(task, request))
        model.set_custom_progress_callback(lambda made, wanted: progress("composing", min(1.0, made / max(1, wanted))))
        sound = model.generate([request["words"]], progress=True)
        yield sound[0].float().cpu().numpy(), int(model.sample_rate)

    def identity(self, request: dict[str, Any]) -> dict[str, Any]:
        """What made the sound."""
        import audiocraft
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        return {"audiocraft": audiocraft.__version__, "torch": torch.__version__, "device": device}

    def _load(self, task: str, name: str) -> Any:
        wanted = f"{task} {name}"
        if wanted != self._name:
            self._model, self._name = None, ""
            if task == "magnet":
                from audiocraft.models import MAGNeT

                self._model = MAGNeT.get_pretrained(name)
            elif task == "audiogen":
                from audiocraft.models import AudioGen

                self._model = AudioGen.get_pretrained(name)
            elif task == "musicgen":
                from audiocraft.models import MusicGen

                self._model = MusicGen.get_pretrained(name)
            elif task == "diffusion":
                from audiocraft.models import MultiBandDiffusion

                self._model = MultiBandDiffusion.get_mbd_musicgen()
            else:
                raise ValueError(f"AudioCraft has no task {task}")
            self._name = wanted
        return self._model


def _settings(task: str, request: dict[str, Any]) -> dict[str, Any]:
    """The request's figures as AudioCraft names them; MAGNeT's length is its own, and its guidance falls to 1."""
    settings = {
        "use_sampling": True,
        "top_k": int(request["top_k"]),
        "top_p": float(request["top_p"]),
        "temperature": float(request["temperature"]),
    }
    if task == "magnet":
        return {**settings, "max_cfg_coef": float(request["guidance"]), "min_cfg_coef": 1.0}
    return {**settings, "duration": float(request["seconds"]), "cfg_coef": float(request["guidance"])}
