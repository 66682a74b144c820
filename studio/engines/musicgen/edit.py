"""Editing sound that exists: going on from a point, and making a region anew.

What is kept stays as it is: its codes when there are any, its samples in any case. A region is filled from what comes
before it by several candidates, which are ranked by how likely what comes after them then is (teacher-forced) and by
how their joins sound; the model itself only ever looks back. Knows nothing of where takes are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np

from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, Continue, EngineError, Listener, Rendering, Repaint, Sampling, Source
from studio.engines.edits import Grid, trouble_with
from studio.engines.musicgen import encoder, joins, longform
from studio.engines.musicgen.decode import FRAMES_A_SECOND
from studio.engines.musicgen.memory import lasting, ran_out_after
from studio.engines.musicgen.perform import (
    NOTHING,
    Performer,
    check_candidates,
    choice_of,
    gathered,
    perform,
    room_for_context,
    within,
)
from studio.engines.musicgen.sound import WARM_FRAMES, decoded

SALT = {"continue": 1, "repaint": 2, "vary": 3}
AFTER_FRAMES = 100  # of what follows a region, whose likelihood ranks the candidates
BEFORE_FRAMES = 200  # of the candidate and what precedes it, heard for that
PAST_FRAMES = 25  # of what follows, decoded with a candidate so that its end hears it


def grid_of(plan: SongPlan, source: Source) -> Grid:
    """Where the bars of the source lie: as measured when it was made, else as planned."""
    meter, tempo_bpm, first = plan.meter.value, plan.tempo_bpm.value, 0.0
    measured = source.identity.get("grid", {})
    if measured.get("tempo_bpm"):
        tempo_bpm, first = float(measured["tempo_bpm"]), float(measured.get("first_beat_seconds", 0.0))
    bar = meter.bar_seconds(tempo_bpm)
    beats = max(1, round(meter.quarters_per_bar / meter.quarters_per_felt_beat))
    if first > bar / beats / 2:  # the beat before is nearer to the start, where music begins with a bar
        first -= bar / beats
    return Grid(beat_seconds=bar / beats, beats_a_bar=beats, first_beat_seconds=first)


# ------------------------------------------------------------------------------------------------------ going on


def go_on(
    performer: Performer, edit: Continue, source: Source, plan: SongPlan, sampling: Sampling, listener: Listener
) -> Rendering:
    """Keep the source up to the point, in the model's rate and channels, and draw on to the plan's end.

    The kept codes and samples are kept to the bit, but for the last 160 ms, which go over into the new. Raises
    EngineError for a point outside the sound, silence before it, or a plan that ends before it.
    """
    lasts = source.clip.seconds
    at_seconds = lasts if edit.from_seconds is None else edit.from_seconds
    if trouble := trouble_with(edit, lasts_seconds=lasts, name=source.name):
        raise EngineError(trouble)
    check_candidates(sampling, sampling.candidates)
    at_frame = floor(min(at_seconds, lasts) * FRAMES_A_SECOND + 1e-6)
    before = source.clip.between(0.0, at_frame / FRAMES_A_SECOND)
    if at_frame == 0:
        raise EngineError("There is nothing before that point to go on from: choose a later one, or make a new take.")
    encoder.check_sound(before, what=f"What comes before {at_seconds:.1f} s")
    samples = round(plan.seconds.value * performer.sample_rate_hz)
    if samples <= at_frame * performer.hop:
        raise EngineError("There is no room after that point: ask for more seconds, or choose an earlier one.")
    tokens = performer.tokens_of(source, listener, until_seconds=at_frame / FRAMES_A_SECOND)[:, :at_frame]
    kept = encoder.fitted(source.clip, sample_rate_hz=performer.sample_rate_hz, channels=performer.channels)
    frames = ceil(samples / performer.hop)
    made = perform(
        performer,
        within(longform.spans_of(plan, frames=frames), at_frame, frames, words=edit.words),
        samples=samples,
        sampling=sampling,
        listener=listener,
        dice=longform.dice_for(sampling.seed, sampling.candidates, salt=SALT["continue"]),
        given=tokens,
        kept=_at_least(kept, at_frame * performer.hop),
    )
    note = {"continued_from_seconds": at_frame / FRAMES_A_SECOND}
    every = [replace(each, identity={**each.identity, **note}, others=()) for each in (made, *made.others)]
    return gathered(every)


def _at_least(clip: Clip, frames: int) -> Clip:
    """The clip, lengthened by silence if resampling left it a sample short."""
    short = frames - clip.frames
    return clip if short <= 0 else Clip(np.pad(clip.samples, ((0, 0), (0, short))), clip.sample_rate_hz)


# ------------------------------------------------------------------------------------------------- a region anew


@dataclass(frozen=True, slots=True)
class _Region:
    """A region in the source's samples and in frames; the frames cover the samples."""

    start: int
    end: int
    start_frame: int
    end_frame: int


def repaint(
    performer: Performer, edit: Repaint, source: Source, plan: SongPlan, sampling: Sampling, listener: Listener
) -> Rendering:
    """Make a region anew; the result has the source's rate and channels (two at most) and its samples elsewhere.

    The best candidate is the rendering, the further ones are its others, best first. The listener hears what comes
    before the region at once and the rest when the best is known. Stopped, the sound ends within the region. Raises
    EngineError for a region that is empty or not within the sound, or a silent source.
    """
    clip = source.clip if source.clip.channels <= 2 else source.clip.stereo()
    region = _region(edit, clip, plan, source)
    encoder.check_sound(clip, what=source.name[:1].upper() + source.name[1:])
    check_candidates(sampling, edit.candidates)
    tokens = performer.tokens_of(source, listener)
    region = replace(region, end_frame=min(region.end_frame, tokens.shape[1]))
    listener.started(sample_rate_hz=clip.sample_rate_hz, channels=clip.channels, frames=clip.frames)
    if region.start:
        listener.heard(Clip(clip.samples[:, : region.start], clip.sample_rate_hz))
    fills = _fills(performer, edit, plan, sampling, listener, tokens=tokens, region=region)
    whole = fills.shape[-1] == region.end_frame - region.start_frame
    if not whole:
        made = _stopped(performer, clip, tokens, region, fills[0])
        if not listener.cancelled():
            made = replace(made, trouble=ran_out_after(made.clip.seconds))
        listener.heard(Clip(made.clip.samples[:, region.start :], clip.sample_rate_hz))
        return made
    surprise = np.zeros(len(fills))
    with lasting(lambda: True):  # without, the joins alone decide
        surprise = _surprise(performer, edit, plan, tokens=tokens, region=region, fills=fills)
    ranked = sorted(
        (
            _filled(performer, clip, tokens, region, fill, candidate=number, surprise=float(nats))
            for number, (fill, nats) in enumerate(zip(fills, surprise, strict=True))
        ),
        key=lambda each: each.identity["repainted"]["score"],
    )
    listener.heard(Clip(ranked[0].clip.samples[:, region.start :], clip.sample_rate_hz))
    return gathered(ranked)


def _region(edit: Repaint, clip: Clip, plan: SongPlan, source: Source) -> _Region:
    start, end, lasts = edit.start_seconds, edit.end_seconds, clip.seconds
    if trouble := trouble_with(edit, lasts_seconds=lasts, name=source.name):
        raise EngineError(trouble)
    start, end = grid_of(plan, source).snapped(start, min(end, lasts), to=edit.snap, length_seconds=lasts)
    first, last = round(start * clip.sample_rate_hz), min(clip.frames, round(end * clip.sample_rate_hz))
    if last - first < clip.sample_rate_hz // FRAMES_A_SECOND:
        raise EngineError("The region is shorter than a fiftieth of a second: mark a longer one.")
    return _Region(first, last, floor(start * FRAMES_A_SECOND + 1e-6), ceil(end * FRAMES_A_SECOND - 1e-6))


def _fills(
    performer: Performer,
    edit: Repaint,
    plan: SongPlan,
    sampling: Sampling,
    listener: Listener,
    *,
    tokens: np.ndarray,
    region: _Region,
) -> np.ndarray:
    """The candidates' codes for the region (candidates, codebooks, frames), fewer frames when stopped."""
    spans = longform.spans_of(plan, frames=max(tokens.shape[1], region.end_frame))
    wanted = region.end_frame - region.start_frame
    drawn = longform.draw(
        performer.voice,
        performer.listen,
        within(spans, region.start_frame, region.end_frame, words=edit.words),
        given=tokens[:, : region.start_frame],
        choice=choice_of(sampling),
        dice=longform.dice_for(sampling.seed, edit.candidates, salt=SALT["repaint"]),
        cancelled=listener.cancelled,
        context_frames=room_for_context(performer, wanted, candidates=edit.candidates),
        goes_on=region.end_frame < tokens.shape[1],
    )
    frames: list[np.ndarray] = []
    with lasting(lambda: bool(frames)):
        for frame in drawn:
            frames.append(frame)
            listener.progress("composing", len(frames) / wanted)
    if not frames:
        raise Cancelled(NOTHING)
    return np.stack(frames, axis=-1)


def _surprise(
    performer: Performer, edit: Repaint, plan: SongPlan, *, tokens: np.ndarray, region: _Region, fills: np.ndarray
) -> np.ndarray:
    """How unlikely what follows the region is after each candidate, in nats a code; zeros when nothing follows."""
    import torch

    after = tokens[:, region.end_frame : region.end_frame + AFTER_FRAMES]
    if not after.shape[1]:
        return np.zeros(len(fills))
    before = np.repeat(tokens[None, :, : region.start_frame], len(fills), axis=0)
    led = np.concatenate([before, fills], axis=-1)[..., -BEFORE_FRAMES:]
    codes = np.concatenate([led, np.repeat(after[None], len(fills), axis=0)], axis=-1)
    first_frame = region.end_frame - led.shape[-1]
    spans = longform.spans_of(plan, frames=tokens.shape[1])
    prompts = within(spans, region.end_frame, tokens.shape[1])[0].prompts
    heard = performer.listen_plainly(prompts, first_frame)
    return performer.voice.surprise(heard, torch.from_numpy(codes.astype(np.int64)), first_frame=led.shape[-1]).numpy()


def _filled(
    performer: Performer,
    clip: Clip,
    tokens: np.ndarray,
    region: _Region,
    fill: np.ndarray,
    *,
    candidate: int,
    surprise: float,
) -> Rendering:
    """One candidate in its place, with how it fits."""
    codes = np.concatenate([tokens[:, : region.start_frame], fill, tokens[:, region.end_frame :]], axis=1)
    patch = _patch(performer, clip, codes, region, until_frame=region.end_frame + PAST_FRAMES)
    whole = joins.laid_in(clip, patch, start=region.start)
    edges = [edge / clip.sample_rate_hz for edge in (region.start, region.end) if 0 < edge < clip.frames]
    jumps = [joins.flux_at(whole, edge) for edge in edges]
    note = {
        "start_seconds": region.start / clip.sample_rate_hz,
        "end_seconds": region.end / clip.sample_rate_hz,
        "candidate": candidate,
        "nats_a_code_after": surprise,
        "joins_flux": jumps,
        "score": surprise + sum(max(0.0, min(jump, 10.0) - 1.0) for jump in jumps),
    }
    identity = {**performer.identity, "repainted": note}
    return Rendering(clip=whole, complete=True, tokens=codes, identity=identity)


def _stopped(performer: Performer, clip: Clip, tokens: np.ndarray, region: _Region, fill: np.ndarray) -> Rendering:
    """The sound up to where the first candidate had come."""
    codes = np.concatenate([tokens[:, : region.start_frame], fill], axis=1)
    end = min(region.end, round(codes.shape[1] / FRAMES_A_SECOND * clip.sample_rate_hz))
    begun = replace(region, end=max(end, region.start))
    patch = _patch(performer, clip, codes, begun, until_frame=codes.shape[1])
    short = Clip(clip.samples[:, : begun.end], clip.sample_rate_hz)
    return Rendering(
        clip=joins.laid_in(short, patch, start=region.start),
        complete=False,
        tokens=codes,
        identity=dict(performer.identity),
    )


def _patch(performer: Performer, clip: Clip, codes: np.ndarray, region: _Region, *, until_frame: int) -> np.ndarray:
    """The region's new samples (channels, samples) in the clip's rate and channels, decoded with its neighbourhood."""
    low = max(0, region.start_frame - WARM_FRAMES)
    sound = Clip(
        decoded(performer.codec, codes[:, low:until_frame], channels=performer.channels), performer.sample_rate_hz
    )
    sound = encoder.fitted(sound, sample_rate_hz=clip.sample_rate_hz, channels=clip.channels)
    offset = round(low / FRAMES_A_SECOND * clip.sample_rate_hz)
    patch = sound.samples[:, region.start - offset : region.end - offset]
    short = region.end - region.start - patch.shape[1]
    return np.pad(patch, ((0, 0), (0, max(0, short))))
