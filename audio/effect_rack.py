"""A chain of effects laid on a clip: pedalboard's plug-ins (GPL-3), and stereo width by mid and side.

Works a few seconds at a time, so that ten minutes need the room of their samples only, and gives the same samples as
the whole at once. Latency is taken out: a kick stays where it was. Knows nothing of presets or of the mixer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio import effects as fx
from audio.clip import Clip
from audio.loudness import integrated_lufs
from audio.work import Progress, Stopped, check_stopped, never, unheard, usable

_BLOCK_SECONDS = 5.0
_FLUSH_SECONDS = 0.5  # more than any effect here holds back
_MAX_RATE_HZ = 192_000

Stage = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Matched:
    """A clip brought to another's loudness, and by how much."""

    clip: Clip
    gain_db: float


def apply_chain(
    clip: Clip,
    chain: fx.Chain,
    *,
    tempo_bpm: float | None = None,
    tail_seconds: float = 0.0,
    plugins_allowed: bool = False,
    progress: Progress = unheard,
    cancelled: Stopped = never,
) -> Clip:
    """The clip through the chain, as long as before (and tail_seconds longer, for echoes to ring out).

    tempo_bpm: for delays in beats. A mono clip stays mono; more than two channels are mixed to two. Raises
    SoundUnusable, EffectsError (a plug-in that is not allowed or does not load), WorkCancelled.
    """
    clip = usable(clip)
    if clip.channels == 1 and any(isinstance(effect, fx.Plugin) and effect.on for effect in chain.effects):
        # Many plug-ins know stereo only.
        made = apply_chain(
            clip.stereo(), chain, tempo_bpm=tempo_bpm, tail_seconds=tail_seconds, plugins_allowed=plugins_allowed,
            progress=progress, cancelled=cancelled,
        )  # fmt: skip
        return made.mono()
    rate = clip.sample_rate_hz
    if rate > _MAX_RATE_HZ:
        raise fx.EffectsError(f"Effects run at up to {_MAX_RATE_HZ} Hz; this sound has {rate}. Convert it first.")
    stages = [
        stage for effect in chain.effects if effect.on for stage in _stages(effect, clip, tempo_bpm, plugins_allowed)
    ]
    frames = clip.frames + round(max(0.0, tail_seconds) * rate)
    if not stages:
        return clip if frames == clip.frames else Clip(_padded(clip.samples, frames), rate)
    out = np.zeros((clip.channels, frames), np.float32)
    done = 0
    for block in _blocks(clip, frames + round(_FLUSH_SECONDS * rate)):
        check_stopped(cancelled)
        for stage in stages:
            if block.shape[1]:
                block = stage(block)
        block = block[:, : frames - done]
        out[:, done : done + block.shape[1]] = block
        done += block.shape[1]
        progress(min(1.0, done / frames))
    # A filter driven to its edge can run away; better a silence than a number that is none.
    np.nan_to_num(out, copy=False)
    np.clip(out, -64.0, 64.0, out=out)
    return Clip(out, rate)


def at_matched_loudness(clip: Clip, reference: Clip) -> Matched:
    """The clip as loud as the reference, for a fair before and after; a silent one stays as it is."""
    gain_db = integrated_lufs(reference) - integrated_lufs(clip)
    if not np.isfinite(gain_db):
        return Matched(clip, 0.0)
    return Matched(Clip(clip.samples * np.float32(10 ** (gain_db / 20)), clip.sample_rate_hz), gain_db)


def widened(samples: np.ndarray, width: float) -> np.ndarray:
    """Stereo samples with their sides made `width` times as strong; anything but two channels stays."""
    if samples.shape[0] != 2:
        return samples
    mid, side = (samples[0] + samples[1]) / 2, (samples[0] - samples[1]) * (width / 2)
    return np.stack([mid + side, mid - side]).astype(np.float32)


def _blocks(clip: Clip, frames: int) -> Iterator[np.ndarray]:
    """The clip and then silence, in blocks; the last is never so short that its channels could be mistaken."""
    step = max(8192, round(_BLOCK_SECONDS * clip.sample_rate_hz))
    for start in range(0, frames, step):
        end = min(start + step, frames)
        piece = clip.samples[:, start:end]
        yield np.ascontiguousarray(_padded(piece, max(end - start, 4096)))


def _padded(samples: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(samples, ((0, 0), (0, max(0, frames - samples.shape[1]))))


def _stages(effect: Any, clip: Clip, tempo_bpm: float | None, plugins_allowed: bool) -> list[Stage]:
    """What one effect does to a block, keeping its state from block to block."""
    rate, board = clip.sample_rate_hz, _board
    match effect:
        case fx.Width():
            return [_width(effect, rate)] if clip.channels == 2 else []
        case fx.Plugin():
            if not plugins_allowed:
                raise fx.EffectsError("Plug-ins run only for this machine's own user, not when the studio is shared.")
            from audio.plugin_hosting import open_plugin

            return [_in_words(board([open_plugin(effect)], rate), effect)]
        case _:
            plugins = _plugins(effect, rate, tempo_bpm)
            return [board(plugins, rate)] if plugins else []


def _board(plugins: list[Any], rate: int) -> Stage:
    from pedalboard import Pedalboard

    made = Pedalboard(plugins)
    return lambda block: np.asarray(made.process(block, float(rate), reset=False), np.float32)


def _in_words(stage: Stage, effect: fx.Plugin) -> Stage:
    """A plug-in's stage, its refusals said as ours."""

    def told(block: np.ndarray) -> np.ndarray:
        try:
            return stage(block)
        except (ValueError, RuntimeError) as error:
            name = effect.name or effect.path
            raise fx.EffectsError(f"The plug-in {name} refused this sound: {str(error)[:200]}") from error

    return told


def _plugins(effect: Any, rate: int, tempo_bpm: float | None) -> list[Any]:
    import pedalboard as pb

    nyquist = 0.45 * rate
    match effect:
        case fx.Gain():
            return [pb.Gain(effect.gain_db)]
        case fx.Reverb():
            # Freeverb scales its wet signal by three: a third is unity.
            room = pb.Reverb(effect.room_size, effect.damping, wet_level=1 / 3, dry_level=0.0, width=effect.width)
            before: list[Any] = [pb.HighpassFilter(min(effect.low_cut_hz, nyquist))]
            if effect.pre_delay_seconds > 0.0005:
                before.append(pb.Delay(effect.pre_delay_seconds, feedback=0.0, mix=1.0))
            return _blended([*before, room], effect.mix)
        case fx.Delay():
            seconds = min(8.0, effect.beats * 60 / tempo_bpm) if effect.beats and tempo_bpm else effect.seconds
            return [pb.Delay(seconds, feedback=effect.feedback, mix=effect.mix)]
        case fx.Compressor():
            pump = pb.Compressor(effect.threshold_db, effect.ratio, effect.attack_ms, effect.release_ms)
            return _blended([pump, pb.Gain(effect.makeup_db)], effect.mix)
        case fx.Equalizer():
            return [plugin for band in effect.bands for plugin in _band(band, nyquist)]
        case fx.Filter():
            pole = effect.mode.replace("low pass ", "LPF").replace("high pass ", "HPF").replace("band pass ", "BPF")
            mode = getattr(pb.LadderFilter.Mode, pole)
            return [pb.LadderFilter(mode, min(effect.cutoff_hz, nyquist), min(effect.resonance, 0.98), effect.drive)]
        case fx.Chorus():
            return [pb.Chorus(effect.rate_hz, effect.depth, effect.delay_ms, effect.feedback, effect.mix)]
        case fx.Phaser():
            return [
                pb.Phaser(effect.rate_hz, effect.depth, min(effect.centre_hz, nyquist), effect.feedback, effect.mix)
            ]
        case fx.Saturation():
            # tanh(g·x) of a signal near -12 dBFS is about so much louder; taking it back leaves the colour.
            level = 10 ** (-12 / 20)
            back_db = 20 * np.log10(level / np.tanh(level * 10 ** (effect.drive_db / 20)))
            return _blended([pb.Distortion(effect.drive_db), pb.Gain(float(back_db))], effect.mix)
        case fx.Crusher():
            return _blended([pb.Bitcrush(effect.bits)], effect.mix)
        case fx.Gate():
            return [pb.NoiseGate(effect.threshold_db, effect.ratio, effect.attack_ms, effect.release_ms)]
        case fx.Limiter():
            return [pb.BrickwallLimiter(effect.ceiling_db, effect.release_ms, true_peak=True)]
    raise fx.EffectsError(f"The studio has no effect called “{effect.kind}”.")


def _band(band: fx.Band, nyquist: float) -> list[Any]:
    import pedalboard as pb

    hertz = min(band.frequency_hz, nyquist)
    match band.shape:
        case "low cut":  # two first-order filters: 12 dB an octave
            return [pb.HighpassFilter(hertz), pb.HighpassFilter(hertz)]
        case "high cut":
            return [pb.LowpassFilter(hertz), pb.LowpassFilter(hertz)]
        case "low shelf":
            return [pb.LowShelfFilter(hertz, band.gain_db, band.q)] if band.gain_db else []
        case "high shelf":
            return [pb.HighShelfFilter(hertz, band.gain_db, band.q)] if band.gain_db else []
    return [pb.PeakFilter(hertz, band.gain_db, band.q)] if band.gain_db else []


def _blended(wet: list[Any], mix: float) -> list[Any]:
    """The wet chain beside the dry sound."""
    import pedalboard as pb

    if mix <= 0.0:
        return []
    if mix >= 1.0:
        return wet
    dry_db, wet_db = 20 * np.log10(1 - mix), 20 * np.log10(mix)
    return [pb.Mix([pb.Gain(float(dry_db)), pb.Chain([*wet, pb.Gain(float(wet_db))])])]


def _width(effect: fx.Width, rate: int) -> Stage:
    if effect.mono_below_hz <= 0:
        return lambda block: widened(block, effect.width)
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sections = butter(2, effect.mono_below_hz, "highpass", fs=rate, output="sos")
    state = np.zeros_like(sosfilt_zi(sections))

    def stage(block: np.ndarray) -> np.ndarray:
        nonlocal state
        mid, side = (block[0] + block[1]) / 2, (block[0] - block[1]) * (effect.width / 2)
        side, state = sosfilt(sections, side, zi=state)
        return np.stack([mid + side, mid - side]).astype(np.float32)

    return stage
