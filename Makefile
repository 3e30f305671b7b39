# One flavour of build (release) for everything, so that nothing is compiled twice.
CARGO_FLAGS := --release --locked

.PHONY: run build check test test-image dist test-dist soak setup bench bench-quick

run: build ## Start the server on port 8000
	./target/release/faas-server

build: setup ## Build the server, and Pyodide's machine code for this machine
	cargo build $(CARGO_FLAGS) --workspace
	@./target/release/faas-server compile

check: setup ## Check format, lints and types of everything, in seconds
	@scripts/check

test: check build ## Check everything, run every test
	@scripts/fetch-test-wheels
	@scripts/fetch-test-distribution
	@scripts/fetch-test-programs
	@scripts/fetch-trace-receiver
	@scripts/test-deploy
	@tests/capacity.py
	cargo test $(CARGO_FLAGS) --workspace
	@scripts/test-doors
	@scripts/test-clients
	@scripts/test-page

test-image: ## Build docker/Dockerfile without Docker, run the image as compose does, as root
	@scripts/test-image

dist: build ## Make what users install, in target/dist: tarball, Debian package, wheel
	@scripts/dist

test-dist: ## Install what make dist made in bare Debian systems, as root
	@scripts/test-dist

soak: build ## Run 20,000 executions, a third of them attacks, and see that nothing is left over
	FAAS_SOAK=20000 cargo test $(CARGO_FLAGS) --test soak -- --nocapture
	FAAS_SNAPSHOT_SOAK=10000 cargo test $(CARGO_FLAGS) --test snapshots a_soak
	FAAS_SESSION_SOAK=10000 cargo test $(CARGO_FLAGS) --test sessions a_soak

bench: build ## Measure against the alternatives, in under 15 minutes
	@scripts/setup-bench
	cargo bench --locked --bench compare

bench-quick: build ## The same with fewer samples, in under 2 minutes
	@scripts/setup-bench
	cargo bench --locked --bench compare -- --quick

setup: ## Get what the build needs: V8 and Pyodide, verified
	@scripts/setup
