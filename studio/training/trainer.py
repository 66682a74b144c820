"""One training run from its config to its last checkpoint.

Everything that is left to chance is decided by the seed and the step, so that a run that resumes goes on as if it had
never stopped. Knows nothing of processes, queues or pages; whoever runs it hands in when to stop.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from studio.engines.musicgen import decode
from studio.engines.musicgen.checkpoint import inspect
from studio.training.checkpoints import Checkpoints, Saved, load_state
from studio.training.codes import codes_of
from studio.training.config import RunConfig
from studio.training.devices import device_here, precision_on
from studio.training.errors import Diverged, LossIsNoNumber, RunError, why
from studio.training.learner import Dealer, Ear, Lesson, make_learner, put_adapters_on
from studio.training.manifest import DataSet, Segment, check_data_set, read_data_set
from studio.training.progress import ProgressLog, read_progress
from studio.training.sounding import Sampler

MOST_LOOKED_AT = 64  # held-out segments; more would make the looks longer, not wiser
MOST_SKIPPED = 20  # steps in a row that overflow in half precision
_WINDOW = 20  # steps over which the speed is told
_NO_NUMBER = (
    "The loss became no number at step {step}: the learning rate is too high for this data, or half precision overflowed. "
    "Resume from the last checkpoint with a lower learning rate, or with the precision fp32."
)


class Trainer:
    """A run in its folder. `train` does the work; the folder's checkpoints are whole at any moment."""

    def __init__(self, folder: Path, config: RunConfig, *, stopped: Callable[[], bool] = lambda: False) -> None:
        self.folder, self.config = folder, config
        self._stopped = stopped
        self._log = ProgressLog(folder)
        self._checkpoints = Checkpoints(folder)
        self._speeds: deque[float] = deque(maxlen=_WINDOW)
        self._held_out_loss: float | None = None
        self._skipped = 0

    def train(self) -> str:
        """Train to the end or until stopped; returns "done" or "stopped".

        Raises TrainingError, or EngineError for a model that is not whole.
        """
        self._accelerate()
        self._say("loading the model")
        self._load()
        step = self._resume()
        if step == 0:
            self._look(0)
            self._sample(0)
        while step < self.config.steps and not self._must_stop():
            self._step(step)
            step += 1
            if step % self.config.held_out_every == 0 or step == self.config.steps:
                self._look(step)
            if step % self.config.samples.every == 0 or step == self.config.steps:
                self._sample(step)
            if step % self.config.checkpoint_every == 0 or step == self.config.steps:
                self._save(step)
        if step < self.config.steps and step > 0:
            self._save(step)
        return "done" if step >= self.config.steps else "stopped"

    # --------------------------------------------------------------------------------------------- preparing

    def _accelerate(self) -> None:
        import torch
        from accelerate import Accelerator

        config = self.config
        if config.threads:
            torch.set_num_threads(config.threads)
        self._precision = precision_on(config, device_here(config))
        mixed = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}[self._precision]
        self._accelerator = Accelerator(mixed_precision=mixed, cpu=config.device == "cpu")
        self._is_main = self._accelerator.is_main_process

    def _load(self) -> None:
        """The model, its lessons, and what learns; the parts that only prepare are let go."""
        from studio.engines.musicgen.load import free_memory, load

        config, accelerator = self.config, self._accelerator
        data_set = read_data_set(config.data_set)
        check_data_set(data_set)
        dtype = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[self._precision]
        self._loaded = load(inspect(config.model), device=accelerator.device.type, dtype=dtype)
        with accelerator.main_process_first():
            learn, look = self._lessons(data_set)
        self._ear = Ear(self._loaded)
        self._ear.learn_words([lesson.words for lesson in (*learn, *look)])
        self._sampler = Sampler(self._loaded, config.samples)
        self._ear.forget_encoder()
        # From here on the model's parts are in several places, and `model.device` is any one's: ask the decoder's.
        self._loaded.model.audio_encoder.to("cpu")
        free_memory()
        self._begin_from_seed()
        self._dressed = put_adapters_on(self._loaded, config)
        here = {"rank": accelerator.process_index, "devices": accelerator.num_processes}
        self._dealer, self._looker = Dealer(learn, config, **here), Dealer(look, config, **here)
        self._weights = {name: one for name, one in self._dressed.named_parameters() if one.requires_grad}
        self._ema = {name: one.detach().clone() for name, one in self._weights.items()} if config.ema else {}
        self._prepare()
        self._card = _card(config, data_set, self._loaded.weights_sha256)

    def _prepare(self) -> None:
        import torch

        optimizer = torch.optim.AdamW(
            self._weights.values(),
            lr=self.config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=self.config.weight_decay,
            fused=self._accelerator.device.type == "cuda",
        )
        self._learner, self._optimizer = self._accelerator.prepare(make_learner(self._loaded, self.config), optimizer)

    def _begin_from_seed(self) -> None:
        import torch

        torch.manual_seed(self.config.seed)  # the adapters' first weights

    def _lessons(self, data_set: DataSet) -> tuple[list[Lesson], list[Lesson]]:
        self._say("encoding the data set")
        melodic = self._loaded.checkpoint.model_type == "musicgen_melody"

        def lessons(segments: tuple[Segment, ...]) -> list[Lesson]:
            codes = codes_of(
                data_set, segments, self._loaded.model.audio_encoder, channels=self._loaded.checkpoint.channels,
                progress=lambda fraction: self._say("encoding the data set", fraction), cancelled=self._stopped,
            )  # fmt: skip
            return [
                Lesson(segment.id, data_set.words(segment), found, _chroma(data_set, segment) if melodic else None)
                for segment, found in zip(segments, codes, strict=False)
            ]

        learn, look = lessons(data_set.train), lessons(data_set.held_out[:MOST_LOOKED_AT])
        if self._stopped():
            raise RunError("Stopped before the first step; nothing was trained.")
        return learn, look

    # ---------------------------------------------------------------------------------------------- resuming

    def _resume(self) -> int:
        """Go on from the newest whole checkpoint; returns its step, 0 for a fresh start."""
        saved = self._checkpoints.latest()
        step = saved.step if saved else 0
        if self._is_main:
            self._checkpoints.sweep()
            self._log.take_back(after_step=step if saved else -1)
            looks = read_progress(self.folder).held_out
            self._held_out_loss = looks[-1]["loss"] if looks else None
        if saved is not None:
            self._restore(saved)
        self._say("training")
        return step

    def _restore(self, saved: Saved) -> None:
        import torch

        state = load_state(saved)
        if set(state["weights"]) != set(self._weights):
            raise RunError(
                "The checkpoint was made with other LoRA settings: give this run another name to begin anew."
            )
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(state["weights"][name])
            for name, weight in self._ema.items():
                weight.copy_(state["ema"].get(name, self._weights[name]))
        self._optimizer.load_state_dict(state["optimizer"])
        if self._accelerator.scaler is not None and state["scaler"]:
            self._accelerator.scaler.load_state_dict(state["scaler"])

    # ---------------------------------------------------------------------------------------------- learning

    def _step(self, step: int) -> None:
        """One step of the optimiser; raises LossIsNoNumber, and the weights stay as they were."""
        import torch

        started = time.perf_counter()
        config, accelerator = self.config, self._accelerator
        rate = config.learning_rate_at(step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._learner.train()
        losses = torch.zeros(len(decode.delays(self._loaded.model)), device=accelerator.device)
        for part in range(config.accumulate):
            torch.manual_seed(_mixed(config.seed, step, part, accelerator.process_index))
            dealt = self._dealer.deal(step, part)
            is_last = part == config.accumulate - 1
            with nullcontext() if is_last else accelerator.no_sync(self._learner):
                found = self._learner(self._dealer.codes(dealt), *self._ear.hear(dealt))
                accelerator.backward(found.mean() / config.accumulate)
            losses += found.detach() / config.accumulate
        losses = accelerator.reduce(losses, reduction="mean")
        clipped = torch.as_tensor(accelerator.clip_grad_norm_(self._weights.values(), config.clip_norm))
        # One question to the device a step: each waits until it has done all that was asked before.
        *said, norm = torch.cat([losses, clipped.reshape(1).to(losses)]).tolist()
        if not all(math.isfinite(loss) for loss in said):
            raise LossIsNoNumber(_NO_NUMBER.format(step=step + 1))
        self._check_norm(norm, step)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._follow()
        self._tell(step + 1, said, rate=rate, norm=norm, seconds=time.perf_counter() - started)

    def _check_norm(self, norm: float, step: int) -> None:
        """fp16's scaler skips a step that overflowed and tries smaller; elsewhere it is the end."""
        if math.isfinite(norm):
            self._skipped = 0
            return
        self._skipped += 1
        if self._precision != "fp16" or self._skipped > MOST_SKIPPED:
            raise Diverged(_NO_NUMBER.format(step=step + 1).replace("The loss", "The gradient"))

    def _follow(self) -> None:
        """Let the running mean of the weights follow them."""
        import torch

        with torch.no_grad():
            for name, mean in self._ema.items():
                mean.lerp_(self._weights[name], 1.0 - self.config.ema)

    def _tell(self, step: int, losses: list[float], *, rate: float, norm: float, seconds: float) -> None:
        config = self.config
        self._speeds.append(seconds)
        a_step = sum(self._speeds) / len(self._speeds)
        segments = config.batch * config.accumulate * self._accelerator.num_processes
        self._add(
            "step", step=step, loss=sum(losses) / len(losses), codebooks=[round(one, 6) for one in losses], lr=rate,
            grad_norm=norm if math.isfinite(norm) else None, samples_a_second=round(segments / a_step, 3),
            seconds_left=round(a_step * (config.steps - step), 1), at=round(time.time(), 1),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------ looking back

    def _look(self, step: int) -> None:
        """The loss on the tracks it does not learn from, without chance: no dropout, from each segment's beginning."""
        import torch

        batches = self._looker.looks()
        sums = torch.zeros(len(decode.delays(self._loaded.model)) + 1, device=self._accelerator.device)
        inner = self._accelerator.unwrap_model(self._learner).eval()
        with self._wearing_mean(), torch.no_grad():
            for dealt in batches:
                # Unwrapped, for devices may have unlike numbers of batches.
                found = inner(self._looker.codes(dealt), *self._ear.hear(dealt))
                sums[:-1] += found * len(dealt)
                sums[-1] += len(dealt)
        sums = self._accelerator.reduce(sums, reduction="sum")
        if float(sums[-1]) > 0:
            losses = (sums[:-1] / sums[-1]).tolist()
            self._held_out_loss = sum(losses) / len(losses)
            self._add("held_out", step=step, loss=self._held_out_loss, codebooks=[round(one, 6) for one in losses])

    def _sample(self, step: int) -> None:
        if self._is_main and self.config.samples.prompts:
            self._say("playing the samples")
            self._learner.eval()
            try:
                with self._wearing_mean():
                    made = self._sampler.write(self.folder, step, cancelled=self._stopped)
            except OSError as error:
                self._add("note", step=step, said=f"The samples could not be kept ({why(error)}): make room.")
                made = []
            for facts in made:
                self._add("sample", **facts)
            self._say("training")
        self._accelerator.wait_for_everyone()

    def _save(self, step: int) -> None:
        from peft import get_peft_model_state_dict

        if self._is_main and step not in [saved.step for saved in self._checkpoints.all()]:
            with self._wearing_mean():
                adapter = {
                    name: weight.detach().cpu().clone()
                    for name, weight in get_peft_model_state_dict(self._dressed, save_embedding_layers=False).items()
                }
            scaler = self._accelerator.scaler
            self._checkpoints.write(
                step,
                adapter=adapter,
                adapter_config=_plain(self._dressed.peft_config["default"].to_dict()),
                card=self._card | {"step": step, "held_out_loss": self._held_out_loss},
                state={
                    "step": step,
                    "weights": {name: weight.detach().cpu() for name, weight in self._weights.items()},
                    "ema": {name: weight.cpu() for name, weight in self._ema.items()},
                    "optimizer": self._optimizer.state_dict(),
                    "scaler": scaler.state_dict() if scaler is not None else {},
                },
                held_out=self._held_out_loss,
                keep=self.config.keep,
            )
        self._accelerator.wait_for_everyone()

    @contextmanager
    def _wearing_mean(self) -> Iterator[None]:
        """With the running mean of the weights in the weights' place, where one is kept."""
        import torch

        kept = {name: self._weights[name].detach().clone() for name in self._ema}
        with torch.no_grad():
            for name, mean in self._ema.items():
                self._weights[name].copy_(mean)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in kept.items():
                    self._weights[name].copy_(weight)

    # ------------------------------------------------------------------------------------------------ saying

    def _must_stop(self) -> bool:
        """Whether to stop; on several devices the main one decides for all."""
        import torch

        if self._accelerator.num_processes == 1:
            return self._stopped()
        wish = torch.tensor([1.0 if self._is_main and self._stopped() else 0.0], device=self._accelerator.device)
        return float(self._accelerator.reduce(wish, reduction="sum")) > 0

    def _say(self, stage: str, fraction: float = 0.0) -> None:
        self._add("stage", stage=stage, fraction=round(fraction, 3))

    def _add(self, kind: str, **facts: Any) -> None:
        if not self._is_main:
            return
        try:
            self._log.add(kind, **facts)
        except OSError as error:
            raise RunError(
                f"The run’s log could not be written ({why(error)}): free some space, then resume; the checkpoints are whole."
            ) from error


def _chroma(data_set: DataSet, segment: Segment) -> Any:
    """The strongest note of every stretch of a segment, int8 (steps,)."""
    import numpy as np

    from audio.io import read_clip
    from studio.engines.musicgen.chroma import SAMPLE_RATE_HZ, chroma
    from studio.engines.musicgen.encoder import fitted

    clip = fitted(read_clip(data_set.audio_path(segment)), sample_rate_hz=SAMPLE_RATE_HZ, channels=1)
    return chroma(clip.samples[0]).argmax(axis=1).astype(np.int8)


def _card(config: RunConfig, data_set: DataSet, weights_sha256: str) -> dict[str, Any]:
    """What the adapter says of itself: where it comes from and under which licence it may be used."""
    own = data_set.facts.licence or "not stated"
    return {
        "run": config.name,
        "model": config.model_name or config.model.name,
        "model_weights_sha256": weights_sha256,
        "data": data_set.summary(),
        "licence": f"adapter of MusicGen weights (CC-BY-NC-4.0); its data: {own}",
    }


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """PEFT's settings as its own files hold them."""
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in settings.items()}
    return plain | {"inference_mode": True}


def _mixed(*numbers: int) -> int:
    """One seed out of several numbers, unlike that of their neighbours."""
    import numpy as np

    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> np.uint64(1))
