"""Do the meters read what the EBU's signals hold, and does mastering keep what it promises?

    .venv/bin/python benchmarks/loudness.py --clips 200 --write

First every signal of EBU Tech 3341 and 3342 that can be synthesised. Then clips of all kinds are mastered to −14, −9 and
−23 LUFS in turn, most of them parts of sketches and every eighth something harder (noise, clicks, hot, quiet, mono, other
rates), and measured again, also as the MP3 of 192 kbit/s that is made and decoded here by code of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "loudness.md"
KEPT = ROOT / "out" / "masters"
TARGETS = ((-14.0, -1.0), (-9.0, -1.0), (-23.0, -1.0))

from audio.clip import Clip  # noqa: E402
from benchmarks.ebu_signals import read, signals  # noqa: E402


@dataclass(frozen=True)
class Mastered:
    """One clip's master, measured."""

    name: str
    target_lufs: float
    loudness_lufs: float
    peak_dbtp: float
    mp3_peak_dbtp: float
    held_db: float
    reasons: tuple[str, ...] | list[str]
    times_real_time: float

    @property
    def within(self) -> bool:
        return abs(self.loudness_lufs - self.target_lufs) <= 0.2


def clips(count: int, seconds: float):
    """(name, genre, what makes the clip) of so many varied clips."""
    from benchmarks.corpus import sketches

    hard = list(_hard(seconds))
    soft = sketches(per_genre=max(1, -(-count // 57)), seconds=30.0)
    for number in range(count):
        if number % 8 == 7:
            name, clip = hard[(number // 8) % len(hard)]
            yield f"{name} {number}", "pop", lambda clip=clip: clip
        else:
            sketch = soft[(number * 7) % len(soft)]
            yield (
                f"{sketch.genre} {sketch.seed}",
                sketch.genre,
                lambda s=sketch, n=number: _sounding(s, 3.0 * (n % 5), seconds),
            )


def _sounding(sketch, start: float, seconds: float) -> Clip:
    """A part of a sketch that is not silent, from start on or from its beginning."""
    whole = sketch.clip()
    part = whole.between(start, start + seconds)
    return part if np.abs(part.samples).max(initial=0.0) > 0.01 else whole.between(0.0, 2 * seconds)


def _code_name() -> str:
    """A name for the code that masters; a change of it measures anew."""
    said = hashlib.sha256()
    for name in ("loudness_target", "mastering_chain", "tonal_balance", "mastering", "loudness", "loudness_report"):
        said.update((ROOT / "audio" / f"{name}.py").read_bytes())
    return said.hexdigest()[:10]


def _hard(seconds: float):
    """Sounds nobody would call music, and music in odd shapes."""
    noise, rate = np.random.default_rng(7), 44_100
    frames = round(seconds * rate)
    white = noise.standard_normal((2, frames))
    yield "white noise", Clip(white * 0.1, rate)
    yield "white noise, clipped", Clip(np.clip(white * 2, -1, 1), rate)
    clicks = white * 0.001
    clicks[:, :: rate // 2] = 0.9
    yield "clicks over little", Clip(clicks, rate)
    wave = np.sin(2 * np.pi * 997 * np.arange(frames) / rate)
    yield "sine", Clip(np.stack([wave, wave]) * 0.5, rate)
    yield "sine, very quiet", Clip(np.stack([wave, wave]) * 1e-3, rate)
    square = np.sign(np.sin(2 * np.pi * 60 * np.arange(frames) / rate))
    yield "square, mono", Clip(square[None] * 0.9, rate)
    yield "opposed channels", Clip(np.stack([wave, -wave]) * 0.3, rate)
    swell = np.linspace(0, 1, frames) ** 3
    yield "a long swell", Clip(white * swell * 0.3, rate)
    yield "one stroke in silence", Clip(white * np.exp(-np.arange(frames) / 3000) * 0.3, rate)
    yield "48 kHz", Clip(white[:, : 2 * 48_000] * 0.1, 48_000)
    yield "96 kHz", Clip(np.cumsum(white[:, : 2 * 96_000], axis=1) * 1e-3, 96_000)
    yield "half a second", Clip(white[:, : rate // 2] * 0.2, rate)
    yield "over full scale", Clip(white * 1.5, rate)


def mp3_peak_dbtp(clip: Clip) -> float:
    """By LAME's own encoder (lameenc) where MP3 knows the rate, and the decoder's floats: not the code that is judged."""
    import soundfile

    from audio.loudness import true_peak_dbtp
    from audio.loudness_target import after_mp3

    if clip.sample_rate_hz not in (32_000, 44_100, 48_000):
        return true_peak_dbtp(after_mp3(clip))
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(192)
    encoder.set_in_sample_rate(clip.sample_rate_hz)
    encoder.set_channels(clip.channels)
    encoder.set_quality(2)
    whole = np.rint(np.clip(clip.samples.T, -1, 1) * 32_767).astype("<i2")
    data = bytes(encoder.encode(whole.tobytes()) + encoder.flush())
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return true_peak_dbtp(Clip(samples.T, rate))


def master(name: str, clip: Clip, genre: str, number: int) -> Mastered:
    from audio.loudness import integrated_lufs, true_peak_dbtp
    from audio.mastering_chain import MasteringSettings, master_track
    from audio.tonal_balance import curve_of_genre

    target, ceiling = TARGETS[number % len(TARGETS)]
    settings = MasteringSettings(target_lufs=target, ceiling_dbtp=ceiling, curve=curve_of_genre(genre))
    began = time.process_time()
    made = master_track(clip, settings)
    speed = clip.seconds / (time.process_time() - began)
    held = 0.0
    for sentence in made.done:
        if sentence.startswith("Peaks held down by up to "):
            held = float(sentence.split()[6])
    mp3 = max(mp3_peak_dbtp(made.clip), made.mp3_peak_dbtp or -200.0)
    return Mastered(
        name, target, integrated_lufs(made.clip), true_peak_dbtp(made.clip), mp3, held, made.reasons, speed
    )  # fmt: skip


def page(readings: list[tuple], masters: list[Mastered], seconds: float) -> str:
    right = sum(signal.passes(value) for signal, value in readings)
    rows = ["| signal | reading | must be | tolerance | reads | |", "|---|---|---|---|---|---|"]
    grouped: dict[str, list[tuple]] = {}
    for signal, value in readings:
        grouped.setdefault(f"{signal.document}-{signal.number.split('.')[0]} {signal.reading}", []).append(
            (signal, value)
        )
    for members in grouped.values():
        first = members[0][0]
        number = first.number.split(".")[0] + (f" ({len(members)} parts)" if len(members) > 1 else "")
        worst = max(members, key=lambda one: abs(one[1] - one[0].wanted))
        passed = all(signal.passes(value) for signal, value in members)
        wanted = f"{first.wanted:g}" if len(members) == 1 or first.number[:2] not in ("11", "14") else "−38 to −19"
        reads = f"{worst[1]:.2f}" if len(members) == 1 else f"off by {abs(worst[1] - worst[0].wanted):.2f} at most"
        tolerance = f"±{first.over:g}" if first.over == first.under else f"+{first.over:g}/−{first.under:g}"
        rows.append(
            f"| Tech {first.document} no. {number} | {first.reading} | {wanted} | {tolerance} | {reads} | {'✓' if passed else '✗'} |"
        )
    text = [
        "# Loudness: the meters and the masters",
        "",
        "Made by `.venv/bin/python benchmarks/loudness.py --write`.",
        "",
        f"**{right} of {len(readings)}** signals of EBU Tech 3341 and 3342 are read within their tolerance. All that can be synthesised are",
        "here; numbers 7 and 8 of Tech 3341 and 5 and 6 of Tech 3342 are recorded programmes. Numbers 20 to 23 are built from their",
        "description (a full-scale cycle of fs/6 in a half-scale fs/4, four times oversampled, low-passed and decimated).",
        "",
        *rows,
        "",
    ]
    if masters:
        missed = [one for one in masters if not one.within]
        unsaid = [one for one in missed if not one.reasons]
        speeds = sorted(one.times_real_time for one in masters)
        text += [
            f"## {len(masters)} masters",
            "",
            f"Clips of {seconds:g} s: parts of sketches of every genre, and every eighth something harder. Targets −14, −9 and −23 LUFS in turn,",
            "ceiling −1 dBTP, tone toward the genre's curve, dynamics in three bands. The MP3 is made here by LAME at 192 kbit/s and decoded.",
            "",
            f"- within 0.2 LU of the target: **{len(masters) - len(missed)} of {len(masters)}**; missed with the reason said: **{len(missed) - len(unsaid)}**; missed without a word: **{len(unsaid)}**",
            f"- true peak over the ceiling: **{sum(one.peak_dbtp > -1.0 for one in masters)}** (highest {max(one.peak_dbtp for one in masters):.2f} dBTP); after MP3: **{sum(one.mp3_peak_dbtp > -1.0 for one in masters)}** (highest {max(one.mp3_peak_dbtp for one in masters):.2f} dBTP)",
            f"- speed: median {speeds[len(speeds) // 2]:.1f}× real time of one processor, reports and MP3 included",
            "",
            "| target | clips | within 0.2 LU | furthest off | highest peak | highest after MP3 | peaks held down, median and most |",
            "|---|---|---|---|---|---|---|",
        ]
        for target, _ in TARGETS:
            some = [one for one in masters if one.target_lufs == target]
            held = sorted(one.held_db for one in some)
            text.append(
                f"| {target:g} LUFS | {len(some)} | {sum(one.within for one in some)} | {max(abs(one.loudness_lufs - target) for one in some):.2f} LU "
                f"| {max(one.peak_dbtp for one in some):.2f} dBTP | {max(one.mp3_peak_dbtp for one in some):.2f} dBTP | {held[len(held) // 2]:.1f} / {held[-1]:.1f} dB |"
            )
        text += ["", "Those that missed, and what they were told:", ""]
        text += [
            f"- {one.name} at {one.target_lufs:g}: {one.loudness_lufs:.1f} LUFS. {' '.join(one.reasons)}"
            for one in missed[:40]
        ]
    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each clip")
    parser.add_argument("--most", type=int, default=0, help="clips to master now; what is measured is kept")
    parser.add_argument("--write", action="store_true", help="write docs/loudness.md")
    options = parser.parse_args()
    masters, fresh = [], 0
    for number, (name, genre, load) in enumerate(clips(options.clips, options.seconds) if options.clips else ()):
        kept = KEPT / f"{_code_name()}-{options.seconds:g}-{number}.json"
        if not kept.exists():
            if options.most and fresh >= options.most:
                continue
            fresh += 1
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(asdict(master(name, load(), genre, number))), encoding="utf-8")
        masters.append(Mastered(**json.loads(kept.read_text(encoding="utf-8"))))
    if len(masters) < options.clips and not options.write:
        print(f"{len(masters)} of {options.clips} clips so far; run it again for the rest.")
        return
    readings = [(signal, read(signal, signal.make())) for signal in signals()]
    text = page(readings, masters, options.seconds)
    print(text)
    if options.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
