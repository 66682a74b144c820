"""`python -m studio.training.train run.yaml`: one run in a process of its own.

The run's folder is the one that holds config.yaml, or, for a YAML of another name, a folder of the run's name beside it.
It resumes by itself from the newest whole checkpoint. Ctrl-C, SIGTERM or a file named `stop` in the folder make it save
and leave. For several GPUs: `accelerate launch --multi_gpu -m …`. Leaves with 0 when done or stopped,
1 with a sentence when it failed, 2 for a wrong call.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType

from studio.engines.base import EngineError
from studio.training.config import CONFIG_FILE, RunConfig, read_config, write_config
from studio.training.errors import TrainingError
from studio.training.progress import ProgressLog

LOCK, STOP = "run.lock", "stop"


def run_folder_of(path: Path, config: RunConfig) -> Path:
    """Where a run keeps what it makes, going by its YAML file."""
    return path.parent if path.name == CONFIG_FILE else path.parent / config.name


def run(path: Path) -> int:
    """Train what a YAML file says; returns the process's exit status."""
    from filelock import FileLock, Timeout

    try:
        config = read_config(path)
        folder = run_folder_of(path, config)
        folder.mkdir(parents=True, exist_ok=True)
        if path.name != CONFIG_FILE:
            config = _beside(config, path.parent)
            write_config(folder / CONFIG_FILE, config)
        if _is_helper():
            return _train(folder, config)
        with FileLock(folder / LOCK, timeout=5):
            return _train(folder, config)
    except Timeout:
        return _fail(f"The run “{path.stem}” is already being trained by another process.")
    except TrainingError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"The run’s folder cannot be used ({error.strerror or error}).")


def _train(folder: Path, config: RunConfig) -> int:
    from studio.training.trainer import Trainer

    wish = _Wish(folder)
    log = ProgressLog(folder)
    with suppress(OSError, AttributeError):
        os.nice(5)  # the page stays quick beside it
    try:
        state = Trainer(folder, config, stopped=wish.stopped).train()
    except (TrainingError, EngineError) as error:
        return _end(log, str(error))
    except (MemoryError, RuntimeError) as error:
        traceback.print_exc()
        return _end(log, _memory_sentence(error))
    except Exception as error:  # noqa: BLE001 - the page reads the log, not a traceback
        traceback.print_exc()
        return _end(log, f"The run broke off ({type(error).__name__}: {error}). Its checkpoints are whole: resume it.")
    finally:
        wish.forget()
    _note(log, state=state)
    return 0


class _Wish:
    """Whether somebody wants the run to stop: by a signal, or by a file that any process can leave."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / STOP
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def stopped(self) -> bool:
        return self._asked or self._file.exists()

    def forget(self) -> None:
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked = True


def _memory_sentence(error: BaseException) -> str:
    from studio.engines.musicgen.load import is_out_of_memory

    if is_out_of_memory(error):
        return (
            "The memory did not suffice: choose the preset for less memory, shorter segments or a smaller model, then "
            "resume. The checkpoints are whole."
        )
    return f"The run broke off ({type(error).__name__}: {error}). Its checkpoints are whole: resume it."


def _beside(config: RunConfig, folder: Path) -> RunConfig:
    """The config with its paths taken from the YAML file's folder, where they are relative."""
    return config.changed(model=folder / config.model, data_set=folder / config.data_set)


def _is_helper() -> bool:
    """True in the processes that `accelerate launch` starts beside the main one."""
    return int(os.environ.get("RANK", "0")) > 0


def _end(log: ProgressLog, sentence: str) -> int:
    _note(log, state="failed", error=sentence)
    return _fail(sentence)


def _note(log: ProgressLog, **facts: str) -> None:
    if not _is_helper():
        with suppress(OSError):  # a full disk: the sentence is in the process's own output too
            log.add("end", **facts)


def _fail(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("Usage: python -m studio.training.train RUN.yaml\n")
        return 2
    return run(Path(arguments[0]).resolve())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
