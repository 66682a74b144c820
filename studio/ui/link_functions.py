"""The public functions of Ableton Link: where the session stands, joining, leaving, its tempo and its transport.

For the studio's owner alone. Annotations are read by Gradio at run time, so they are not postponed.
"""

from typing import Any

import anyio.to_thread
import gradio as gr

from studio.link import LinkError, LinkState
from studio.studio import Studio
from studio.ui.link_routes import link_shown
from studio.ui.refusals import in_one_sentence
from studio.ui.visitors import visitor_of

LINK_PUBLIC = ("link_status", "link_join", "link_leave", "link_tempo", "link_transport")


class LinkFunctions:
    """Link's functions over one studio."""

    _studio: Studio

    @in_one_sentence
    def link_status(self, request: gr.Request) -> dict[str, Any]:
        """Say where Ableton Link stands, which keeps programs on this network in one tempo and on one bar line.

        Returns:
            Whether it is available and joined, the number of other programs (peers), tempo_bpm, playing, the beat at a
            moment of the studio's clock (seconds), beats_a_bar, and whether the page follows the session's tempo.
        """
        return self._link_shown(self._studio.link.state(), request)

    @in_one_sentence
    async def link_join(self, request: gr.Request, tempo_bpm: float = 120.0) -> dict[str, Any]:
        """Join the Ableton Link session on this network, or found one where there is none.

        Args:
            tempo_bpm: The tempo of a session that is founded, 20 to 999. One that is there keeps its own.

        Returns:
            Where Link stands, as link_status returns it.
        """
        link = self._owners(request)
        return self._link_shown(await anyio.to_thread.run_sync(lambda: link.join(tempo_bpm=tempo_bpm)), request)

    @in_one_sentence
    async def link_leave(self, request: gr.Request) -> dict[str, Any]:
        """Leave the Ableton Link session; the other programs go on.

        Returns:
            Where Link stands, as link_status returns it.
        """
        return self._link_shown(await anyio.to_thread.run_sync(self._owners(request).leave), request)

    @in_one_sentence
    async def link_tempo(self, tempo_bpm: float, request: gr.Request) -> dict[str, Any]:
        """Set the tempo of the Ableton Link session, for every program in it.

        Args:
            tempo_bpm: Beats a minute, 20 to 999.

        Returns:
            Where Link stands, as link_status returns it.
        """
        link = self._owners(request)
        await anyio.to_thread.run_sync(link.set_tempo, tempo_bpm)
        return self._link_shown(link.state(), request)

    @in_one_sentence
    async def link_transport(self, playing: bool, request: gr.Request) -> dict[str, Any]:
        """Start or stop the transport of the Ableton Link session, for every program that shares start and stop.

        Args:
            playing: True starts it at the next bar line, false stops it.

        Returns:
            Where Link stands, as link_status returns it.
        """
        link = self._owners(request)
        await anyio.to_thread.run_sync(link.play if playing else link.stop)
        return self._link_shown(link.state(), request)

    def _owners(self, request: gr.Request) -> Any:
        if not visitor_of(request).is_host:
            raise LinkError("Only the studio's owner plays with Ableton Link: its tempo is everybody's.")
        return self._studio.link

    def _link_shown(self, state: LinkState, request: gr.Request) -> dict[str, Any]:
        self._owners(request)
        return link_shown(self._studio, state)
