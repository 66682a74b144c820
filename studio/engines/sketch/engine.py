"""The built-in engine: composes the song plan to notes and plays them. Needs no download and no GPU.

The same plan, seed, SoundFont and version give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from agents.knowledge import instruments
from agents.tune import Tune, lead_of, octaves_into
from agents.types import SongPlan
from audio.clip import Clip
from audio.mastering import LiveLimiter, TooQuiet, mastering_gain
from audio.midi import MidiTrack, midi_file
from studio.engines.base import Cancelled, Capabilities, Listener, Rendering, Sampling
from studio.engines.sketch.compose import compose
from studio.engines.sketch.exchange import exchanged, section_spans, sharps_of
from studio.engines.sketch.render import TARGET_LUFS, Session
from studio.engines.sketch.score import TICKS_PER_QUARTER, Score
from studio.engines.sketch.synth import SAMPLE_RATE_HZ, Font, load_font

ENGINE_VERSION = "1"
CEILING_DBTP = -1.0
_CUT_FADE_SECONDS = 0.05


class SketchEngine:
    """Composes and renders on this machine; keeps the studio's Engine protocol.

    soundfont: another .sf2 than the built-in. tunes: finds the melody that a request names, as notes.
    """

    def __init__(self, *, soundfont: Path | None = None, tunes: Callable[[str, Listener], Tune] | None = None) -> None:
        self._soundfont, self._tunes = soundfont, tunes
        self._font: Font | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="sketch", label="Sketch (built-in)", tier="built-in", sample_rate_hz=SAMPLE_RATE_HZ, channels=2,
            max_seconds=600.0, makes_stems=True, makes_midi=True, makes_tokens=False, edits_sections=True,
        )  # fmt: skip

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Make the plan's take, telling the listener as it goes.

        Raises Cancelled when stopped before any sound exists, EngineError for a SoundFont that cannot be played or a
        melody that is none.
        """
        tune = self._tune(plan, sampling, listener)
        listener.progress("loading", 0.0)
        font = self._font = self._font or load_font(self._soundfont)
        listener.progress("composing", 0.0)
        score = compose(plan, seed=sampling.seed, tune=tune)
        _unless_cancelled(listener)
        session = Session(score, font)
        listener.started(sample_rate_hz=SAMPLE_RATE_HZ, channels=2, frames=session.frames)
        try:
            done = self._render(session, listener)
        finally:
            session.close()
        if done == 0:
            raise Cancelled("The take was stopped before there was any sound.")
        listener.progress("mastering", 0.0)
        followed = {} if tune is None else {"melody": _followed(tune, plan)}
        return _finished(score, session, done, {**_identity(font, sampling.seed), **followed})

    def regenerate(
        self, plan: SongPlan, previous: Rendering, sections: Collection[int], sampling: Sampling, listener: Listener
    ) -> Rendering:
        """The take with these sections played anew, by this plan and seed; every other sample stays as it is.

        Raises Cancelled when stopped, EngineError when plan and take do not lie on the same bars.
        """
        section_spans(plan, sections, seconds=previous.clip.seconds)
        made = self.generate(plan, sampling, _Behind(listener))
        if not made.complete:
            raise Cancelled("Stopped; the take is as it was.")
        changed = exchanged(plan, previous, made, sections)
        listener.started(sample_rate_hz=SAMPLE_RATE_HZ, channels=2, frames=changed.clip.frames)
        listener.heard(changed.clip)
        return changed

    def unload(self) -> None:
        """Give back the SoundFont's memory; the next take reads it again."""
        self._font = None

    def _tune(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Tune | None:
        """The melody asked for, in the plan's key where that is wanted."""
        steering = sampling.steering
        if steering is None or not steering.melody or self._tunes is None:
            return None
        tune = self._tunes(steering.melody, listener)
        return tune.moved_to(plan.key.value) if steering.melody_to_key else tune

    @staticmethod
    def _render(session: Session, listener: Listener) -> int:
        """Play every block, give it out, and answer with the frames made before the end or a stop."""
        limiter = LiveLimiter(sample_rate_hz=SAMPLE_RATE_HZ, ceiling_db=CEILING_DBTP - 0.5)
        done = 0
        blocks = session.blocks()
        while done < session.frames and not listener.cancelled():
            block = next(blocks)
            done = block.start_frame + block.mix.shape[1]
            ready = limiter.push(block.mix * block.preview_gain, last=done == session.frames)
            if ready.shape[1]:
                listener.heard(Clip(ready, SAMPLE_RATE_HZ))
            if block.start_frame == 0:
                Thread(
                    target=import_module, args=("pyloudnorm",), daemon=True
                ).start()  # the mastering's, half a second
            listener.progress("rendering", done / session.frames)
        return done


class _Behind(Listener):
    """Lets progress and the wish to stop through, but no sound: what is played is not yet the take."""

    def __init__(self, before: Listener) -> None:
        self._before = before

    def progress(self, stage: str, fraction: float) -> None:
        self._before.progress(stage, fraction)

    def cancelled(self) -> bool:
        return self._before.cancelled()


def _unless_cancelled(listener: Listener) -> None:
    if listener.cancelled():
        raise Cancelled("The take was stopped before there was any sound.")


def _followed(tune: Tune, plan: SongPlan) -> Mapping[str, Any]:
    """What a take keeps of the melody it plays."""
    lead = lead_of(plan)
    singer = instruments().get(lead or "")
    octaves = octaves_into(tune, low=singer.low, high=singer.high) if singer else 0
    return {
        "source": tune.source, "name": tune.name, "notes": len(tune.notes), "bars": tune.bars(plan.meter.value),
        "key": tune.key.name, "drawn_to_grid": tune.on_grid, "played_by": lead, "moved_octaves": octaves,
    }  # fmt: skip


def _identity(font: Font, seed: int) -> Mapping[str, Any]:
    return {
        "engine": "sketch", "engine_version": ENGINE_VERSION, "soundfont": font.name,
        "soundfont_sha256": font.sha256, "seed": seed, "device": "cpu", "dtype": "float32",
    }  # fmt: skip


def _finished(score: Score, session: Session, frames: int, identity: Mapping[str, Any]) -> Rendering:
    """The loudness stage laid on the mix and, alike, on every stem, cut to what exists."""
    shape = session.shape[:frames]
    if frames < session.frames:
        length = min(frames, round(_CUT_FADE_SECONDS * SAMPLE_RATE_HZ))
        shape[frames - length :] *= np.linspace(1.0, 0.0, length, dtype=np.float32)
    mix = Clip(session.mix[:, :frames], SAMPLE_RATE_HZ)
    try:
        gain = mastering_gain(mix, target_lufs=TARGET_LUFS, ceiling_dbtp=CEILING_DBTP, shape=shape)
    except TooQuiet:
        gain = shape
    mix.samples[...] *= gain
    stems = {}
    for channel in session.channels:
        stem = channel.stem[:, :frames]
        stem *= gain
        stems[channel.part.name] = Clip(stem, SAMPLE_RATE_HZ)
    return Rendering(
        clip=mix,
        complete=frames == session.frames,
        stems=stems,
        midi=midi_of(score, seconds=frames / SAMPLE_RATE_HZ),
        identity=identity,
    )


def midi_of(score: Score, *, seconds: float) -> bytes:
    """The score as a Standard MIDI File, cut at `seconds`."""
    end = round(seconds / score.seconds_per_tick)
    tracks = [
        MidiTrack(
            name=part.instrument.label,
            program=(part.instrument.kit if part.is_kit else part.instrument.program) or 0,
            is_drums=part.is_kit,
            notes=[(n.start_tick, min(n.end_tick, end), n.pitch, n.velocity) for n in part.notes if n.start_tick < end],
        )
        for part in score.parts
    ]
    markers = [(tick, name) for tick, name in zip(score.section_ticks, score.section_names, strict=True) if tick < end]
    return midi_file(
        tracks, ticks_per_quarter=TICKS_PER_QUARTER, quarters_a_minute=score.quarters_a_minute,
        beats=score.meter.beats, unit=score.meter.unit, sharps=sharps_of(score.key), is_minor=score.key.is_minor,
        markers=markers,
    )  # fmt: skip
