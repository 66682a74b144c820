"""What the desk refuses with: sentences for the user."""

from __future__ import annotations


class DeskError(Exception):
    """The desk cannot do what was asked; the message is a sentence for the user."""


class NothingThere(DeskError):
    """There is no such thing on the desk, or it is somebody else's."""


class MixError(DeskError):
    """A mix cannot be read, rendered or saved."""


class WorkStopped(DeskError):
    """The user wants no more of this work."""
