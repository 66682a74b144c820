# The studio's few commands; `make help` lists them. Each is safe to repeat and quick the second time.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: help run agents link plugin test check format lock bench clean

help: ## List the commands.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

run: $(VENV)/.runs ## Install what is needed and open the studio on http://127.0.0.1:7860.
	$(BIN)/python app.py $(ARGS)

agents: $(VENV)/.native ## Add llama.cpp, so that the agents can think with language models (wants a C++ compiler).

link: $(VENV)/.link ## Add Ableton Link, to play in time with other programs (GPL, an extra).

plugin: ## Build the DAW plug-in into plugin/build/bin (apt install dpf-source cmake g++ pkg-config libgl-dev libx11-dev libxext-dev libxrandr-dev libxcursor-dev).
	@command -v cmake >/dev/null || { echo "The plug-in is built with CMake; on Debian and Ubuntu: apt install dpf-source cmake g++ pkg-config libgl-dev libx11-dev libxext-dev libxrandr-dev libxcursor-dev"; exit 1; }
	cmake -S plugin -B plugin/build $(CMAKE_ARGS)
	cmake --build plugin/build --parallel
	@echo "Built: $$(ls -d plugin/build/bin/MusicGenStudio.* | tr '\n' ' ')- docs/plugin.md says where a DAW looks for them."

# Tests that drive a browser, a DAW or an instrument in time are run one by one; of the others each processor takes a file.
ALONE := tests/browser tests/plugin tests/studio/live_midi
test: check ## Install what is needed, check the code and run the tests.
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@failed=0; \
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(ALONE:%=--ignore=%) || failed=1; \
	$(BIN)/python -m pytest $(ALONE) || failed=1; \
	exit $$failed
endif

check: $(VENV)/.tests ## Lint, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tests ## Put the code in order.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.tests ## Measure start-up, first sound and rendering speed.
	$(BIN)/python benchmarks/first_sound.py
	$(BIN)/python benchmarks/sketches.py --seeds 1

lock: $(VENV)/.tests ## Pin every version anew from requirements.in and requirements-dev.in.
	$(PIP) install uv==0.13.9
	$(BIN)/uv pip compile requirements.in --universal --python-version 3.11 --fork-strategy fewest -q \
		--custom-compile-command "make lock" --no-annotate -o requirements.txt \
		--no-emit-package cuda-bindings --no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit --no-emit-package triton
	sed -i.old '/^nvidia-/d' requirements.txt && rm -f requirements.txt.old
	$(BIN)/uv pip compile requirements-dev.in --universal --python-version 3.11 --fork-strategy fewest -q \
		--custom-compile-command "make lock" --no-annotate -o requirements-dev.txt

clean: ## Remove the environment and caches; takes and settings stay where they are.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.runs: requirements.txt requirements-no-deps.txt
	@test -n "$(PYTHON)" || { echo "MusicGen Studio needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/python."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python cannot make an environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing what the studio needs into $(VENV); the first time takes some minutes."
	$(PIP) install -r requirements.txt
	$(PIP) install --no-deps -r requirements-no-deps.txt
	@touch $@

$(VENV)/.native: $(VENV)/.runs requirements-native.txt
	@echo "Compiling llama.cpp; this takes ten minutes, once."
	$(PIP) install -r requirements-native.txt
	@touch $@

$(VENV)/.link: $(VENV)/.runs requirements-link.txt
	$(PIP) install -r requirements-link.txt
	@touch $@

# torch for CUDA brings its own Triton along; elsewhere its interpreter runs the kernels in the tests.
TRITON := 3.9.0
# Where nothing can be compiled, the tests of the language models are left out and say so.
$(VENV)/.tests: $(VENV)/.runs requirements-dev.txt requirements-native.txt requirements-link.txt
	$(PIP) install -r requirements-dev.txt
	@$(BIN)/python -c "import triton" 2>/dev/null || $(PIP) install --no-deps triton==$(TRITON) || echo "No Triton here; the card's kernels are not tested."
	@$(MAKE) --no-print-directory link || echo "Ableton Link could not be installed here; its tests are left out."
	@$(MAKE) --no-print-directory agents || echo "llama.cpp could not be compiled here; its tests are left out."
	@touch $@
