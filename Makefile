# make run    serve http://127.0.0.1:9090, with a demonstration where there is no campaign yet
# make run-label-studio  Label Studio beside the server, with a project connected to it
# make test   everything: ruff, mypy, all tests
# make check  the fast part of it, under two minutes
# make bench-peers  the libraries that tests/benchmarks compares with, in .venv-bench*
# make clean  remove what make has made; the data folder stays
#
# PYTHON=python3.12 make run   takes that Python for the environment

BIN := .venv/bin
# named by content: a fresh checkout changes times, but installs nothing again
RUN_STAMP := .venv/installed-$(shell cat requirements.txt pyproject.toml | cksum | cut -d ' ' -f 1)
DEV_STAMP := .venv/installed-dev-$(shell cat requirements*.txt pyproject.toml | cksum | cut -d ' ' -f 1)

LABEL_STUDIO := .venv-label-studio
LABEL_STUDIO_STAMP := $(LABEL_STUDIO)/installed-$(shell cksum < requirements-label-studio.txt | cut -d ' ' -f 1)

PEERS := .venv-bench
PEERS_STAMP := $(PEERS)/installed-$(shell cksum < requirements-bench.txt | cut -d ' ' -f 1)
OLDER_PEERS := .venv-bench-older
OLDER_PEERS_STAMP := $(OLDER_PEERS)/installed-$(shell cksum < requirements-bench-older.txt | cut -d ' ' -f 1)
FASTDUP := .venv-bench-fastdup
FASTDUP_STAMP := $(FASTDUP)/installed-$(shell cksum < requirements-bench-fastdup.txt | cut -d ' ' -f 1)

# a Python prints here what it lacks for making the environment, one line, or nothing
define WHAT_IS_MISSING
import importlib.util, os, shutil, sys, sysconfig
name = "python%d.%d" % sys.version_info[:2]
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
compiler = os.environ.get("CXX") or "c++ g++ clang++"
if sys.version_info < (3, 11):
    print("Python 3.11 or newer is needed, %s is %s: install python3.11 or a newer one" % (sys.executable, name))
elif not all(importlib.util.find_spec(part) for part in ("venv", "ensurepip")):
    print("%s cannot make virtual environments: install it (Debian, Ubuntu: apt install %s-venv)" % (name, name))
elif not any(shutil.which(one.split()[0]) for one in compiler.split()):
    print("no C++ compiler: install one (Debian, Ubuntu: apt install g++; macOS: xcode-select --install)")
elif not os.path.exists(header):
    print("the headers of %s are missing: install them (Debian, Ubuntu: apt install %s-dev)" % (name, name))
endef
export WHAT_IS_MISSING

.PHONY: help run run-label-studio label-studio bench-peers test check lint clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \{0,1\}//; /^$$/q; p' Makefile

run: $(RUN_STAMP)
	@exec $(BIN)/al-server serve --demo

run-label-studio: $(RUN_STAMP) $(LABEL_STUDIO_STAMP)
	@exec $(BIN)/python -m integrations.label_studio.demo

label-studio: $(LABEL_STUDIO_STAMP)

bench-peers: $(PEERS_STAMP) $(OLDER_PEERS_STAMP) $(FASTDUP_STAMP)

test: lint $(LABEL_STUDIO_STAMP)
	AL_REQUIRE_LABEL_STUDIO=1 $(BIN)/python -m pytest

check: lint
	$(BIN)/python -m pytest -m "not slow and not browser"

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv $(LABEL_STUDIO) $(PEERS) $(OLDER_PEERS) $(FASTDUP) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	    for one in python3.13 python3.12 python3.11 python3; do \
	        $$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	        python="$${python:-$$one}"; \
	        missing=$$($$one -c "$$WHAT_IS_MISSING") && [ -z "$$missing" ] && { python=$$one; break; }; \
	    done; \
	fi; \
	if [ -z "$$python" ]; then \
	    echo "error: no Python 3.11 or newer found: install python3.11 or a newer one" >&2; exit 1; \
	fi; \
	missing=$$("$$python" -c "$$WHAT_IS_MISSING") || \
	    { echo "error: $$python does not run: install Python 3.11 or newer" >&2; exit 1; }; \
	if [ -n "$$missing" ]; then echo "error: $$missing" >&2; exit 1; fi; \
	echo "making .venv with $$python"; \
	"$$python" -m venv .venv

# a stamp of other requirements goes: the environment no longer is what it says
$(RUN_STAMP): $(BIN)/python
	@echo "installing requirements.txt; the first time this takes minutes"
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps -e .
	$(BIN)/python -m al_server.warm_up
	@rm -f .venv/installed-* && touch $@

# after the first: two pips at once in one environment would get into each other's way
$(DEV_STAMP): $(RUN_STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@rm -f .venv/installed-dev-* && touch $@

# tests meet a real Label Studio, too
$(LABEL_STUDIO_STAMP): $(BIN)/python
	@echo "installing Label Studio into $(LABEL_STUDIO); the first time this takes minutes"
	test -x $(LABEL_STUDIO)/bin/python || $(BIN)/python -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python -m pip install --disable-pip-version-check -q -r requirements-label-studio.txt
	@rm -f $(LABEL_STUDIO)/installed-* && touch $@

$(PEERS_STAMP): $(BIN)/python
	test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --disable-pip-version-check -q -r requirements-bench.txt
	@rm -f $(PEERS)/installed-* && touch $@

$(OLDER_PEERS_STAMP): $(BIN)/python
	test -x $(OLDER_PEERS)/bin/python || $(BIN)/python -m venv $(OLDER_PEERS)
	$(OLDER_PEERS)/bin/python -m pip install --disable-pip-version-check -q -r requirements-bench-older.txt
	@rm -f $(OLDER_PEERS)/installed-* && touch $@

$(FASTDUP_STAMP): $(BIN)/python
	test -x $(FASTDUP)/bin/python || $(BIN)/python -m venv $(FASTDUP)
	$(FASTDUP)/bin/python -m pip install --disable-pip-version-check -q -r requirements-bench-fastdup.txt
	@rm -f $(FASTDUP)/installed-* && touch $@
