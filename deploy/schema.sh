#!/usr/bin/env bash
# Behind `make schema`: writes config/schema.json and admin/openapi.json anew from the types. The tests that hold the
# committed files to the types write them when told so.
set -euo pipefail
SAY_AS=schema
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

deploy/bootstrap.sh build
say "config/schema.json and admin/openapi.json"
BLESS=1 SALLYPORT_BLESS=1 cargo test -q --locked -p sallyport-config -p sallyport-admin the_committed >/dev/null
git --no-pager diff --stat -- config/schema.json admin/openapi.json
