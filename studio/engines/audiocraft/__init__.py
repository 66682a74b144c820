"""AudioCraft as an engine beside the studio: an environment of its own, one worker process, a pipe between them.

Its packages want a torch of 2023 and cannot share a process with the studio's. `protocol`, `worker` and `models` run in
that environment (Python 3.9 and later, NumPy, nothing of the studio's); `client`, `engine` and `install` run here.
"""
