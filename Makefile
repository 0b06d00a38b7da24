# Works with GNU make 3.81 and later. Choose another interpreter with: make quickstart PYTHON=python3.12
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# Wheels to install from where there is no connection.
WHEELS = dist/wheels

# Of the tables; a plain = leaves a variable of that name in the environment out of it.
PROFILE = cpu
SEEDS = 5
PAIRS =
BACKBONE = efficientnet_lite2
REGIME = frozen
# One run a core; with GPUs as many as share them: six on each.
CORES = $(if $(filter 0,$(GPUS)),2,$(shell expr 6 '*' $(GPUS)))
GPUS = 0
HOLES =
TABLES := table1 table2 table3 table3-cross table4 table4-no-batch-norm arguments \
	retrieval-digits retrieval-digits-cross code-length igan-plus igan-plus-retrieval backbones backbones-retrieval

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Valid in every Python, so that an old one gets the sentence and not a syntax error.
CHECK_PYTHON := import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	"igan needs Python 3.11 to 3.13 but found %d.%d; name another one, such as: make PYTHON=python3.12" % v)

SNAKEMAKE = $(BIN)/python -m snakemake --cores $(CORES) \
	--config profile=$(PROFILE) seeds=$(SEEDS) pairs=$(PAIRS) backbone=$(BACKBONE) regime=$(REGIME) gpus=$(GPUS) \
	$(HOLES) $(ARGS) --

# The shell outlives Ctrl-C, to say that nothing is lost.
SWEEP = @trap : INT; $(SNAKEMAKE) $@ || \
	{ code=$$?; echo "Not finished. What is done stays. With any cause above mended, the same command goes on: make $@" >&2; exit $$code; }

.PHONY: help quickstart all tables notebooks report site test lab class slides wheels install-from lint bench gpu readme
.PHONY: $(TABLES) figure2

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

quickstart: $(STAMP) ## Train IGAN on embedded digits, ten minutes on two cores, print the result row and the paths
	$(BIN)/python -m igan_lib quickstart $(ARGS)

all: $(STAMP) ## Make everything: runs, tables, notebooks with their figures, report (PROFILE=cpu SEEDS=5 CORES=2 GPUS=0)
	$(SWEEP)

tables: $(STAMP) ## Run what the tables need and write them (PROFILE=cpu SEEDS=5 PAIRS= CORES=2 GPUS=0), or one: make table4
	$(SWEEP)

$(TABLES) figure2: $(STAMP)
	$(SWEEP)

notebooks: HOLES = holes=yes
notebooks: $(STAMP) ## Execute notebooks 04 to 09 on the results that are there, with their figures (PROFILE=cpu SEEDS=5)
	$(SWEEP)

report: $(STAMP) ## Write results/report.html from the results that are there (PROFILE=cpu SEEDS=5)
	$(BIN)/python -m igan_lib report --profile $(PROFILE) --seeds $(SEEDS) $(if $(PAIRS),--pairs $(PAIRS)) \
		--backbone $(BACKBONE) --regime $(REGIME) $(ARGS)

site: $(STAMP) ## Make static pages of docs, executed notebooks and report, to be read without a connection
	$(BIN)/python docs/build_site.py $(ARGS)

# Two processes of one thread each, whatever the machine has: small products on several threads wait for each other, on
# busy cores for much longer than they compute. A file stays in one process, whose fixtures its tests share. In the order
# of the folders: files of few long tests do not come last, when the other process has nothing left.
test: $(STAMP) ## Run the whole test suite (ARGS="-k losses" for a part, ARGS="-n 0" in one process)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lab: $(STAMP) ## Open your own copy of the notebooks, in the folder own, in JupyterLab
	$(BIN)/python notebooks/tools/own_copy.py own
	$(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/own/notebooks $(ARGS)

class: $(STAMP) ## Pack the students' folder of a class as one zip: dist/igan-class.zip
	$(BIN)/python exercises/make_class.py $(ARGS)

slides: $(STAMP) ## Make the slides of a class as one file that needs no connection: dist/slides.html
	$(BIN)/python exercises/make_slides.py $(ARGS)

# setuptools too: pip builds the project with it, and has no index to take it from.
wheels: $(STAMP) ## Fill a folder with all wheels that a class needs (WHEELS=dist/wheels)
	$(BIN)/python -m pip wheel --wheel-dir "$(WHEELS)" . 'setuptools>=77' -c constraints.txt $(ARGS)

install-from: ## Make .venv from a folder of wheels, without a connection (WHEELS=dist/wheels)
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	@ls "$(WHEELS)"/*.whl >/dev/null 2>&1 || { echo "Expected wheels in $(WHEELS), found none: name the folder that" \
		"make wheels has filled, as in: make install-from WHEELS=/media/stick/wheels" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --no-index --find-links "$(WHEELS)" -e . $(ARGS)
	$(BIN)/python -m igan_lib.exercises --selftest

lint: $(STAMP) ## Check style and format of code and notebooks
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

bench: $(STAMP) ## Measure speed and memory: training, retrieval, features, photographs
	$(BIN)/python benchmarks/run.py $(ARGS)
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/threads.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/compiled.py
	$(BIN)/python benchmarks/methods.py
	$(BIN)/python benchmarks/own.py

gpu: $(STAMP) ## Measure a GPU in eight minutes: agreement with the CPU, steps, retrieval, Table 4 (ARGS=--rehearse without one)
	$(BIN)/python benchmarks/gpu.py $(ARGS)

readme: $(STAMP) ## Fill tables and times in README and notebooks from results/
	$(BIN)/python docs/fill_numbers.py

# A virtual environment with a working pip and a fitting Python is kept, any other is made anew. The stamp comes last,
# so an installation that was cut short is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@if $(BIN)/python -m pip --version >/dev/null 2>&1 && $(BIN)/python -c '$(CHECK_PYTHON)' >/dev/null 2>&1; then \
		echo "Using $(VENV)"; \
	elif ! command -v $(PYTHON) >/dev/null 2>&1; then \
		echo "igan needs Python 3.11 to 3.13 but found no $(PYTHON); name one, such as: make PYTHON=python3.12" >&2; \
		exit 1; \
	else \
		$(PYTHON) -c '$(CHECK_PYTHON)' && $(PYTHON) -m venv --clear $(VENV); \
	fi
	$(BIN)/python -m pip install -e '.[dev]' -c constraints.txt
	@touch $@
