# Relative paths only: make cannot handle a directory whose name has a space, and this one may.

PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
UV ?= uv
READY := .venv/.ready
RUN := .venv/bin/python -m

# Dozens of processes are started, which would all compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile | expand -t 14

demo: $(READY) ## Run the whole thing against a simulated vendor, with figures at the end; ARGS="..." are passed on.
	$(RUN) cli.main demo $(ARGS)

up: $(READY) ## Run worker, beat, web and Flower, and the servers they need, until Ctrl-C.
	$(RUN) cli.main up $(ARGS)

test: $(READY) ## Run all tests; ARGS="tests/unit -k money" are passed on.
	$(RUN) pytest $(ARGS)

lint: $(READY) ## Check style, types and the direction of imports.
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	.venv/bin/lint-imports

lock: ## Choose the newest versions that pyproject.toml allows, and pin them with their hashes (needs uv).
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade --extra dev pyproject.toml -o requirements.lock

clean: ## Remove what make has made; the embedded servers' data in .crowdops stay.
	rm -rf .venv build crowdops.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@for python in $(PYTHONS); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exec "$$python" -m venv .venv; \
	done; \
	echo "crowdops needs Python 3.11 or newer. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

.PHONY: help demo up test lint lock clean
