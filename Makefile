# SPDX-License-Identifier: Apache-2.0
# Everything a developer or a build server runs. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup build demo simulate test check format bench bench-step bench-all-reduce \
    bench-bank bench-verify bench-cluster loss-curves experiment-bank fuzz fuzz-corpus clean

# Headers of the C libraries, and the tools that find them. SQLite belongs to the run's ledger.
PACKAGES := git pkg-config binutils g++ libopenblas-dev libdnnl-dev libzmq3-dev libsqlite3-dev \
    nettle-dev libavformat-dev libavcodec-dev libswscale-dev libavutil-dev

# One set of flags for the program and its tests, so that the tests run what the demonstration runs
# and neither rebuilds what the other built.
FLAGS := --configuration release -Xswiftc -enable-testing
ACCORD := .build/release/accord
DEMO := build/demo
HISTORIES ?= 1000
# For the peers of the benchmarks.
PYTHON ?= python3
# Of bench-all-reduce, such as: --place machine --ranks 2 --sizes 4096 100000000
OPTIONS ?=

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: ## Install the Debian packages that are missing (root or sudo).
	@if ! command -v swift > /dev/null; then
	    echo "make setup: there is no Swift toolchain in PATH; Accord needs Swift 6.2 or newer," \
	        "see https://www.swift.org/install/linux/" >&2
	    exit 1
	fi
	if ! command -v dpkg-query > /dev/null; then
	    echo "make setup: this is not Debian; install by other means what these packages hold:" \
	        "$(PACKAGES)" >&2
	    exit 1
	fi
	missing=()
	for package in $(PACKAGES); do
	    state=$$(dpkg-query --show --showformat '$${db:Status-Status}' $$package 2> /dev/null || true)
	    if [[ $$state != installed ]]; then missing+=($$package); fi
	done
	if (( $${#missing[@]} == 0 )); then exit 0; fi
	refuse() {
	    echo "make setup: $$1 Please run this as root, then repeat the command:" >&2
	    echo "    apt-get update && apt-get install --yes --no-install-recommends $${missing[*]}" >&2
	    exit 1
	}
	as_root=()
	if (( EUID != 0 )); then
	    command -v sudo > /dev/null || refuse "packages are missing, and there is no sudo."
	    as_root=(sudo)
	    if ! sudo --non-interactive true 2> /dev/null && [[ ! -t 0 ]]; then
	        refuse "packages are missing, and sudo needs a password."
	    fi
	fi
	echo "installing $${missing[*]}"
	"$${as_root[@]}" apt-get update --quiet \
	    || echo "make setup: the package lists could not be renewed; trying with those there" >&2
	"$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	    apt-get install --yes --quiet --no-install-recommends "$${missing[@]}" \
	    || refuse "apt-get has failed (see above)."

build: setup ## Build .build/release/accord.
	@swift build $(FLAGS) --product accord

demo: build ## Make clips, train on them with two workers, measure retrieval.
	@if [[ ! -f $(DEMO)/clips/vocab.txt ]]; then
	    echo "== 1. Clips: 1400 real mp4 files with titles, speech and labels"
	    $(ACCORD) synthesize --clips 1400 --out $(DEMO)/clips
	fi
	echo "== 2. Training: a coordinator and two workers"
	$(ACCORD) launch --config configs/demo.yaml --workers 2 --run $(DEMO)/run
	echo "== 3. Retrieval on clips that the training never saw"
	$(ACCORD) evaluate --run $(DEMO)/run
	echo "== 4. Proof: every clip once per epoch, an unbroken history"
	$(ACCORD) verify --run $(DEMO)/run
	printf '%s\n' '' 'Where to look next' \
	    '  $(DEMO)/run/                          its configuration, ledger, checkpoints, logs' \
	    '  $(ACCORD) --help                all commands' \
	    '  configs/demo-without-alignment.yaml     the same run without the contrastive loss' \
	    '  README.md, docs/architecture.md         several machines; how it works' \
	    'To train again from the start: rm -r $(DEMO)/run, then make demo.'

simulate: build ## Run HISTORIES (1000) of a virtual cluster with faults.
	@$(ACCORD) simulate --seeds $(HISTORIES)

# One decoder, or all in turn. A crash leaves its input in build/fuzz; put it into the corpus.
SECONDS ?= 60
DECODER ?= all
FUZZ := ACCORD_LIBFUZZER=1 swift build $(FLAGS) --scratch-path .build-fuzz --product fuzz \
    --sanitize fuzzer -Xswiftc -parse-as-library

fuzz: setup ## Fuzz DECODER (default: all of them, in turn) for SECONDS each with libFuzzer.
	@$(FUZZ)
	program=.build-fuzz/release/fuzz
	decoders=$(DECODER)
	if [[ $$decoders == all ]]; then decoders=$$($$program --list); fi
	for decoder in $$decoders; do
	    mkdir -p build/fuzz/$$decoder
	    echo "== $$decoder for $(SECONDS) s"
	    DECODER=$$decoder $$program build/fuzz/$$decoder Tests/FuzzingTests/Corpus/$$decoder \
	        -max_total_time=$(SECONDS) -max_len=8192 -timeout=60 -rss_limit_mb=2048 \
	        -print_final_stats=1 -artifact_prefix=build/fuzz/$$decoder-
	done

fuzz-corpus: setup ## Write the valid encodings of the corpus again, after a change of a format.
	@swift build $(FLAGS) --build-tests
	ACCORD_WRITE_CORPUS=1 swift test $(FLAGS) --skip-build --disable-xctest \
	    --filter theCorpusIsReadAndHoldsTheSeeds

test: setup ## Build and run all tests.
	@swift build $(FLAGS) --build-tests
	swift test $(FLAGS) --skip-build --disable-xctest

check: setup ## What a build server runs: the format, then all tests.
	@swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks
	$(MAKE) --no-print-directory test

format: ## Rewrite the Swift files in the house format.
	@swift format --in-place --parallel --recursive Package.swift Sources Tests Benchmarks

bench: bench-step bench-all-reduce bench-verify ## Measure Accord beside the limits of this machine.

bench-step: setup ## Measure a training step; PYTHON with torch, transformers: the peer, too.
	@swift build $(FLAGS) --product benchmarks
	peer=
	if $(PYTHON) -c 'import torch, transformers' 2> /dev/null; then
	    peer="$(PYTHON) Benchmarks/Peers/torch_step.py"
	else
	    echo "make bench-step: $(PYTHON) has no torch and transformers: no peer beside the figures" >&2
	fi
	measure() {  # size, precision, clips per lane, text length, that of the padded peer
	    .build/release/benchmarks step --size $$1 --precision $$2 --rows $$3 --text $$4
	    if [[ -z $$peer ]]; then return; fi
	    for mode in '' --compile; do
	        $$peer --size $$1 --dtype $$2 --batch $$(( 2 * $$3 )) --text $$5 $$mode 2> /dev/null
	    done
	}
	measure small bf16 4 128 128
	measure small bf16 4 0 256
	measure base bf16 2 128 128
	measure small f32 4 128 128
	measure base f32 2 128 128

build/limits/%: Benchmarks/Limits/%.c Benchmarks/Limits/limits.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -O3 -march=native -pthread -o $@ $<

build/peers/mpi_all_reduce: Benchmarks/Peers/mpi_all_reduce.c
	@mkdir -p $(@D)
	mpicc -O2 -o $@ $<

# The limits and peers take turns with Accord, so one program runs all of them.
bench-all-reduce: setup build/limits/memory_limit build/limits/tcp_limit ## Measure the exchange.
	@swift build $(FLAGS) --product benchmarks
	peers=()
	if $(PYTHON) -c 'import torch' 2> /dev/null; then
	    peers+=(--gloo "$(PYTHON) Benchmarks/Peers/gloo_all_reduce.py")
	else
	    echo "make bench-all-reduce: $(PYTHON) has no torch: no gloo beside the figures" >&2
	fi
	if command -v mpicc > /dev/null && command -v mpirun > /dev/null; then
	    $(MAKE) --no-print-directory build/peers/mpi_all_reduce
	    peers+=(--open-mpi build/peers/mpi_all_reduce)
	else
	    echo "make bench-all-reduce: no mpicc and mpirun: no Open MPI beside the figures" >&2
	fi
	.build/release/benchmarks all-reduce --limits build/limits "$${peers[@]}" $(OPTIONS)

bench-verify: setup ## Measure accord verify on a million clips and three epochs.
	@swift build $(FLAGS) --product benchmarks
	.build/release/benchmarks verify

loss-curves: build ## Draw the losses of exact, f32 and bf16 runs again; five minutes.
	@swift build $(FLAGS) --product benchmarks
	if [[ ! -f $(DEMO)/clips/vocab.txt ]]; then
	    $(ACCORD) synthesize --clips 1400 --out $(DEMO)/clips
	fi
	.build/release/benchmarks loss-curves > build/loss-curves.csv
	$(PYTHON) Benchmarks/Plots/loss_curves.py build/loss-curves.csv docs/figures/loss-curves.svg

bench-cluster: build ## Measure what kills, freezes, absence, joins and load cost real processes.
	@swift build $(FLAGS) --product benchmarks
	.build/release/benchmarks joins
	python3 Benchmarks/Cluster/cluster.py kills freezes joiner absent chaos oversubscribed
	if (( $$(id -u) == 0 )); then python3 Benchmarks/Cluster/cluster.py cut; fi

bench-bank: setup ## Measure what three banks of 65,536 keys cost a step of base.
	@swift build $(FLAGS) --product benchmarks
	.build/release/benchmarks step --size base --precision bf16 --rows 2 --text 128 \
	    --bank 65536 --views 3 --compare-bank

# Of experiment-bank: seeds, and configurations of configs/experiments/bank by name, else all.
SEEDS ?= 3
ONLY ?=

experiment-bank: build ## Train with and without memory banks; hours, may be ended and repeated.
	@if [[ ! -f $(DEMO)/clips/vocab.txt ]]; then
	    $(ACCORD) synthesize --clips 1400 --out $(DEMO)/clips
	fi
	$(PYTHON) Benchmarks/Experiments/memory_bank.py --accord $(ACCORD) --seeds $(SEEDS) \
	    --configs configs/experiments/bank --out build/experiments/bank $(if $(ONLY),--only $(ONLY))
	$(PYTHON) Benchmarks/Plots/memory_bank.py build/experiments/bank docs/figures/memory-bank.svg

clean: ## Remove everything that was built, synthesised and trained here.
	@rm -rf .build .build-fuzz build
