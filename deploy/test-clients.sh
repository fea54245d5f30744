#!/usr/bin/env bash
# Behind `make test-clients`: the coding agents (Claude Code, Codex) against the real binary, with the simulator as
# Anthropic, as OpenAI and as a compatible server. Versions are pinned in proxy/tests/clients/package-lock.json.
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

# The agents in exactly the versions of the lock file; installed anew only when that file changes.
agents() {
    local want have=""
    want=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)
    [[ -f $clients/lock.sha256 ]] && have=$(<"$clients/lock.sha256")
    [[ $want == "$have" ]] && return 0
    command -v npm >/dev/null 2>&1 ||
        die "npm is not installed; the coding agents come as npm packages. Install Node with npm and try again."
    rm -rf "$clients"
    mkdir -p "$clients"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$clients/"
    step "installing Claude Code, Codex and their Node" npm ci --prefix "$clients" ||
        die "npm could not install the coding agents (above: what it said)"
    printf '%s\n' "$want" >"$clients/lock.sha256"
}

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
agents
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
