"""How fast is what comes after generation, and does a ten-minute song go through it in bounded memory?

    .venv/bin/python benchmarks/sound.py --minutes 10 --write

Each operation runs in a process of its own on the same song (a sketch, laid end to end to the length asked for): processor
seconds, and the most memory the process ever held. Speeds are multiples of real time of one processor.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "sound.md"
OPERATIONS = {
    "nothing": "the song itself, read and held",
    "report": "loudness report",
    "effects": "effects: equaliser, compressor, chorus, delay, reverb, width, limiter",
    "master": "mastering to −14 LUFS, tone, bands, MP3 guard",
    "stretch": "tempo 120 to 128",
    "shift": "key up 3 semitones",
    "stems": "built-in separation, written to disk",
    "mix": "six strips mixed, with pan, sends and a room",
    "demucs": "Demucs of htdemucs' size, random weights, 20 s",
}
SHORTER = {"demucs": 20.0}  # seconds of the song, for what takes longer than it lasts


def song(seconds: float):
    """A sketch laid end to end."""
    from audio.clip import Clip
    from benchmarks.corpus import sketches

    clip = sketches(per_genre=1, genres=20)[18].clip()
    frames = round(seconds * clip.sample_rate_hz)
    samples = np.tile(clip.samples, -(-frames // clip.frames))[:, :frames]
    return Clip(np.ascontiguousarray(samples), clip.sample_rate_hz)


def work(name: str, clip) -> None:
    """One operation, whatever it gives."""
    if name == "report":
        from audio.loudness_report import loudness_report

        loudness_report(clip)
    elif name == "effects":
        from audio import effects as fx
        from audio.effect_rack import apply_chain

        bands = (fx.Band(gain_db=2), fx.Band(shape="low cut", frequency_hz=40), fx.Band(shape="high shelf", gain_db=2))
        chain = fx.Chain(
            effects=(
                fx.Equalizer(bands=bands), fx.Compressor(), fx.Chorus(), fx.Delay(), fx.Reverb(), fx.Width(width=1.2),
                fx.Limiter(),
            )
        )  # fmt: skip
        apply_chain(clip, chain)
    elif name == "master":
        from audio.mastering_chain import MasteringSettings, master_track
        from audio.tonal_balance import curve_of_genre

        master_track(clip, MasteringSettings(curve=curve_of_genre("pop")))
    elif name == "stretch":
        from audio.stretch import stretch_to_tempo

        stretch_to_tempo(clip, from_bpm=120, to_bpm=128)
    elif name == "shift":
        from audio.stretch import shift_key

        shift_key(clip, semitones=3)
    elif name == "stems":
        import tempfile

        from studio.models.stems import StemModels
        from studio.separation import Separations

        with tempfile.TemporaryDirectory() as folder:
            Separations(Path(folder), StemModels(Path(folder) / "models"), device="cpu").separate(
                clip, model="built-in"
            )
    elif name == "mix":
        from studio.desk.mix import Mix, Strip, render_mix

        strips = tuple(Strip(name=f"part {n}", gain_db=-12.0, pan=n / 5 - 0.5, send=0.2) for n in range(6))
        render_mix(Mix(parts="true", strips=strips), lambda strip: clip)
    elif name == "demucs":
        import tempfile
        from fractions import Fraction

        import torch
        from demucs.htdemucs import HTDemucs

        from audio.demucs_stems import DemucsSeparator
        from tests.tiny_demucs import FOUR, write_model

        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as folder:
            model = HTDemucs(list(FOUR), bottom_channels=512, samplerate=44_100, segment=Fraction(39, 5))
            DemucsSeparator(write_model(Path(folder), model), "htdemucs").separate(clip)


def alone(name: str, seconds: float) -> None:
    """What a process of its own does: the operation, then its cost on one line."""
    clip = song(min(seconds, SHORTER.get(name, seconds)))
    began = time.process_time()
    work(name, clip)
    spent = time.process_time() - began
    print(f"{spent:.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", choices=OPERATIONS, help="one operation, in this process")
    parser.add_argument("--write", action="store_true", help="write docs/sound.md")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    if options.only:
        alone(options.only, seconds)
        return
    rows, base = [], 0.0
    for name, label in OPERATIONS.items():
        ran = subprocess.run(
            [sys.executable, __file__, "--only", name, "--minutes", str(options.minutes)],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        spent, megabytes = (float(word) for word in ran.stdout.split()[-2:])
        if name == "nothing":
            base = megabytes
            rows.append(f"| {label} | – | {megabytes:.0f} MB |")
        else:
            rows.append(
                f"| {label} | {min(seconds, SHORTER.get(name, seconds)) / spent:.1f} | {megabytes:.0f} MB (+{megabytes - base:.0f}) |"
            )
        print(rows[-1])
    held = seconds * 44_100 * 8 / 1e6
    text = [
        "# After generation: speed and memory",
        "",
        f"A song of {options.minutes:g} minutes in stereo at 44.1 kHz, whose samples alone are {held:.0f} MB. Each operation in a process of its own.",
        "Made by `.venv/bin/python benchmarks/sound.py --write`.",
        "",
        "| operation | × real time of one processor | most memory |",
        "|---|---|---|",
        *rows,
        "",
    ]
    if options.write:
        PAGE.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
