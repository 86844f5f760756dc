# The commands of README.md. Each installs what it needs and does not have.
CARGO ?= cargo
DEMO_ARGS ?=
# With a display the demo opens a window to use; without one a scripted person runs it.

.PHONY: demo test lint bench bench-quick deps build golden help

help:
	@echo "make demo         three qubes on one desktop"
	@echo "make test         all tests"
	@echo "make lint         format and lint checks"
	@echo "make bench        measurements, as target/bench/report.json"
	@echo "make bench-quick  the same in under a minute"
	@echo "make golden       write the golden pictures and texts of the tests anew"

deps:
	@.ci/install

build: deps
	$(CARGO) build --workspace --bins

demo: build
	target/debug/transom demo $(DEMO_ARGS)

test: build
	$(CARGO) test --workspace

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	.ci/licences

bench: deps
	$(CARGO) build --release --workspace --bins
	$(CARGO) run --release -p transom-tests --bin transom-bench

bench-quick: deps
	$(CARGO) build --release --workspace --bins
	$(CARGO) run --release -p transom-tests --bin transom-bench -- --quick

golden: build
	TRANSOM_BLESS=1 $(CARGO) test --workspace
