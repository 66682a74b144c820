"""The engines behind one door: chosen by name, loaded once, one take at a time.

Knows nothing of jobs, takes or pages. An engine that cannot play says why and what could; another one is never
taken in its stead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agents.types import SongPlan
from studio.engines.audiocraft.client import WorkerClient
from studio.engines.audiocraft.engine import (
    LICENCE,
    MODELS,
    AudioCraftEngine,
    AudioCraftModel,
    diffuse,
    worker_command,
)
from studio.engines.audiocraft.install import is_installed
from studio.engines.base import (
    Cancelled,
    Edit,
    Editor,
    Engine,
    EngineError,
    Listener,
    ModelMissing,
    Rendering,
    Sampling,
    SectionEditor,
    Tier,
)
from studio.engines.edits import VERBS
from studio.engines.musicgen.engine import MusicGenEngine
from studio.finishing import MOST_SECONDS_ANEW, Judge, by_verdict, finished, is_off_tempo
from studio.models.catalogue import Catalogue, ModelCard, ModelError, missing_sentence
from studio.settings import Settings
from studio.sounds import SoundStore
from studio.sources import open_source
from studio.takes import TakeStore
from studio.tunes import Tunes

if TYPE_CHECKING:
    import numpy as np

    from studio.parting import Parting

SKETCH = "sketch"
ASK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class EngineOption:
    """One engine one may choose. reason: why it is not ready and what to do, or ""."""

    name: str
    label: str
    tier: Tier
    ready: bool
    reason: str
    licence: str


class Pipeline:
    """Holds the engines and the lock round them; one for the whole program."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        """Raises EngineError when `settings.engine` is no engine, or a folder without a MusicGen model in it."""
        self._settings = settings
        self._catalogue = catalogue
        self._sketch: Engine | None = None
        self._musicgen: dict[str, MusicGenEngine] = {}
        self.sounds = SoundStore(settings.sounds_dir, takes_dir=settings.takes_dir, bin_dir=settings.bin_dir)
        self._audiocraft = WorkerClient(
            worker_command(settings.audiocraft_dir), log=settings.audiocraft_dir / "worker.log"
        )
        self.tunes = Tunes(
            self.sounds,
            TakeStore(settings.takes_dir, settings.bin_dir),
            parts=lambda clip: self._parts().melody_of(clip),
        )
        self.judge: Judge | None = by_verdict
        self.room: Callable[[str], None] = lambda name: None  # refuses, in words, what memory does not allow now
        self._playing = threading.Lock()
        self._making = threading.Lock()
        self.default = self._default()

    def engines(self) -> list[EngineOption]:
        """Every engine by name, ready or not; loads nothing."""
        options = [EngineOption(SKETCH, "Sketch (built-in)", "built-in", ready=True, reason="", licence="")]
        for status in self._catalogue.models():
            ready = status.state == "present"
            reason = "" if ready else missing_sentence(status)
            card = status.card
            options.append(EngineOption(card.id, card.label, "full", ready=ready, reason=reason, licence=card.licence))
        ready = is_installed(self._settings.audiocraft_dir)
        for model in MODELS:
            reason = "" if ready else _not_installed(model.label)
            options.append(EngineOption(model.name, model.label, "full", ready=ready, reason=reason, licence=LICENCE))
        return options

    def engine(self, name: str) -> Engine:
        """The engine of that name, its model not loaded before its first take.

        Raises EngineError naming the known ones, or ModelMissing with what to do.
        """
        with self._making:
            if name == SKETCH:
                if self._sketch is None:
                    from studio.engines.sketch.engine import SketchEngine

                    self._sketch = SketchEngine(soundfont=self._settings.soundfont, tunes=self.tunes.get)
                return self._sketch
            model = next((each for each in MODELS if each.name == name), None)
            return self._musicgen_engine(name) if model is None else self._audiocraft_engine(model)

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Make a take with that engine, after those that came first; of several candidates the best first.

        A take of a minute or less whose tempo is too far off to be stretched is drawn once more, and the better of the
        two comes first. A MusicGen model that is loaded gives its memory back when another is chosen. Raises what the
        engine raises; when the device's memory does not suffice, EngineError, and the memory is given back.
        """
        if name == SKETCH:
            _check_sketch_follows(sampling)
        made = self._play(name, listener, lambda engine: engine.generate(plan, sampling, listener))
        if self.engine(name).capabilities.tier == "built-in" or not made.complete:
            return made
        listener.progress("checking the tempo", 0.0)
        made = finished(made, plan, true_tempo=sampling.true_tempo, judge=self.judge)
        is_worth_another = sampling.true_tempo and not made.stems and made.clip.seconds <= MOST_SECONDS_ANEW
        return self._with_another(name, made, plan, sampling, listener) if is_worth_another else made

    def edit(self, name: str, edit: Edit, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Edit kept sound with that engine; `plan` is the whole result's. Never stretched, so that what is kept stays.

        The source's grid stays the take's. Raises EngineError for an engine that does no such edits or a source that
        is not here, and as `generate`.
        """
        able = self.engine(name).capabilities
        if edit.kind not in able.edits:
            raise EngineError(f"{able.label} cannot {VERBS[edit.kind]} a take: choose a MusicGen model for that.")
        source = open_source(
            edit.source, store=TakeStore(self._settings.takes_dir, self._settings.bin_dir), sounds=self.sounds
        )
        made = self._play(
            name, listener, lambda engine: cast(Editor, engine).edit(edit, source, plan, sampling, listener)
        )
        grid = {key: value for key, value in source.identity.get("grid", {}).items() if key != "stretched_by"}
        return _with_identity(made, {"grid": grid}) if grid else made

    def regenerate(
        self,
        name: str,
        plan: SongPlan,
        previous: Rendering,
        sections: Collection[int],
        sampling: Sampling,
        listener: Listener,
    ) -> Rendering:
        """Make some sections of a take anew with that engine, all else left as it is.

        Raises EngineError for an engine that cannot, and as `generate`.
        """
        able = self.engine(name).capabilities
        if not able.edits_sections:
            raise EngineError(f"{able.label} cannot make single sections anew: make the whole take again.")
        return self._play(
            name,
            listener,
            lambda engine: cast(SectionEditor, engine).regenerate(plan, previous, sections, sampling, listener),
        )

    def _with_another(
        self, name: str, made: Rendering, plan: SongPlan, sampling: Sampling, listener: Listener
    ) -> Rendering:
        """A finished take that is off the plan's tempo and another candidate, the one on it first; else the take alone."""
        if not is_off_tempo(made) or made.trouble:
            return made
        drawn = sampling.model_copy(update={"seed": (sampling.seed + 1) % 2**32, "candidates": 1})
        try:
            other = self._play(name, listener, lambda engine: engine.generate(plan, drawn, _Unheard(listener)))
        except Cancelled:
            return made
        if not other.complete:
            return made
        other = _with_identity(other, {"drawn_for_tempo_with_seed": drawn.seed})
        return finished(replace(made, others=(*made.others, other)), plan, true_tempo=True, judge=self.judge)

    def unload(self) -> None:
        """Give all models' memory back, once the take that is being made is done."""
        with self._playing, self._making:
            for engine in self._musicgen.values():
                engine.unload()
            if self._sketch is not None:
                self._sketch.unload()
            self._audiocraft.close()

    def _default(self) -> str:
        """The engine to begin with: the setting's name, or the folder it names, put on the list."""
        wanted = self._settings.engine
        folder = Path(wanted).expanduser()
        if len(folder.parts) > 1 and folder.is_dir():
            return self._catalogue.add_local(folder).id
        return wanted if wanted in (SKETCH, *(model.name for model in MODELS)) else self._card(wanted).id

    def _card(self, name: str) -> ModelCard:
        try:
            return self._catalogue.card(name)
        except ModelError:
            known = ", ".join(option.name for option in self.engines())
            raise EngineError(f"There is no engine “{name}”: choose one of {known}.") from None

    def diffuse(self, tokens: np.ndarray, *, seed: int, listener: Listener) -> Rendering:
        """A mono MusicGen take's codes decoded by AudioCraft's multi-band diffusion, when it is this one's turn.

        Raises ModelMissing when AudioCraft is not installed, and as `engines.audiocraft.engine.diffuse`.
        """
        if not is_installed(self._settings.audiocraft_dir):
            raise ModelMissing(_not_installed("Multi-band diffusion"))
        self._wait(listener)
        try:
            for engine in list(self._musicgen.values()):
                engine.unload()
            return diffuse(self._audiocraft, tokens, seed=seed, listener=listener)
        finally:
            self._playing.release()

    def _audiocraft_engine(self, model: AudioCraftModel) -> AudioCraftEngine:
        if not is_installed(self._settings.audiocraft_dir):
            raise ModelMissing(_not_installed(model.label))
        return AudioCraftEngine(model, self._audiocraft)

    def _musicgen_engine(self, name: str) -> MusicGenEngine:
        card = self._card(name)
        try:
            source = self._catalogue.folder(card.id)
        except ModelMissing:
            self._musicgen.pop(card.id, None)
            raise
        if card.id not in self._musicgen:
            self._musicgen[card.id] = MusicGenEngine(
                name=card.id,
                label=card.label,
                source=source,
                device=self._settings.device,
                precision=self._settings.precision,
                channels=card.channels,
                licence=card.licence,
                sounds=self.sounds.get,
                parts=self._parts(),
                adapters=self._settings.adapters_dir,
            )
        return self._musicgen[card.id]

    def _parts(self) -> Parting:
        from studio.models.stems import StemModels
        from studio.parting import Parting
        from studio.separation import Separations

        settings = self._settings
        models = StemModels(settings.models_dir)
        return Parting(Separations(settings.data_dir / "separations", models, device=settings.device))

    def _wait(self, listener: Listener) -> None:
        """Take the lock, leaving when the user stops waiting."""
        while not self._playing.acquire(timeout=ASK_SECONDS):
            listener.progress("waiting", 0.0)
            if listener.cancelled():
                raise Cancelled("Stopped before any sound was made.")

    def _unload_others(self, chosen: Engine) -> None:
        if isinstance(chosen, MusicGenEngine | AudioCraftEngine):
            for other in list(self._musicgen.values()):
                if other is not chosen:
                    other.unload()
        if isinstance(chosen, MusicGenEngine):
            self._audiocraft.close()

    def _play(self, name: str, listener: Listener, play: Callable[[Engine], Rendering]) -> Rendering:
        """What the engine makes, once it is its turn."""
        self.engine(name)
        self._wait(listener)
        try:
            engine = self.engine(name)
            self._unload_others(engine)
            if isinstance(engine, MusicGenEngine) and not engine.is_loaded:
                self.room(name)
            rendering = _unless_memory_ends(engine, play)
            if rendering is None:
                # Out of the `except`, whose traceback would have kept the model's tensors alive.
                engine.unload()
                raise EngineError(
                    f"{engine.capabilities.label} did not fit in the memory that is free on this device: close other "
                    "programs, choose a smaller model or a shorter length, or choose the sketch engine."
                )
            return rendering
        finally:
            self._playing.release()


class _Unheard(Listener):
    """Follows a take that is tried for its tempo: how far it is, and whether to stop, but not its sound."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def progress(self, stage: str, fraction: float) -> None:
        self._listener.progress("trying another for the tempo", fraction)

    def cancelled(self) -> bool:
        return self._listener.cancelled()


def _unless_memory_ends(engine: Engine, play: Callable[[Engine], Rendering]) -> Rendering | None:
    """The take, or None when memory ran out."""
    try:
        return play(engine)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError):
            from studio.engines.musicgen.load import is_out_of_memory

            if not is_out_of_memory(error):
                raise
        return None


def _with_identity(rendering: Rendering, note: Mapping[str, Any]) -> Rendering:
    others = tuple(_with_identity(each, note) for each in rendering.others)
    return replace(rendering, identity={**rendering.identity, **note}, others=others)


def _check_sketch_follows(sampling: Sampling) -> None:
    """Raise EngineError for steering that has no meaning for composed notes; chords and layers it plays as it is."""
    steering = sampling.steering
    if sampling.adapters:
        raise EngineError("Adapters are worn by MusicGen models; the sketch engine has none: choose MusicGen.")
    if steering is None:
        return
    if steering.prompts:
        raise EngineError("The sketch engine composes from the plan and cannot blend prompts: choose MusicGen.")
    if steering.instruments_in or steering.instruments_out:
        raise EngineError("The sketch engine plays the plan's instruments: add or remove them in the plan.")


def _not_installed(label: str) -> str:
    return (
        f"{label} is one of AudioCraft's models, and AudioCraft is not installed yet: install it (about 5 GB), or "
        "choose another engine."
    )
