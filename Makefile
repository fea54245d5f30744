# Sallyport. `make run` gives a running gateway, `make test` runs everything.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-clients lint bench fmt schema clean

help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## install what is missing, build, start gateway (:3000) and admin service (:3001)
	@exec deploy/run.sh

test: ## install what is missing, run every test (FILTER=word: only tests whose name holds it)
	@exec deploy/test.sh

test-clients: ## run Claude Code and Codex against it (installs them into .clients; FILTER as above)
	@exec deploy/test-clients.sh

lint: ## rustfmt, clippy, shellcheck and cargo-deny (the last two where present)
	@exec deploy/lint.sh

bench: ## measure against direct, nginx and bare Pingora (BENCH_ARGS: see `bench --help`)
	@exec deploy/bench.sh $(BENCH_ARGS)

fmt: ## format the Rust files
	@cargo fmt --all

schema: ## regenerate config/schema.json and admin/openapi.json from the types
	@exec deploy/schema.sh

clean: ## remove what was built (data/ stays)
	@cargo clean
	@rm -rf .venv .clients proxy/tests/sdk-js/node_modules benches/results
