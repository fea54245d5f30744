#!/usr/bin/env bash
# Behind `make bench`: builds with the profile of published figures and measures. Arguments go to the bench tool.
set -euo pipefail
SAY_AS=bench
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

deploy/bootstrap.sh run
command -v nginx >/dev/null 2>&1 || say "nginx is not installed: measured without it (apt-get install nginx-light)"
say "building with fat LTO (this takes some minutes)"
cargo build --profile dist --locked -p sallyport-proxy -p sallyport-benches
exec "$(target_dir)/dist/bench" "$@"
