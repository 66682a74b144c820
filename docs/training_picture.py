"""Takes the picture of the Training tab: a data set of tunes, a finished run with its curves and samples, an adapter.

.venv/bin/python docs/training_picture.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))


def fill_the_studio(root: Path) -> Path:
    """A tiny model, its data set, two runs and an adapter; returns the data folder."""
    from studio.engines.musicgen.adapters import Shelf
    from studio.training.checkpoints import Checkpoints
    from studio.training.config import CONFIG_FILE, RunConfig, write_config
    from studio.training.dataset import Recipe, build_data_set, sources_in
    from studio.training.progress import ProgressLog
    from studio.training.trainer import Trainer
    from tests.tiny_models import build_mono
    from tests.training.data_sets import write_tunes

    model, data = build_mono(root / "tiny-musicgen"), root / "data"
    sounds = write_tunes(root / "sounds", count=8, seconds=12.0)
    made = build_data_set(
        sources_in(sounds), Recipe(name="pluckers", trigger="zylo", licence="my own", segment_seconds=6.0),
        into=data / "training" / "sets",
    )  # fmt: skip
    for name, rate, rank in (("warm strings", 2e-3, 4), ("warm strings, faster", 8e-3, 16)):
        folder = data / "training" / "runs" / name.replace(",", "")
        folder.mkdir(parents=True)
        config = RunConfig.model_validate(
            {
                "name": folder.name, "model": model, "model_name": "tiny-musicgen", "data_set": made.folder, "device": "cpu",
                "steps": 80, "batch": 2, "accumulate": 1, "segment_seconds": 3.0, "learning_rate": rate, "warmup_steps": 8,
                "lora": {"rank": rank, "alpha": rank}, "held_out_every": 8, "checkpoint_every": 40, "threads": 1,
                "gradient_checkpointing": False,
                "samples": {"prompts": ["zylo, slow and warm", "zylo, a big chorus"], "every": 20, "seconds": 1.0},
            }
        )  # fmt: skip
        write_config(folder / CONFIG_FILE, config)
        ProgressLog(folder).add("end", state=Trainer(folder, config).train())
        best = Checkpoints(folder).best()
        assert best is not None
        Shelf(data / "adapters").add(best.folder, name=folder.name)
    return data


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.browser.test_training import go_to_training
    from tests.running import running_studio

    with tempfile.TemporaryDirectory() as folder:
        data = fill_the_studio(Path(folder))
        model = str(Path(folder) / "tiny-musicgen")
        with running_studio(data, "--engine", model, timeout_seconds=180.0) as studio, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
            page = browser.new_page(viewport={"width": 1280, "height": 2000}, color_scheme="dark")
            open_page(page, studio.url)
            go_to_training(page)
            page.locator("#tr-set input").click()
            page.get_by_role("option", name="pluckers").click()
            page.locator("#tr-compared input").click()
            page.get_by_role("option", name="warm strings", exact=True).click()
            page.keyboard.press("Escape")
            page.evaluate("() => document.activeElement.blur()")
            page.locator("#tr-table [role=gridcell]").filter(has_text="number 1", visible=True).first.click()
            page.locator("#tr-heard audio").wait_for()
            page.evaluate("() => document.activeElement.blur()")
            page.locator(".tr-run h4").first.hover()
            page.wait_for_timeout(4_000)
            page.screenshot(path=DOCS / "training.png")
            page.locator("#st-theme").click()
            page.set_viewport_size({"width": 390, "height": 2600})
            page.wait_for_timeout(1_500)
            page.screenshot(path=Path(folder).parent / "training-phone.png")
            browser.close()


if __name__ == "__main__":
    main()
