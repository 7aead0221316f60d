# `make help` lists the targets. Everything a target needs is installed by the target itself, into
# .tools/ and target/ (Debian packages where unavoidable).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help wasm oci demo test setup test-core test-modules test-envoy lint fmt conformance bench bench-compare bench-page bench-setup soak

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

wasm: ## build the modules into dist/*.wasm
	@filters/modules/wasm.sh modules

oci: wasm ## pack the modules as OCI images into dist/oci/, with bills of materials and checksums
	@tests/setup.sh python
	@PYTHONPATH=filters/modules .tools/venv/bin/python -m oci $(OPTIONS)

demo: ## an agent at work behind Envoy with our filters while its MCP servers fail: what happened, and proof
	@filters/modules/wasm.sh modules gateway
	@tests/setup.sh python authorization
	@cd tests && PYTHONPATH=. ../.tools/venv/bin/python demo/demo.py

test: ## set up and run every test there is
	@tests/run.sh

setup: ## install what the tests need into .tools/
	@tests/setup.sh

lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

fmt: ## format the code
	cargo fmt --all

test-core: ## unit tests, natively and (the core crate) in WebAssembly under Node
	cargo test --quiet --locked -p mcp-core -p mcp-host -p mcp-auth -p mcp-quota -p mcp-session -p mcp-signature -p mcp-sse -p mcp-harness
	@filters/modules/wasm.sh test mcp-core --lib

test-modules: wasm ## the built modules in the harness, under both host profiles
	cargo test --quiet --locked -p mcp-tests

test-envoy: wasm setup ## the built modules in real Envoy, with real MCP servers and clients
	@cd tests && ../.tools/venv/bin/python -m pytest

conformance: wasm ## the official MCP conformance suite, direct and through Envoy with our filters
	@tests/setup.sh python
	@tests/conformance/setup.sh
	@cd tests && ../.tools/venv/bin/python -m conformance.run

bench: bench-setup ## measure in Envoy and in the harness what the filters cost; writes docs/performance.md, its figures and plots (OPTIONS='--only gateway')
	@cd tests && $(BENCH).run --write $(OPTIONS)

bench-compare: bench-setup ## measure, and compare with the figures in docs/bench (OPTIONS as for bench)
	@cd tests && $(BENCH).run --compare $(OPTIONS)

bench-page: ## write docs/performance.md and its plots again, from the figures in docs/bench
	@tests/setup.sh python
	@tests/bench/setup.sh
	@cd tests && $(BENCH).publish

BENCH = PYTHONPATH=../.tools/bench ../.tools/venv/bin/python -m bench

bench-setup: wasm
	@tests/setup.sh python
	@tests/bench/setup.sh
	@cargo build --quiet --locked --release -p mcp-bench-scan -p mcp-bench-estimate -p mcp-bench-verify
	@filters/modules/wasm.sh build mcp-bench-scan -p mcp-bench-estimate -p mcp-bench-verify

soak: ## ten minutes of mixed traffic while servers are killed and come back; prints its figures (OPTIONS='--minutes 2')
	@filters/modules/wasm.sh modules gateway
	@tests/setup.sh python
	@cd tests && PYTHONPATH=. ../.tools/venv/bin/python -m soak.run $(OPTIONS)
