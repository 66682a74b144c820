"""The whole studio served in this process, its sketch engine erring on purpose: to watch takes being sent back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.erring import ErringEngine
from studio.engines.sketch.engine import SketchEngine
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.build import build_page
from studio.ui.serve import serve


@contextmanager
def erring_studio(data_dir: Path, *, seed: int = 2, chance: float = 0.6) -> Iterator[tuple[str, Studio]]:
    """The page's address, and the studio behind it."""
    settings = Settings(data_dir=data_dir, port=0)
    with Studio(settings) as studio:
        studio.pipeline._sketch = ErringEngine(SketchEngine(), chance=chance, seed=seed)
        serving = serve(build_page(studio), studio, settings, say=lambda greeting: None)
        try:
            yield serving.url, studio
        finally:
            serving.close()
