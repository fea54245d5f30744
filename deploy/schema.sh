#!/usr/bin/env bash
# Behind `make schema`: writes config/schema.json and admin/openapi.json anew from the types.
set -euo pipefail
SAY_AS=schema
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

deploy/bootstrap.sh build
say "config/schema.json"
new=$(mktemp)
trap 'rm -f "$new"' EXIT
cargo run -q --locked -p sallyport-proxy --bin sallyport -- config schema >"$new"
cp "$new" config/schema.json
