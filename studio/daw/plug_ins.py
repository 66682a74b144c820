"""What the studio does for its plug-in: takes listed and described, their sound in a DAW's tempo, new takes made.

Knows nothing of HTTP. What it is asked comes from this machine's own user, who sees every take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.harmony import Key, UnknownName
from agents.types import MAX_TEMPO_BPM, MAX_WORDS, MIN_TEMPO_BPM, Brief
from studio.daw.facts import Music, music_of, tempo_used
from studio.daw.instances import Instances, figure, instance_of
from studio.daw.lines import free, freed
from studio.daw.place import Place
from studio.daw.sounds import TempoSounds, Wanted
from studio.jobs import GenerateRequest, JobView
from studio.takes import Take

if TYPE_CHECKING:
    from studio.studio import Studio

LISTED = 100
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 384_000
_STATES = {"done": "made", "failed": "failed", "interrupted": "failed", "stopped": "stopped"}


class AskedWrongly(Exception):
    """A plug-in asked for what there cannot be; the message is a sentence for the user."""


class PlugIns:
    """The plug-in's side of one studio. built_dir: where `make plugin` leaves what it builds."""

    built_dir = Path(__file__).parents[2] / "plugin" / "build" / "bin"

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.place = Place(studio.settings.plugin_file)
        self.instances = Instances()
        self.sounds = TempoSounds(studio.exports, studio.store.audio_path)

    def close(self) -> None:
        self.place.withdraw()
        self.sounds.close()

    # ---------------------------------------------------------------------------------------------- takes

    def takes(self) -> list[Take]:
        """The newest takes, the newest first."""
        return [entry.take for entry in self._studio.takes(owner=None, limit=LISTED).entries]

    def mark(self) -> str:
        """A word that changes when the list of takes does."""
        page = self._studio.takes(owner=None, limit=1)
        newest = page.entries[0].take if page.entries else None
        return f"{page.total}-{newest.id}" if newest else "none"

    def music(self, take_id: str) -> tuple[Take, Music]:
        """A take and where its beats lie. Raises TakeMissing."""
        take = self._studio.entry(take_id, owner=None).take
        desk = self._studio.mixing_desk
        return take, music_of(take, desk.beats(desk.items.open(f"take:{take.id}", owner=None)))

    def facts(self, take_id: str) -> dict[str, Any]:
        """What the plug-in keeps of a take beside its sound. Raises TakeMissing."""
        take, music = self.music(take_id)
        return {
            "title": free(take.title), "key": str(take.plan.key.value), "tempo": music.tempo_bpm,
            "end": music.end_seconds, "rings": int(music.rings), "beats": music.beats_seconds, "bars": music.bars_seconds,
        }  # fmt: skip

    def sound(self, take_id: str, *, tempo_bpm: float, rate_hz: int, asker: str) -> tuple[Path | float, float]:
        """A take's sound for a host's tempo (0: its own), or how far it is; and the tempo it is really stretched to.

        Raises TakeMissing, AskedWrongly, and SoundTrouble when it cannot be made.
        """
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise AskedWrongly(f"No host runs at {rate_hz} Hz.")
        if tempo_bpm and not 1.0 <= tempo_bpm <= 999.0:
            raise AskedWrongly(f"A tempo of {tempo_bpm:g} is none a take can be stretched to.")
        _, music = self.music(take_id)
        used = tempo_used(music.tempo_bpm, tempo_bpm) if tempo_bpm else music.tempo_bpm
        wanted = Wanted(take_id, round(used / music.tempo_bpm, 8), rate_hz)
        return self.sounds.ask(wanted, asker=asker), used

    # ------------------------------------------------------------------------------------------- new takes

    def make(self, lines: Mapping[str, str]) -> JobView:
        """Queue a take: words, so many bars, a key or none, the host's tempo or none.

        Raises AskedWrongly, and what `Studio.generate` raises.
        """
        words = freed(lines.get("words", "")).strip()[: MAX_WORDS - 20]
        bars = round(figure(lines.get("bars", "")))
        if bars and not re.search(r"\bbars?\b", words, re.IGNORECASE):
            words = f"{words}, {bars} bars" if words else f"{bars} bars"
        tempo = figure(lines.get("tempo", ""))
        brief = Brief(
            words=words,
            key=_key(lines.get("key", "")),
            tempo_bpm=tempo if MIN_TEMPO_BPM <= tempo <= MAX_TEMPO_BPM else None,
        )
        return self._studio.generate(GenerateRequest(brief=brief, engine=self._studio.pipeline.default), owner="")

    def job(self, job_id: str) -> dict[str, Any]:
        """How a take is getting on, for the plug-in. Raises UnknownJob."""
        job = self._studio.jobs.get(job_id, owner=None)
        state = _STATES.get(job.state, "making")
        if state == "stopped" and job.take_id:
            state = "made"
        return {
            "state": state, "progress": float(job.fraction), "take": job.take_id or "",
            "sentence": free(job.error or ("It was stopped in the studio." if state == "stopped" else "")),
        }  # fmt: skip

    def wish_of(self, lines: Mapping[str, str], instance_id: str) -> dict[str, Any]:
        """The answer to a plug-in's greeting."""
        wish = self.instances.greet(instance_of(instance_id, lines), obeyed=lines.get("obeyed", ""))
        answer: dict[str, Any] = {"takes": self.mark()}
        if wish is not None:
            answer |= {"wish": wish.number, "choose": wish.take_id, "make": free(wish.words), "bars": wish.bars}
        return answer


def _key(text: str) -> Key | None:
    if not text.strip():
        return None
    try:
        return Key.parse(text)
    except UnknownName as wrong:
        raise AskedWrongly(str(wrong)) from wrong
