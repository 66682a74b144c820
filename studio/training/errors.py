"""What can go wrong in training, in the user's words."""

from __future__ import annotations

import errno

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TrainingError(Exception):
    """Training cannot do what was asked; the message is a sentence for the user, with what to do next."""


class DataSetError(TrainingError):
    """A data set cannot be built, read or changed."""


class RunError(TrainingError):
    """A run cannot be started, found or read."""


class LossIsNoNumber(TrainingError):
    """The loss became infinite or no number at all."""


class Diverged(LossIsNoNumber):
    """The gradients became infinite several times in a row."""


def why(error: OSError) -> str:
    """What the disk said, as the middle of a sentence."""
    return "the disk is full" if error.errno in _FULL else (error.strerror or str(error))
