# The commands of README.md. Each installs what it needs and does not have.
CARGO ?= cargo
DEMO_ARGS ?=
# With a display the demo opens a window to use; without one a scripted person runs it.

.PHONY: demo demo-vm test test-vm test-drm lint bench bench-quick deps build golden help image vsock deb

# Carries the streams of QEMU's guests; in the linked VMM the same is built in.
VSOCK := vhost-device-vsock
VSOCK_VERSION := 0.3.0

help:
	@echo "make demo         three qubes on one desktop"
	@echo "make demo-vm      the same on virtual machines, in software where need be; minutes"
	@echo "make test         all tests"
	@echo "make test-vm      tests in virtual machines; minutes"
	@echo "make test-drm     the desktop on a virtual screen; minutes"
	@echo "make image        a template for virtual machines"
	@echo "make deb          a Debian package, as target/deb/*.deb"
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

# The image is the one of the tests.
demo-vm: build vsock
	export TRANSOM_DATA_DIR="$(CURDIR)/target/vm"; \
	if [ -d target/vm/images/debian-12 ]; then target/debug/transom image update --agent-only; \
	else target/debug/transom image build; fi
	PATH="$(CURDIR)/target/debug:$$PATH" target/debug/transom demo --scripted --vm \
	    --images target/vm/images --out target/demo-vm $(DEMO_ARGS)

test: build
	$(CARGO) test --workspace

test-vm: build vsock
	CARGO="$(CARGO)" .ci/test-vm

test-drm: build
	CARGO="$(CARGO)" .ci/test-drm

image: build vsock
	target/debug/transom image build

vsock: target/tools/bin/$(VSOCK)
	@mkdir -p target/debug
	@ln -sf ../tools/bin/$(VSOCK) target/debug/$(VSOCK)

target/tools/bin/$(VSOCK): | deps
	$(CARGO) install --root target/tools --version $(VSOCK_VERSION) --locked $(VSOCK)

deb: deps
	$(CARGO) build --release -p transom -p transom-hypervisor -p transom-agent --bins
	CARGO="$(CARGO)" compositor/session/build-deb

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features transom-tests/vm -- -D warnings
	.ci/licences

# The lanes print figures of virtual machines on their way; one machine at a time, to be compared.
bench: deps
	RUST_TEST_THREADS=1 $(MAKE) test-vm
	RUST_TEST_THREADS=1 TRANSOM_LANE_SECONDS=60 $(MAKE) test-drm
	$(CARGO) build --release --workspace --bins
	$(CARGO) run --release -p transom-tests --bin transom-bench -- --lanes target/vm/logs

bench-quick: deps
	$(CARGO) build --release --workspace --bins
	$(CARGO) run --release -p transom-tests --bin transom-bench -- --quick

golden: build
	TRANSOM_BLESS=1 $(CARGO) test --workspace
	TRANSOM_BLESS=1 $(CARGO) test -p transom-tests --features vm --test drm golden
