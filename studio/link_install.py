"""Installs Ableton Link in an environment of its own inside the data folder.

Apart from the studio's own packages, because it is GPL and the studio is not; built on this machine where PyPI has no wheel
for it, which wants a C++ compiler. Knows nothing of sessions.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from studio.engines.audiocraft.engine import environment_python
from studio.engines.audiocraft.install import Progress, install, is_installed

PACKAGES = ("aalink==0.2.3",)  # as in requirements-link.txt
NEEDED_BYTES = 200_000_000
_CHECK = "from aalink import Link"


def install_link(
    folder: Path,
    *,
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Install, or go on with an installation. Raises InstallStopped, or EngineError with what to do."""
    install(
        folder, progress=progress, cancelled=cancelled, steps=(PACKAGES,), check=_CHECK, python=Path(sys.executable),
        needed_bytes=NEEDED_BYTES, what="Ableton Link",
    )  # fmt: skip


def python_with_link(folder: Path) -> Path | None:
    """The Python that has aalink: Link's own environment in the folder, else the studio's; None when neither has it."""
    if is_installed(folder):
        return environment_python(folder)
    return Path(sys.executable) if importlib.util.find_spec("aalink") else None
