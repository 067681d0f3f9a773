# make run    set up what is missing, then run Maskline with its demo on this machine
# make test   set up what is missing, then run all tests
# make check  linters, types, layers, dialplan, OpenAPI (make -k check: all of them)
# make bench  side-by-side benchmarks
# make setup  set-up alone: afterwards .venv/bin/maskline works
# make lock   resolve the dependencies again (the only target that changes the lock files)
# make clean  remove what was made in this folder; the cache of tools stays

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
BIN := .venv/bin
TOOLBOX := $(BIN)/python -m maskline.toolbox
# Tests of what runs inside their own process, where coverage is measured; the others start Asterisk
# and its callers. As many at a time as there are cores: more are no quicker, only later.
# The torture compares times: nothing else runs beside it.
TORTURE := tests/e2e/test_torture.py
INSIDE := tests/unit tests/contract tests/integration/cdr tests/integration/storage tests/integration/delivery
AROUND = $(INSIDE:%=--ignore=%) --ignore=$(TORTURE) tests
PYTEST := $(BIN)/python -m pytest --dist loadfile
# What fails beside others gets a second turn alone: all that compete for two cores can be late.
define turns
$(PYTEST) $(2) --junitxml=build/$(1).xml $(3); failed=$$?; \
if test $$failed = 1; then echo "== $(1): once more, alone, what failed beside others"; \
  $(PYTEST) -n 0 --last-failed --junitxml=build/$(1)-alone.xml $(3); failed=$$?; fi
endef
BENCH_LIMIT_S ?= 900
CHECKS := lint format types layers dialplan openapi typescript

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
# What Python has compiled is kept, whatever the environment says: each process starts in half the time.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup run test check bench lock clean python venv-run venv-dev tools $(CHECKS)

help:
	@sed -n 's/^# make/make/p' Makefile

python:
	@test -n "$(PYTHON)" || { echo "maskline: Python 3.11 or newer is needed: apt-get install python3" >&2; exit 1; }

venv-run: python
	@$(PYTHON) -m maskline.toolbox venv run

venv-dev: python
	@$(PYTHON) -m maskline.toolbox venv dev

tools:
	@$(TOOLBOX) install
	@$(TOOLBOX) prompts
	@$(TOOLBOX) web

setup: venv-run tools

run: setup
	@MASKLINE_LOG_LEVEL=$${MASKLINE_LOG_LEVEL:-warning} exec $(BIN)/maskline up --demo

test: venv-dev tools
	@$(TOOLBOX) testkit
	@mkdir -p build
	@$(call turns,inside,-n 2 --cov --cov-report=,$(INSIDE)); inside=$$failed; \
	$(PYTEST) -n 0 -rP --junitxml=build/torture.xml $(TORTURE); torture=$$?; \
	$(call turns,around,-n 2,$(AROUND)); \
	exit $$((inside + torture + failed))
	$(BIN)/coverage report --include='storage/*'
	$(BIN)/coverage report --include='masking/*' --fail-under=95
	$(BIN)/coverage report --include='cdr/*' --fail-under=95

check: $(CHECKS)
$(CHECKS): venv-dev
lint:
	$(BIN)/ruff check .
format:
	$(BIN)/ruff format --check --output-format concise .
types:
	$(BIN)/mypy
layers:
	$(BIN)/lint-imports --no-logo
dialplan: tools
	$(BIN)/maskline asterisk lint
openapi:
	$(BIN)/python -m api.openapi --check docs/openapi.json
typescript:
	$(TOOLBOX) web check

bench: venv-dev tools
	@for file in $$(grep -l '__main__' bench/*.py | sort); do \
	  name=bench.$$(basename $$file .py); echo "== $$name"; \
	  timeout --foreground $(BENCH_LIMIT_S) $(BIN)/python -m $$name || exit 1; \
	done

lock: venv-dev
	@for file in build node run dev; do \
	  case $$file in build | node) from=requirements/$$file.in ;; dev) from="--all-extras pyproject.toml" ;; *) from=pyproject.toml ;; esac; \
	  $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $$from -o requirements/$$file.txt || exit 1; \
	done

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
