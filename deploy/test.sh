#!/usr/bin/env bash
# Behind `make test`: installs what the tests need, builds once, runs the Rust tests, then the official SDKs (Python
# and npm) against the real binary. Databases are the tests' own (throwaway clusters on private sockets); nothing global is touched.
#
#   FILTER=word make test    only tests whose name holds the word (Rust and Python alike)
set -euo pipefail
SAY_AS="test"
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

filter=${FILTER:-}
failed=()
if [[ -n ${CI:-} ]]; then
    export CARGO_INCREMENTAL=0
fi

# The end-to-end tests share one Postgres cluster, so they run in one process; nextest would give each its own.
rust_tests() {
    local status=0
    if ! command -v cargo-nextest >/dev/null 2>&1; then
        cargo test --workspace --locked --no-fail-fast -- ${filter:+"$filter"}
        return
    fi
    cargo nextest run --workspace --locked --no-fail-fast --no-tests=pass \
        -E 'not (package(sallyport-proxy) and binary(all))' ${filter:+"$filter"} || status=1
    say "end-to-end tests"
    # Of the binaries called `all` only one holds modules below e2e; `--workspace` keeps what was built.
    cargo test --workspace --locked --no-fail-fast --test all -- "${filter:-e2e::}" || status=1
    return "$status"
}

sdk_tests() {
    local debug
    debug=$(target_dir)/debug
    SALLYPORT_BIN=$debug/sallyport SALLYPORT_SIM_BIN=$debug/sallyport-sim \
        .venv/bin/python -m pytest -p no:cacheprovider -q proxy/tests/sdk ${filter:+-k "$filter"}
}

deploy/bootstrap.sh test
say "building binaries and tests"
cargo build --workspace --locked --bins --tests
say "Rust tests"
rust_tests || failed+=("Rust tests")
say "SDK tests"
npm_env proxy/tests/sdk-js proxy/tests/sdk-js "the npm SDKs and their Node"
if python_env; then
    status=0
    sdk_tests || status=$?
    # 5: nothing was collected, which is right only when a filter asked for something else.
    if ((status != 0)) && ! { ((status == 5)) && [[ -n $filter ]]; }; then
        failed+=("SDK tests")
    fi
else
    failed+=("Python environment")
fi

if ((${#failed[@]} > 0)); then
    die "FAILED: $(IFS=,; printf '%s' "${failed[*]}") (after $((SECONDS - STARTED)) s)"
fi
say "all passed"
