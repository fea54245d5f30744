#!/usr/bin/env bash
# Behind `make lint`: formatting, clippy with warnings as errors on every target, the shell scripts, the licences and
# advisories of dependencies. Tools that are not installed are named, not installed.
set -euo pipefail
SAY_AS=lint
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

deploy/bootstrap.sh build
say "rustfmt"
cargo fmt --all -- --check
say "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings
if command -v shellcheck >/dev/null 2>&1; then
    say "shellcheck"
    shellcheck -x deploy/*.sh .ci/run
else
    say "shellcheck is not installed: skipped"
fi
if [[ -f deny.toml ]] && command -v cargo-deny >/dev/null 2>&1; then
    say "cargo-deny"
    cargo deny --locked check
else
    say "cargo-deny or deny.toml is missing: skipped"
fi
say "clean"
