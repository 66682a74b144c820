"""A plan's parts made one by one and mixed: a stem for each instrument, on one tempo, key and chords.

The layers are generated separately, each told of its own instrument and away from the others'; they share the plan, and
with a melody model its chords or a melody, but do not hear one another. Each is brought to the plan's tempo where that
can be measured, and its beat laid on the plan's; where a separator is here, what else it holds is taken out. Within a
bar their timing is as steady as the model's. Knows nothing of how one layer is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from agents.knowledge import genres, instruments
from agents.types import Decided, SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, EngineError, Listener, Rendering, Sampling

MOST_LAYERS = 8
CEILING = 10 ** (-1 / 20)  # the mix peaks at -1 dB of full scale
NOTE = "layers generated separately"
LEAST_PART = 0.01  # of a layer's power: 20 dB below it the model played something else, or the separator errs
_EDGE_SECONDS = 0.02

Play = Callable[[SongPlan, Sampling, Listener], Rendering]
Alone = Callable[[Clip, str], Clip | None]  # a clip's part of an instrument; None where it cannot be told apart
MakeTrue = Callable[[Rendering, SongPlan], Rendering]  # to the plan's tempo, with its grid in its identity


@dataclass(frozen=True, slots=True)
class Layer:
    """One part: its stem's name, and the plan as it alone is told of it."""

    name: str
    instrument: str
    plan: SongPlan


def layers_of(plan: SongPlan) -> list[Layer]:
    """The plan's parts. Raises EngineError when it names no instruments, or too many."""
    chosen = list(dict.fromkeys(plan.instruments.value))
    if not chosen:
        raise EngineError("The plan names no instruments to make layers of: add some, or make it in one piece.")
    if len(chosen) > MOST_LAYERS:
        raise EngineError(
            f"{len(chosen)} instruments are too many layers: keep {MOST_LAYERS} of them, or make it in one piece."
        )
    known = instruments()
    if unknown := [name for name in chosen if name not in known]:
        raise EngineError(f"There is no instrument “{unknown[0]}”: choose another one in the plan.")
    return [Layer(known[name].label, name, _plan_for(plan, name, chosen)) for name in chosen]


def render(
    plan: SongPlan,
    sampling: Sampling,
    listener: Listener,
    play: Play,
    *,
    make_true: MakeTrue = lambda one, plan: one,
    alone: Alone = lambda clip, instrument: None,
) -> Rendering:
    """Make every layer with `play`, then mix them; the mix is heard while the last one is made.

    Stopped, it keeps the layers so far, the last as far as it went. Raises Cancelled before any sound, and what
    `play` raises.
    """
    layers = layers_of(plan)
    made: list[tuple[Layer, Rendering]] = []
    for number, layer in enumerate(layers):
        follower = _Follower(listener, layers, number, [_muted(plan, each, one) for each, one in made])
        try:
            one = play(layer.plan, _sampling_for(sampling, number), follower)
        except Cancelled:
            if not made:
                raise
            break
        if one.complete:
            one = _only(on_the_beat(make_true(one, layer.plan), plan), layer, alone)
        made.append((layer, one))
        if not one.complete:
            break
    return _mixed(plan, made, complete=len(made) == len(layers) and made[-1][1].complete)


def _only(one: Rendering, layer: Layer, alone: Alone) -> Rendering:
    """The layer's own part of what was drawn, unless hardly anything of it is there: then all of it."""
    part = alone(one.clip, layer.instrument)
    if part is None or np.square(part.samples).mean() < LEAST_PART * np.square(one.clip.samples).mean():
        return one
    return replace(one, clip=part, identity={**one.identity, "separated": True})


def on_the_beat(one: Rendering, plan: SongPlan) -> Rendering:
    """The layer moved by at most half a beat, so that its beats lie on the plan's; as it is where none were measured."""
    grid = one.identity.get("grid", {})
    beat_seconds = 60.0 / plan.tempo_bpm.value
    if grid.get("tempo_bpm") != plan.tempo_bpm.value:
        return one
    late = (grid["first_beat_seconds"] + beat_seconds / 2) % beat_seconds - beat_seconds / 2
    move, frames = round(late * one.clip.sample_rate_hz), one.clip.frames
    samples = np.pad(one.clip.samples, ((0, 0), (max(0, -move), max(0, move))))[:, max(0, move) :][:, :frames]
    moved = {**grid, "first_beat_seconds": 0.0, "moved_by_seconds": -late}
    clip = Clip(np.ascontiguousarray(samples), one.clip.sample_rate_hz)
    return replace(one, clip=clip, identity={**one.identity, "grid": moved})


def _plan_for(plan: SongPlan, name: str, chosen: list[str]) -> SongPlan:
    known = instruments()
    genre = genres().get(plan.genre.value)
    mood = ", ".join(plan.moods.value[:2])
    words = ", ".join(
        part
        for part in (
            f"solo {known[name].prompt}",
            genre.label if genre else "",
            mood,
            f"{plan.tempo_bpm.value:g} bpm",
            plan.key.value.name,
        )
        if part
    )
    others = [known[other].prompt for other in chosen if other != name]
    negative = ", ".join([*filter(None, [plan.negative_prompt.value]), *others])
    sections = [section.model_copy(update={"prompt": Decided(value=words)}) for section in plan.sections]
    return plan.model_copy(
        update={
            "prompt": Decided(value=words),
            "negative_prompt": Decided(value=negative),
            "instruments": Decided(value=[name]),
            "sections": sections,
        }
    )


def _sampling_for(sampling: Sampling, number: int) -> Sampling:
    """A seed of its own for each layer, and no layers of layers."""
    steering = sampling.steering and sampling.steering.model_copy(update={"layers": False})
    return sampling.model_copy(update={"seed": (sampling.seed + number) % 2**32, "steering": steering})


def _muted(plan: SongPlan, layer: Layer, one: Rendering) -> Clip:
    """The layer's sound where the plan has it play, silence elsewhere, with soft edges."""
    rate = one.clip.sample_rate_hz
    gain = np.zeros(one.clip.frames, np.float32)
    starts = [round(start * rate) for start in plan.section_starts_seconds()] + [one.clip.frames]
    starts[-1] = max(starts[-1], one.clip.frames)
    names_any = any(layer.instrument in section.instruments.value for section in plan.sections)
    for section, start, end in zip(plan.sections, starts, starts[1:], strict=False):
        if layer.instrument in section.instruments.value or not names_any:
            gain[start:end] = 1.0
    edge = max(1, round(_EDGE_SECONDS * rate))
    if (gain != 1.0).any():
        gain = np.convolve(gain, np.ones(edge, np.float32) / edge, mode="same")[: len(gain)].astype(np.float32)
    return Clip(one.clip.samples * gain, rate)


def _mixed(plan: SongPlan, made: list[tuple[Layer, Rendering]], *, complete: bool) -> Rendering:
    frames = max(one.clip.frames for _, one in made)
    first = made[0][1]
    stems: dict[str, Clip] = {}
    for layer, one in made:
        sound = _muted(plan, layer, one).samples
        stems[layer.name] = Clip(np.pad(sound, ((0, 0), (0, frames - sound.shape[1]))), one.clip.sample_rate_hz)
    total = np.sum([stem.samples for stem in stems.values()], axis=0)
    gain = np.float32(min(1.0, CEILING / max(float(np.abs(total).max()), 1e-9)))
    stems = {name: replace(stem, samples=stem.samples * gain) for name, stem in stems.items()}
    identity = dict(first.identity) | {"layers": [layer.instrument for layer, _ in made], "layers_note": NOTE}
    identity["layers_separated"] = [layer.instrument for layer, one in made if one.identity.get("separated")]
    identity["layers_grids"] = {layer.instrument: one.identity.get("grid", {}) for layer, one in made}
    return Rendering(
        clip=Clip(total * gain, first.clip.sample_rate_hz), complete=complete, stems=stems, identity=identity,
        trouble=next((one.trouble for _, one in made if one.trouble), ""),
    )  # fmt: skip


class _Follower(Listener):
    """Follows one layer of several: its progress is a share, and the last one's sound is heard with all before it."""

    def __init__(self, listener: Listener, layers: list[Layer], number: int, before: list[Clip]) -> None:
        self._listener, self._layers, self._number = listener, layers, number
        self._before = before
        self._heard = 0

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        if self._number == 0:
            self._listener.started(sample_rate_hz=sample_rate_hz, channels=channels, frames=frames)

    def heard(self, clip: Clip) -> None:
        if self._number < len(self._layers) - 1:
            return
        sound = clip.samples.copy()
        for other in self._before:
            under = other.samples[:, self._heard : self._heard + clip.frames]
            sound[:, : under.shape[1]] += under
        self._heard += clip.frames
        quieter = np.float32(len(self._layers) ** -0.5)
        self._listener.heard(Clip((sound * quieter).clip(-1.0, 1.0), clip.sample_rate_hz))

    def progress(self, stage: str, fraction: float) -> None:
        layer = self._layers[self._number]
        named = f"{layer.name}, {self._number + 1} of {len(self._layers)}" if stage == "composing" else stage
        self._listener.progress(named, fraction)

    def cancelled(self) -> bool:
        return self._listener.cancelled()
