# Everyday commands. Each does its own set-up, so that any of them works in a fresh clone; `make` lists them.
# cargo builds where CARGO_TARGET_DIR says, else into target/.

SECONDS ?= 60
TARGET  ?=
ONCE    ?=
PROFILE ?= dev

.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-bench build run test lint fmt bench speed doc fuzz ebpf clean-mesh

help: ## List these commands
	@echo 'x0, a peer-to-peer mesh node. Commands:'
	@awk -F ' ## ' '/^[a-z-]+:.* ## /{sub(/:.*/, "", $$1); printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo 'The first build compiles RocksDB from source: 20 to 30 minutes in all on two idle cores, once.'

setup: ## Install what building and running need (as root; otherwise prints the line to run)
	@scripts/setup.sh build

setup-test: ## Install that and what `make test` needs
	@scripts/setup.sh test

setup-bench: ## Install what building needs, and what `make bench` measures beside
	@scripts/setup.sh bench

build: setup ## Build all programs (V=1 names every crate)
	@scripts/cargo.sh build --locked --workspace

run: build ## Start 8 real nodes, tell their story, stay up until Ctrl-C (ONCE=1 ends after the story)
	@"$$(scripts/target-dir.sh)/debug/x0-testnet" tour $(if $(ONCE),--once)

test: ## Run every check and every test, as CI does (STAGE="lint tests" for some, FUZZ_SECONDS=n)
	@scripts/test.sh $(STAGE)

lint: setup-test ## Check formatting, scripts, purity, dependencies and lints
	@scripts/test.sh format scripts purity deny lint

fmt: ## Format the Rust code
	@cargo fmt --all

bench: setup-bench ## Measure, in the release profile, what checks, records, the simulator and (as root) the charter in the kernel cost; then Sublime on real nodes beside age and Kubo (PROFILE=release compiles RocksDB anew)
	@cargo bench --locked -p x0-crypto -p x0-protocol -p x0-sim --bench '*'
	@if [ "$$(id -u)" = 0 ]; then unshare --mount cargo bench --locked -p x0-ebpf-loader --bench overhead; \
	else echo '!!! NOT MEASURED, for it takes root: what the charter in the kernel costs'; fi
	@scripts/cargo.sh build --locked --workspace --profile $(PROFILE)
	@"$$(scripts/target-dir.sh)/$(PROFILE:dev=debug)/x0-testnet" journey vault-speed

speed: build ## Measure real nodes: idling, spreading, repair, catch-up with 30, the keys of 15 seats
	@"$$(scripts/target-dir.sh)/debug/x0-testnet" journey speed
	@"$$(scripts/target-dir.sh)/debug/x0-testnet" journey committee-keys

doc: setup ## Build the documentation of our crates
	@RUSTDOCFLAGS='--deny warnings' scripts/cargo.sh doc --locked --workspace --no-deps
	@echo "open $$(scripts/target-dir.sh)/doc/x0_protocol/index.html"

fuzz: setup ## Fuzz the decoders (SECONDS=n each, TARGET=record for one)
	@scripts/fuzz.sh $(SECONDS) $(TARGET)

ebpf: ## Build the programs in the kernel from source, and compare them with those checked in
	@scripts/ebpf.sh check

clean-mesh: ## Remove what meshes left behind that were killed before they could clean up
	@scripts/clean-mesh.sh
