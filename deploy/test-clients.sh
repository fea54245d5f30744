#!/usr/bin/env bash
# Behind `make test-clients`: the coding agents (Claude Code, Codex) against the real binary, with the simulator as
# every kind of provider. Versions are pinned in proxy/tests/clients/package-lock.json.
#
#   FILTER=word make test-clients            only tests whose name holds the word
#   SALLYPORT_CLIENTS_DIR=dir                install the agents there instead of .clients (1 GB)
set -euo pipefail
SAY_AS="test-clients"
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

here=proxy/tests/clients
clients=${SALLYPORT_CLIENTS_DIR:-$ROOT/.clients}
if [[ -n ${CI:-} ]]; then
    export CARGO_INCREMENTAL=0
fi

# The first words of an agent show that its binary works here at all.
greet() {
    local name version
    for name in node claude codex; do
        version=$(PATH=$clients/node_modules/.bin:$PATH HOME=$(mktemp -d) "$name" --version 2>&1) ||
            die "$name was installed but does not start: $version"
        say "$name: $version"
    done
}

deploy/bootstrap.sh test
npm_env "$clients" "$here" "Claude Code, Codex and their Node"
greet
python_env || die "there is no Python environment to run the tests in"
say "building binaries"
cargo build --workspace --locked --bins
debug=$(target_dir)/debug
say "running the agents"
SALLYPORT_BIN=$debug/sallyport SALLYPORT_SIM_BIN=$debug/sallyport-sim SALLYPORT_CLIENTS=$clients \
    .venv/bin/python -m pytest -p no:cacheprovider -v "$here" ${FILTER:+-k "$FILTER"} ||
    die "FAILED (after $((SECONDS - STARTED)) s)"
say "all passed"
