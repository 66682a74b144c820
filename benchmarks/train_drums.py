"""Trains the small classifier that names drum strokes, on the kits of sketches whose strokes are known.

    .venv/bin/python benchmarks/train_drums.py          # seeds 4 and 5 of every genre; writes audio/drum_hits.npz

`benchmarks/transcription.py` reports on seeds 0 to 3, which are never trained on.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audio.drum_hits import EARLY_SECONDS, KIND_OF_KEY, KINDS, WEIGHTS, levels_of_strokes, strokes  # noqa: E402
from benchmarks.corpus import Sketch, sketches  # noqa: E402

TRAINING_SEEDS = (4, 5)
NEAR_SECONDS = 0.025
_HIDDEN = 40


def kit_strokes(sketch: Sketch) -> tuple[str, dict[str, np.ndarray]] | None:
    """The stem of a sketch's kit, and when each kind is struck in it, in seconds; None without a kit."""
    import mido

    from agents.knowledge import instruments

    file = mido.MidiFile(file=io.BytesIO(sketch.midi()))
    tempo = next(message.tempo for message in file.tracks[0] if message.type == "set_tempo")
    labels = {instruments()[name].label: name for name in sketch.stem_names() if name in instruments()}
    for track in file.tracks:
        if "kit" not in track.name.lower() or track.name not in labels:
            continue
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                kind = KIND_OF_KEY.get(message.note, "other")
                times[kind].append(mido.tick2second(tick, file.ticks_per_beat, tempo))
        return labels[track.name], {kind: np.array(sorted(each)) for kind, each in times.items()}
    return None


def examples(sketch: Sketch) -> tuple[np.ndarray, np.ndarray] | None:
    """Every onset's features and which kinds were truly struck there, (onsets, kinds)."""
    found = kit_strokes(sketch)
    if found is None:
        return None
    stem, times = found
    bands = levels_of_strokes(sketch.stem(stem))
    moments, features = strokes(bands)
    when = moments * bands.hop_seconds + EARLY_SECONDS
    truth = [_near(when, times[kind]) for kind in KINDS]
    return features, np.stack(truth, axis=1).astype(np.float32)


def _near(when: np.ndarray, times: np.ndarray) -> np.ndarray:
    if not len(times):
        return np.zeros(len(when), bool)
    return np.abs(when[:, None] - times[None]).min(axis=1) < NEAR_SECONDS


def train(features: np.ndarray, truth: np.ndarray, *, steps: int = 1500) -> dict[str, np.ndarray]:
    """One hidden layer, a logistic output a kind; the threshold of each is where its F1 on the training set is highest."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    inputs, wanted = torch.tensor((features - mean) / spread, dtype=torch.float32), torch.tensor(truth)
    net = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], _HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.15),
        torch.nn.Linear(_HIDDEN, len(KINDS)),
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    dice = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = torch.randint(len(inputs), (512,), generator=dice)
        shift = 0.15 * torch.randn(len(batch), inputs.shape[1])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(inputs[batch] + shift), wanted[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    likely = torch.sigmoid(net(inputs)).detach().numpy()
    first, last = net[0], net[3]
    return {
        "mean": mean, "spread": spread, "w1": first.weight.detach().numpy().T, "b1": first.bias.detach().numpy(),
        "w2": last.weight.detach().numpy().T, "b2": last.bias.detach().numpy(),
        "threshold": np.array([_best_threshold(likely[:, k], truth[:, k] > 0) for k in range(len(KINDS))]),
    }  # fmt: skip


def _best_threshold(likely: np.ndarray, truth: np.ndarray) -> float:
    places = np.linspace(0.2, 0.8, 25)
    scores = [2 * (truth & (likely >= at)).sum() / max(1, truth.sum() + (likely >= at).sum()) for at in places]
    return float(places[int(np.argmax(scores))])


def main() -> None:
    found = [examples(sketch) for sketch in sketches(per_genre=len(TRAINING_SEEDS), first_seed=TRAINING_SEEDS[0])]
    kept = [each for each in found if each is not None]
    features, truth = (np.concatenate([each[part] for each in kept]) for part in (0, 1))
    print(
        f"{len(kept)} kits, {len(features)} onsets, struck: {dict(zip(KINDS, truth.sum(axis=0).astype(int).tolist(), strict=True))}"
    )
    weights = train(features, truth)
    np.savez(WEIGHTS, **{name: value.astype(np.float32) for name, value in weights.items()})


if __name__ == "__main__":
    main()
