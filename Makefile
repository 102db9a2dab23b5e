# Each target builds the environment it needs. PYTHON picks the interpreter (>= 3.10).
PYTHON ?= python3
VENV := .venv
ADDONS := .venv-addons
STEP := tests/step.sh
# More processes than cores: tests wait for others that they start.
SPREAD := -n 4 --dist worksteal
PYTEST := $(VENV)/bin/python -m pytest $(SPREAD)
COVERED := 90
# TensorFlow 2.15 runs on Python 3.10 and 3.11 only.
PYTHON_ADDONS ?= $(shell for p in $(PYTHON) python3.11 python3.10; do \
	$$p -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))' \
	2>/dev/null && echo $$p && break; done)

.PHONY: demo test test-all test-addons unit contract recipes kills lint types
.PHONY: coverage mutants audit docs bench clean

# The main job: a few labelled and many unlabelled rendered faces, no download.
demo: $(VENV)/run
	$(VENV)/bin/python recipes/margin_mix.py

test: lint types
	KERASFER_TESTS=$${KERASFER_TESTS:-share} $(PYTEST)

# Every step names itself and its seconds; `make STEP` repeats one.
test-all:
	$(STEP) start
	$(STEP) install $(MAKE) $(VENV)/test
	for step in lint types unit contract recipes kills docs; do \
		$(STEP) $$step $(MAKE) $$step || exit 1; done
	$(STEP) install-addons $(MAKE) $(ADDONS)/test
	$(STEP) addons $(MAKE) test-addons
	$(STEP) summary

unit contract recipes kills: $(VENV)/test
	$(PYTEST) -m $@ --durations 10 $(MEASURE)

# Lines and branches of the package that the tests reach, in all their processes. Apart
# from `test-all`, of which measuring takes half as long again.
coverage:
	rm -f .coverage .coverage.*
	for step in unit contract recipes; do \
		$(MAKE) $$step MEASURE="--cov --cov-append --cov-report=" || exit 1; done
	$(VENV)/bin/coverage report --fail-under=$(COVERED)

test-addons: $(ADDONS)/test
	KERASFER_TESTS=$${KERASFER_TESTS:-share} $(ADDONS)/bin/python -m pytest $(SPREAD) --durations 10

lint: $(VENV)/test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/bandit --quiet --recursive --severity-level medium kerasfer

types: $(VENV)/test
	$(VENV)/bin/mypy

# Deliberate faults, each of which a test must notice; 15 minutes.
mutants: $(VENV)/test
	$(VENV)/bin/python tests/mutation/run.py

# The site, in site/; a broken link or reference is an error.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

# Known holes of what is installed; asks a data base in the net, so not a part of CI.
audit: $(VENV)/test
	$(VENV)/bin/pip install --quiet pip-audit
	$(VENV)/bin/pip-audit --local --skip-editable

$(VENV)/run: requirements.txt setup.py pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python >= 3.10 is needed, this is " + sys.version) if sys.version_info < (3, 10) else None'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -r requirements.txt
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/test: $(VENV)/run requirements-test.txt requirements-export.txt requirements-beam.txt
	$(VENV)/bin/pip install --quiet -r requirements-test.txt -r requirements-beam.txt
	touch $@

$(VENV)/docs: $(VENV)/run requirements-docs.txt
	$(VENV)/bin/pip install --quiet -r requirements-docs.txt
	touch $@

$(ADDONS)/test: requirements-addons.txt requirements-test.txt requirements-export.txt setup.py pyproject.toml
	@test -n "$(PYTHON_ADDONS)" || { echo "TensorFlow 2.15 needs Python 3.10 or 3.11 with venv: make test-addons PYTHON_ADDONS=/path/to/python3.11"; exit 1; }
	$(PYTHON_ADDONS) -m venv $(ADDONS)
	$(ADDONS)/bin/pip install --quiet --upgrade pip
	$(ADDONS)/bin/pip install --quiet -r requirements-addons.txt -r requirements-test.txt
	$(ADDONS)/bin/pip install --quiet --no-deps --editable .
	touch $@

# Writes docs/measured/benchmarks.md. PHOTOS=folder of photos for MTCNN's row; torch and
# torchvision for those of PyTorch, see tests/benchmarks/pytorch.py.
bench: $(VENV)/test
	$(VENV)/bin/python tests/benchmarks/table.py $(if $(PHOTOS),--photos $(PHOTOS))
	$(VENV)/bin/python tests/benchmarks/serving.py
	$(VENV)/bin/python tests/benchmarks/manifest.py

clean:
	rm -rf $(VENV) $(ADDONS) *.egg-info .pytest_cache .ruff_cache site
