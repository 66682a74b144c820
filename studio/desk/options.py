"""What every kind of long work on the desk is asked with, and what its takes are kept under."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

DESK_ENGINE = "desk"  # what takes that were made on the desk are kept under


class Options(BaseModel):
    """The options of one kind of work; each kind adds its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
