"""The MusicGen engine: a plan to sound, heard while it is drawn, stopped at any step; and sound edited.

Songs of up to ten minutes, window by window. Knows nothing of downloads, of takes, or of who listens.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.types import MAX_SECONDS, SongPlan
from studio.engines.base import (
    Cancelled,
    Capabilities,
    Continue,
    Edit,
    EngineError,
    Listener,
    Rendering,
    Repaint,
    Sampling,
    Source,
)
from studio.engines.edits import KINDS
from studio.engines.musicgen import layers, longform, runtime
from studio.engines.musicgen.adapters import Shelf, Wardrobe
from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.ears import Ears, Parts, Sounds, no_sounds
from studio.engines.musicgen.edit import SALT, go_on, repaint
from studio.engines.musicgen.memory import Resumed, went_on_from
from studio.engines.musicgen.perform import NOTHING, Performer, check_candidates, perform, within
from studio.engines.musicgen.variation import vary
from studio.engines.musicgen.window import Voice
from studio.engines.steering import Steering

if TYPE_CHECKING:
    from collections.abc import Callable

    from studio.engines.musicgen.load import Loaded

SAMPLE_RATE_HZ = 32_000
REREAD_BELOW = 0.5  # closeness under which a melody model hears the take's melody while it varies it
LICENCE = "CC-BY-NC-4.0"


class MusicGenEngine:
    """Plays a MusicGen checkpoint out of a local folder; loads it at the first take and keeps it until `unload`."""

    def __init__(
        self,
        *,
        name: str,
        label: str,
        source: Path,
        device: str = "auto",
        dtype: str | None = None,
        precision: str = "auto",
        channels: int = 1,
        licence: str = LICENCE,
        sounds: Sounds = no_sounds,
        parts: Parts | None = None,
        adapters: Path | None = None,
    ) -> None:
        """source: the checkpoint's folder. dtype: None for the device's own. channels: 2 for a stereo model.

        precision: what the decoder's weights are kept in, one of `runtime.PRECISIONS`; a dtype goes before "auto".
        sounds: gives the melodies that steering names; parts: hears them without drums. adapters: the folder of LoRA adapters, or None for none.
        """
        runtime.check_precision(precision)
        self._source, self._device, self._dtype = source, device, dtype or runtime.dtype_for(precision)
        self._precision = "native" if dtype and precision == "auto" else precision
        self._opened: runtime.Opened | None = None
        self._sounds, self._parts, self._shelf = sounds, parts, Shelf(adapters or source / "adapters")
        self._loaded: Loaded | None = None
        self._wardrobe: Wardrobe | None = None
        self._capabilities = Capabilities(
            name=name,
            label=label,
            tier="full",
            sample_rate_hz=SAMPLE_RATE_HZ,
            channels=channels,
            max_seconds=MAX_SECONDS,
            makes_stems=False,
            makes_midi=False,
            makes_tokens=True,
            licence=licence,
            uses_sampling=True,
            edits=frozenset(KINDS),
            makes_candidates=True,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Draw the plan's prompt as sound, telling the listener every half second.

        Lasts round(seconds * 32,000) samples exactly. When stopped, what is complete is returned: its sound equals
        the whole take's but for the last 80 ms, which no longer hear what would have followed. The same seed gives
        the same codes on the same machine. Several candidates are drawn in one pass, the first heard.
        When a card's memory runs out, the processor goes on from there and the rendering says so.
        Raises ModelMissing, Cancelled, or EngineError past ten minutes, or for steering and adapters that this
        model cannot follow.
        """
        if sampling.steering is not None and sampling.steering.layers:
            from studio.finishing import on_tempo

            alone = sampling.model_copy(update={"candidates": 1})
            return layers.render(
                plan, alone, listener, self._generate,
                make_true=lambda one, plan: on_tempo(one, plan, correct=sampling.true_tempo),
                **({} if self._parts is None else {"alone": self._parts.part_of}),
            )  # fmt: skip
        return self._generate(plan, sampling, listener)

    def edit(self, edit: Edit, source: Source, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Go on from the source, make a region of it anew, or vary it; see `musicgen.edit` and `musicgen.variation`.

        Codes that the source has are kept, never encoded again. What a card has no memory for is made by the processor;
        where it runs out in the middle, what is made is kept. Raises as `generate`.
        """
        told = Resumed(listener)
        made = self._unless_the_card_is_full(lambda: self._edit(edit, source, plan, sampling, told))
        if made is None or made.trouble:
            self.unload()
        if made is not None:
            return made
        told.begin_anew()
        return self._on_processor(lambda other: other._edit(edit, source, plan, sampling, told), at_seconds=0.0)

    def _edit(self, edit: Edit, source: Source, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        if isinstance(edit, Continue):
            self._check_length(plan)
            return go_on(self._performer(plan, sampling, listener), edit, source, plan, sampling, listener)
        if isinstance(edit, Repaint):
            return repaint(self._performer(plan, sampling, listener), edit, source, plan, sampling, listener)
        rereads = edit.closeness < REREAD_BELOW and sampling.steering is None and self._follows_melodies()
        if rereads:
            sampling = sampling.model_copy(update={"steering": Steering(melody="the source")})
        performer = self._performer(plan, sampling, listener, sounds=(lambda name: source.clip) if rereads else None)
        return vary(performer, edit, source, plan, sampling, listener)

    def _generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        self._check_length(plan)
        check_candidates(sampling, sampling.candidates)
        told = Resumed(listener)
        made = self._unless_the_card_is_full(lambda: self._draw(plan, sampling, told))
        if made is not None and not made.trouble:
            return made
        self.unload()
        if made is not None and made.identity["device"] == "cpu":
            return made
        from studio.engines.musicgen.load import is_out_of_memory

        told.begin_anew()
        begun, at_seconds = made, 0.0 if made is None else made.clip.seconds
        try:
            made = self._on_processor(
                lambda other: other._draw(plan, sampling, told, begun=begun), at_seconds=at_seconds
            )
        except (Cancelled, MemoryError, RuntimeError) as error:
            if begun is None or not (isinstance(error, Cancelled) or is_out_of_memory(error)):
                raise
            return begun
        return made if begun is None else replace(made, others=begun.others)

    def _draw(
        self, plan: SongPlan, sampling: Sampling, listener: Listener, *, begun: Rendering | None = None
    ) -> Rendering:
        """The plan's take; begun: what there is of it, which is kept and gone on from."""
        performer = self._performer(plan, sampling, listener)
        samples = round(plan.seconds.value * SAMPLE_RATE_HZ)
        spans = longform.spans_of(plan, frames=ceil(samples / performer.hop))
        if begun is None or begun.tokens is None:
            dice = longform.dice_for(sampling.seed, sampling.candidates)
            return perform(performer, spans, samples=samples, sampling=sampling, listener=listener, dice=dice)
        return perform(
            performer,
            within(spans, begun.tokens.shape[1], spans[-1].end_frame),
            samples=samples,
            sampling=sampling,
            listener=listener,
            dice=longform.dice_for(sampling.seed, 1, salt=SALT["continue"]),
            given=begun.tokens,
            kept=begun.clip,
        )

    def _unless_the_card_is_full(self, play: Callable[[], Rendering]) -> Rendering | None:
        """What is made, or None when a card's memory did not suffice for anything."""
        try:
            return play()
        except (MemoryError, RuntimeError) as error:
            from studio.engines.musicgen.load import is_out_of_memory

            if not is_out_of_memory(error) or self._plays_on() == "cpu":
                raise
            return None

    def _plays_on(self) -> str:
        from studio.engines.musicgen.load import resolve_device

        return self._loaded.device if self._loaded is not None else resolve_device(self._device)

    def _on_processor(self, play: Callable[[MusicGenEngine], Rendering], *, at_seconds: float) -> Rendering:
        """What is played on the processor, by this model loaded there for the time; it says where that began."""
        other = copy(self)
        other._device, other._loaded, other._opened, other._wardrobe = "cpu", None, None, None
        try:
            made = play(other)
        finally:
            other.unload()
        identity = {**made.identity, "went_on_with_the_processor_at_seconds": at_seconds}
        return replace(made, identity=identity, trouble=made.trouble or went_on_from(at_seconds))

    def _check_length(self, plan: SongPlan) -> None:
        if plan.seconds.value > self._capabilities.max_seconds:
            raise EngineError(
                f"MusicGen makes up to {self._capabilities.max_seconds / 60:.0f} minutes at a time and the plan lasts "
                f"{plan.seconds.value:.0f} s: make it shorter."
            )

    def _follows_melodies(self) -> bool:
        return inspect(self._source).model_type == "musicgen_melody"

    def _performer(
        self, plan: SongPlan, sampling: Sampling, listener: Listener, *, sounds: Sounds | None = None
    ) -> Performer:
        """The loaded model, its ears open for this take and its adapters on."""
        loaded = self._load(listener, with_layers=any(use.strength > 0 for use in sampling.adapters))
        if listener.cancelled():
            raise Cancelled(NOTHING)
        ears = Ears(loaded, plan, sampling, sounds or self._sounds, self._parts)
        wardrobe = self._dress(loaded, sampling, listener)
        opened = self._open(loaded, wardrobe, listener)
        plainly = sampling.model_copy(update={"guidance": 1.0})
        return Performer(
            loaded=loaded,
            voice=Voice(loaded.model, opened.runtime),
            listen=ears.listen,
            listen_plainly=lambda words, first: Ears(loaded, plan, plainly, sounds or self._sounds, self._parts).listen(
                words, first
            ),
            identity=self._identity(loaded) | dict(opened.identity) | ears.identity() | {"adapters": wardrobe.identity},
        )

    def unload(self) -> None:
        """Give the model's memory back; the next take loads it again."""
        if self._loaded is not None:
            from studio.engines.musicgen.load import free_memory

            self._loaded = self._wardrobe = self._opened = None
            free_memory()

    def _load(self, listener: Listener, *, with_layers: bool) -> Loaded:
        """with_layers: the decoder's layers are needed themselves, not only what was converted of them."""
        if self._loaded is not None and with_layers and not self._loaded.has_layers:
            self.unload()
        if self._loaded is None:
            from studio.engines.musicgen.load import load, resolve_device, settle_codec

            listener.progress("loading", 0.0)
            checkpoint = inspect(self._source)
            if (checkpoint.channels, checkpoint.sample_rate_hz) != (self._capabilities.channels, SAMPLE_RATE_HZ):
                raise EngineError(
                    f"The model in “{self._source.name}” makes {checkpoint.channels} channels at "
                    f"{checkpoint.sample_rate_hz} Hz, which is not what it was listed as: add its folder again."
                )
            device = resolve_device(self._device)
            has_layers = with_layers or runtime.needs_layers(checkpoint, precision=self._precision, device=device)
            self._loaded = load(checkpoint, device=device, dtype=self._dtype, has_layers=has_layers)
            settle_codec(self._loaded.model.audio_encoder)
            listener.progress("loading", 1.0)
        return self._loaded

    def _dress(self, loaded: Loaded, sampling: Sampling, listener: Listener) -> Wardrobe:
        """Put on this take's adapters, and take off the last one's."""
        if self._wardrobe is None:
            self._wardrobe = Wardrobe(loaded)
        if sampling.adapters:
            listener.progress("putting on adapters", 0.0)
        if self._loaded is not None and self._loaded.has_layers and self._wardrobe.wear(sampling.adapters, self._shelf):
            self._opened = None  # it may hold the weights as they were
        return self._wardrobe

    def _open(self, loaded: Loaded, wardrobe: Wardrobe, listener: Listener) -> runtime.Opened:
        """What the model decodes on, made anew when its weights have changed."""
        if self._opened is None:
            self._opened = runtime.open_runtime(
                loaded,
                precision=self._precision,
                wears_adapters=bool(wardrobe.identity),
                progress=lambda fraction: listener.progress("preparing the weights", fraction),
            )
        return self._opened

    def _identity(self, loaded: Loaded) -> dict[str, Any]:
        return {
            "engine": "musicgen",
            "model": self._capabilities.name,
            "weights_sha256": loaded.weights_sha256,
            "device": loaded.device,
            "dtype": loaded.dtype,
            "torch": version("torch"),
            "transformers": version("transformers"),
        }
