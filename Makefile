# Every command of the repo. `make` alone lists them.
#
# run, play, test, bench-repositories, lint and invoke need only the Rust toolchain; bench, build, wheel, clients, e2e, deny and
# advisories also need python3, for what they install from PyPI, e2e and clients the openssl command, and clients root,
# containerd and skopeo.

BINARY := ecr-pull-through-sync
# What the function is built for: arm64 or x86_64. SAM does not tell, so the parameter in samconfig.toml is looked up.
ARCH ?= $(or $(lastword $(shell sed -n 's/^[^#]*Architecture=[^a-z]*\(arm64\|x86_64\).*/\1/p' samconfig.toml)),arm64)
VENV := .venv
TOOLS := $(VENV)/.installed
override BOOTSTRAP := target/lambda/$(BINARY)/bootstrap
override MINIMAL := target/lambda/minimal-function/bootstrap
SBOM := target/lambda/$(BINARY)/bootstrap.cdx.json
CI_TOOLS := $(VENV)/ci
CYCLONEDX_VERSION := 0.5.9
CYCLONEDX := target/tools/cyclonedx-$(CYCLONEDX_VERSION)/bin
E2E := $(VENV)/e2e
BENCH := $(VENV)/bench
WHEEL := $(VENV)/wheel
DIST := target/dist
CLIENTS := $(VENV)/clients
# Of this machine, for `make e2e` and `make bench`. PROFILE is release (the bootstrap of `make build`), or one that compiles
# sooner: dev for the one, bench for the other.
MACHINE := $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
PROFILE ?= release
# What `make run` needs, and no more. Cargo shows how far it is.
DEMO = @test -e $(DEBUG)/demo || echo "The first time, some 250 crates are compiled, the AWS SDK above all: four to five minutes of \
processor time, shared by all cores, and 1.4 GB in $(or $(CARGO_TARGET_DIR),target)/." >&2; \
	cargo build --locked --profile $(DEV_PROFILE) --bin $(BINARY) --bin demo
# What is not optimised is compiled so: dev is the soonest, test is as the tests are.
DEV_PROFILE ?= dev
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
TARGET := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-gnu

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F '|' '{ printf "%-26s %s\n", $$1, $$2 }'

.PHONY: run
run: ## Show the whole thing on this machine, without an AWS account (FILE=my.yaml: your own file)
	$(DEMO)
	@exec $(DEBUG)/demo run $(if $(FILE),"$(FILE)")

.PHONY: play
play: ## Keep it running, to be used with the AWS CLI and ptc, until Ctrl-C (FILE=my.yaml: in your file's account and Region)
	$(DEMO) --bin ptc
	@exec $(DEBUG)/demo play $(if $(FILE),"$(FILE)")

.PHONY: invoke
invoke: ## Send one event to the function on this machine (EVENT=events/manual-plan.json)
	@test -n "$(EVENT)" || { echo "Which event? make invoke EVENT=events/manual-plan.json" >&2; exit 2; }
	@test -f "$(EVENT)" || { echo "There is no file $(EVENT); the samples are in events/" >&2; exit 2; }
	$(DEMO)
	@exec $(DEBUG)/demo invoke "$(EVENT)"

# Tests wait more than they compute, for timeouts above all: twice as many at a time as there are processors.
.PHONY: test
test: ## Run every test
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(getconf _NPROCESSORS_ONLN)))} cargo test --workspace --locked

# Measured is the very bootstrap of `make build`. PROFILE=bench saves its five minutes, and is the only one for a Mac.
MEASURE := PYTHON=$(BENCH)/bin/python cargo bench --locked --package $(BINARY) --bench function

.PHONY: bench
bench: $(BENCH)/.installed ## Measure the function beside a minimal one and a boto3 one, into docs/performance.md (PROFILE=bench: sooner)
	@test -n "$(filter release bench,$(PROFILE))" || { echo "PROFILE is release or bench, not $(PROFILE)" >&2; exit 2; }
ifeq ($(PROFILE),bench)
	$(MEASURE)
else
	$(MAKE) build $(MINIMAL) ARCH=$(MACHINE)
	BOOTSTRAP=$(BOOTSTRAP) MINIMAL=$(MINIMAL) $(MEASURE)
endif

.PHONY: bench-repositories
bench-repositories: ## Measure the function with 100, 1,000 and 10,000 repositories (about twenty minutes)
	cargo bench --locked --package $(BINARY) --bench repositories

# Deployed is the very bootstrap of `make build`. PROFILE=dev saves its five minutes, and is the only one for a Mac.
.PHONY: e2e
e2e: $(E2E)/.installed ## Deploy the bootstrap into a cloud on this machine, and use it (PROFILE=dev: an unoptimised one)
	@test -n "$(filter release dev,$(PROFILE))" || { echo "PROFILE is release or dev, not $(PROFILE)" >&2; exit 2; }
	cargo build --locked --profile $(DEV_PROFILE) --bin local-aws --bin ptc $(if $(filter dev,$(PROFILE)),--bin $(BINARY))
ifneq ($(PROFILE),dev)
	$(MAKE) build ARCH=$(MACHINE)
endif
	@$(E2E)/bin/python -B tests/e2e --local-aws $(DEBUG)/local-aws --ptc $(DEBUG)/ptc --built $(PROFILE) \
		--bootstrap $(if $(filter dev,$(PROFILE)),$(DEBUG)/$(BINARY),$(BOOTSTRAP))

# Without root, a network namespace or the clients it says so, and ends with 77.
.PHONY: clients
clients: $(CLIENTS)/.installed ## Pull with the real containerd and Skopeo, as `ptc kit` sets them up
	cargo build --locked --profile $(DEV_PROFILE) --bin ptc
	@$(CLIENTS)/bin/python -B tests/clients --ptc $(DEBUG)/ptc

.PHONY: lint
lint: ## Check format, clippy and the documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: deny
deny: $(CI_TOOLS)/bin/cargo-deny ## Check the licences and the sources of the dependencies
	$< --locked check licenses bans sources

.PHONY: advisories
advisories: $(CI_TOOLS)/bin/cargo-deny ## Look the dependencies up in the RustSec database, which is cloned from GitHub
	$< fetch db
	$< --locked check --disable-fetch advisories

.PHONY: build
build: $(BOOTSTRAP) ## Build the bootstrap that Lambda runs, and check it (ARCH=arm64 or x86_64)

.PHONY: sbom
sbom: $(CYCLONEDX)/cargo-cyclonedx ## List what the bootstrap is made of, as CycloneDX (the first time compiles the tool)
	PATH="$(CURDIR)/$(CYCLONEDX):$$PATH" SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		cargo cyclonedx -qq --format json --spec-version 1.5 --target $(TARGET) --no-build-deps \
		--override-filename bootstrap.cdx
	@# It writes one for each package.
	@rm crates/*/bootstrap.cdx.json benches/minimal/bootstrap.cdx.json
	@mkdir -p $(dir $(SBOM))
	python3 scripts/trim_sbom.py bootstrap.cdx.json $(BINARY) $(TARGET) > $(SBOM)
	@rm bootstrap.cdx.json
	@ls -l $(SBOM)

# On Linux zig links against a glibc that is older than this machine's, as it does for the function.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
.PHONY: wheel
wheel: $(WHEEL)/.installed ## Build ptc as a wheel and an archive, into target/dist (PROFILE=dev: sooner, and not optimised)
	rm -f $(DIST)/*.whl
	PATH="$(CURDIR)/$(WHEEL)/bin:$$PATH" maturin build --profile $(PROFILE) --manifest-path crates/ptc/Cargo.toml \
		--target $(HOST) $(if $(findstring linux,$(HOST)),--zig --compatibility manylinux_2_28) --out $(DIST)
	python3 scripts/release_files.py ptc $(HOST) $(DIST)
	@ls -l $(DIST)

.PHONY: clean
clean: ## Remove everything that was built or installed
	cargo clean
	rm -rf $(VENV) .aws-sam

# A plain build links the glibc of this machine, which is newer than the one of provided.al2023 (2.34). zig links an
# older one, for both architectures. (The compiler's own flag for this, force-unwind-tables, changes nothing.)
NO_UNWINDING := -C link-arg=-Wl,-T,$(CURDIR)/scripts/no-unwinding.ld -C link-arg=-Wl,--no-eh-frame-hdr
# Every arm64 processor that Lambda has, Graviton 2 and later, does AES in hardware. Said so, the compiler leaves out what
# checksums would need without: tables that are a sixth of the zip.
PROCESSOR := $(if $(filter arm64,$(ARCH)),-C target-feature=+aes)
LAMBDA_BUILD = PATH="$(CURDIR)/$(VENV)/bin:$$PATH" RUSTFLAGS="$(NO_UNWINDING) $(PROCESSOR)" \
	cargo lambda build --release --locked --lambda-dir target/lambda $(if $(filter arm64,$(ARCH)),--arm64,--x86-64)

# CHECK=--budget: it must also be small.
.PHONY: $(BOOTSTRAP)
$(BOOTSTRAP): $(TOOLS)
	$(LAMBDA_BUILD) --package $(BINARY)
	python3 scripts/check_bootstrap.py $(CHECK) $(ARCH) $@

.PHONY: $(MINIMAL)
$(MINIMAL): $(TOOLS)
	$(LAMBDA_BUILD) --package minimal-function

$(TOOLS): scripts/build-tools.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement scripts/build-tools.txt
	@touch $@

$(E2E)/.installed: scripts/e2e-tools.txt
	python3 -m venv $(E2E)
	$(E2E)/bin/python -m pip install --quiet --disable-pip-version-check --retries 5 --requirement scripts/e2e-tools.txt
	@touch $@

$(WHEEL)/.installed: scripts/wheel-tools.txt
	python3 -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet --disable-pip-version-check --retries 5 --requirement $<
	@touch $@

$(CLIENTS)/.installed: scripts/clients-tools.txt
	python3 -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --retries 5 --requirement $<
	@touch $@

$(BENCH)/.installed: benches/boto3/requirements.txt
	python3 -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --retries 5 --requirement $<
	@touch $@

$(CI_TOOLS)/bin/cargo-deny: scripts/ci-tools.txt
	python3 -m venv $(CI_TOOLS)
	$(CI_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement scripts/ci-tools.txt
	@touch $@

$(CYCLONEDX)/cargo-cyclonedx:
	cargo install --locked --quiet --version $(CYCLONEDX_VERSION) --root $(dir $(CYCLONEDX)) cargo-cyclonedx

# `sam build` calls this one: "build-" and the function's logical id in template.yaml.
.PHONY: build-SyncFunction
build-SyncFunction: $(BOOTSTRAP)
	cp $(BOOTSTRAP) "$(ARTIFACTS_DIR)/bootstrap"
