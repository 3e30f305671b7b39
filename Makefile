# One flavour of build (release) for everything, so that nothing is compiled twice.
CARGO_FLAGS := --release --locked

.PHONY: run build test setup

run: build ## Start the server on port 8000
	./target/release/faas-server

build: setup ## Build the server
	cargo build $(CARGO_FLAGS)

test: setup ## Check format and lints, run every test
	@scripts/fetch-test-wheels
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo test $(CARGO_FLAGS)

setup: ## Get what the build needs: V8 and Pyodide, verified
	@scripts/setup
