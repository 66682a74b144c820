"""The public functions of live MIDI: ports, what goes out, panic.

For the studio's owner on this machine alone, and not while the studio is shared. Annotations are read by Gradio at run time, so
they are not postponed.
"""

from collections.abc import Callable
from typing import Any

import anyio.to_thread
import gradio as gr

from studio.live_midi.live import LiveMidi
from studio.studio import Studio
from studio.ui.refusals import Refusal, in_one_sentence
from studio.ui.visitors import features, visitor_of

MIDI_PUBLIC = ("midi_status", "midi_port", "midi_play", "midi_set", "midi_stop", "midi_panic")


class MidiFunctions:
    """Live MIDI's functions over one studio."""

    _studio: Studio

    @in_one_sentence
    async def midi_status(self, request: gr.Request) -> dict[str, Any]:
        """Say which MIDI ports there are, which one is used, and what goes out of it.

        Returns:
            ports (outputs, inputs, whether a virtual port can be made, and a problem in words), port, problem, playing,
            follows, the score's parts with channel (0 to 15) and on, and timing: how late the last messages left.
        """
        return await self._midi_done(request, lambda midi: midi.look() and None)

    @in_one_sentence
    async def midi_port(self, port: str, request: gr.Request) -> dict[str, Any]:
        """Choose the MIDI output.

        Args:
            port: A name out of midi_status, "virtual" for a port of the studio's own that other programs see, "" for none.

        Returns:
            As midi_status.
        """
        return await self._midi_done(request, lambda midi: midi.choose(port))

    @in_one_sentence
    async def midi_play(
        self, take_id: str, request: gr.Request, tempo_bpm: float | None = None, go_round: bool = False
    ) -> dict[str, Any]:
        """Play a take's notes out of the MIDI port, from the next bar of the Ableton Link session or of the studio's own clock.

        Args:
            take_id: A take with notes, or "upload:…" whose notes the desk has written down.
            tempo_bpm: Quarter notes a minute of the studio's own clock. Left out, the take's. A Link session keeps its own.
            go_round: Begin again after the last whole bar, until midi_stop.

        Returns:
            As midi_status.
        """
        owner = visitor_of(request).sees_only
        source = take_id if ":" in take_id else f"take:{take_id}"

        def play(midi: LiveMidi) -> None:
            midi.load(source, owner=owner)
            midi.set({"follows": "clock", "go_round": go_round})
            midi.play(tempo_bpm=tempo_bpm)

        return await self._midi_done(request, play)

    @in_one_sentence
    async def midi_set(self, changes: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """Change how notes go out.

        Args:
            changes: Any of follows ("page" or "clock"), clock_out (send MIDI clock), programs (send program changes), go_round,
                offset_ms (-500 to 500), and parts: {number: {"on": true, "channel": 0 to 15}}.

        Returns:
            As midi_status.
        """
        return await self._midi_done(request, lambda midi: midi.set(changes))

    @in_one_sentence
    async def midi_stop(self, request: gr.Request) -> dict[str, Any]:
        """Stop what midi_play plays; every note is ended.

        Returns:
            As midi_status.
        """
        return await self._midi_done(request, lambda midi: midi.stop())

    @in_one_sentence
    async def midi_panic(self, request: gr.Request) -> dict[str, Any]:
        """Silence everything behind the MIDI port: all notes off, all sound off, controllers reset, on 16 channels.

        Returns:
            As midi_status.
        """
        return await self._midi_done(request, lambda midi: midi.panic())

    async def _midi_done(self, request: gr.Request, what: Callable[[LiveMidi], Any]) -> dict[str, Any]:
        if not features(self._studio.settings, visitor_of(request)).change_settings:
            raise Refusal("MIDI ports are the studio's owner's, while the studio is not shared.")
        midi = self._studio.midi

        def work() -> dict[str, Any]:
            what(midi)
            return midi.status()

        return await anyio.to_thread.run_sync(work)
