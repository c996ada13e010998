# Two commands set everything up on a fresh machine with Python, pip and make:
#   make demo    install into .venv, make the demo film, dub it
#   make test    install what the tests need, run them     (make test-all adds the slow ones)

PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test test-all lint clean

demo: .venv/.installed
	$(BIN)/dubkit demo demo

test: .venv/.installed-test
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/.installed-test
	$(BIN)/python -m pytest -m "slow or not slow"

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	@echo "Installing dubkit and its engines into .venv (some minutes; 9.3 GB with the CUDA build of torch) ..."
	$(PIP) install -e ".[all]"
	$(BIN)/python -c "import cv2" || $(PIP) install --force-reinstall --no-deps opencv-python-headless # a machine without libGL
	@$(PYTHON) -c "open('$@', 'w')"

.venv/.installed-test: .venv/.installed
	$(PIP) install -e ".[all,test]"
	$(BIN)/python -c "import cv2" || $(PIP) install --force-reinstall --no-deps opencv-python-headless
	@$(PYTHON) -c "open('$@', 'w')"

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('.venv', 'build', 'dist', 'demo')]"
