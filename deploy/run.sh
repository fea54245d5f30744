#!/usr/bin/env bash
# Behind `make run`: installs what is missing, builds, starts a gateway and says how to use it. Ctrl-C ends all of it.
#
# Arguments are passed on to `sallyport run` (further overlays: `deploy/run.sh -c mine.yaml`).
#   OPENAI_API_KEY, ANTHROPIC_API_KEY        providers to use; with none of them a simulator answers
#   SALLYPORT_PORT, SALLYPORT_ADMIN_PORT     other ports than 3000 and 3001
#   SALLYPORT_DATA_DIR                       another place for the data than ./data
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

export SALLYPORT_PORT=${SALLYPORT_PORT:-3000} SALLYPORT_ADMIN_PORT=${SALLYPORT_ADMIN_PORT:-3001}
gateway=http://127.0.0.1:$SALLYPORT_PORT
admin=http://127.0.0.1:$SALLYPORT_ADMIN_PORT
patience=40 # seconds that a stop may take: 30 s of draining, then the database
scratch=$(mktemp -d)
sallyport_pid="" simulator_pid=""

# shellcheck disable=SC2317 # called by the traps below
stop_all() {
    local status=$?
    trap '' INT TERM HUP
    set +e
    if [[ -n $sallyport_pid ]] && kill -0 "$sallyport_pid" 2>/dev/null; then
        say "stopping (calls in flight may finish; Ctrl-C has been heard)" 2>/dev/null
        end_group "$sallyport_pid" "$patience"
    fi
    [[ -n $simulator_pid ]] && end_group "$simulator_pid" 2
    wait 2>/dev/null
    rm -rf "$scratch"
    exit "$status"
}
trap stop_all EXIT
# Being told to stop is no failure.
trap 'exit 0' INT TERM HUP

check_port() {
    local port=$1 variable=$2 holder
    port_taken "$port" || return 0
    holder=$(port_holder "$port")
    die "port $port is taken${holder:+ by $holder}. Stop that, or choose another: $variable=$((port + 10)) make run"
}

# A first release build leaves 2.5 GiB; after it a build of what has changed and the database take little.
check_space() {
    local need=3072 what="a first build and a database" free
    if [[ -x $(target_dir)/release/sallyport ]]; then
        need=512 what="building and a database"
    fi
    free=$(df -Pk "$ROOT" | awk 'NR == 2 { print $4 }')
    ((free > need * 1024)) ||
        die "only $((free / 1024)) MiB free on the disk of $ROOT; $what need $need MiB. Make room and try again."
}

# Which providers: sets `overlays`, `curl_path`, `curl_model`.
choose_providers() {
    overlays=(-c config/base.yaml -c config/overlays/quickstart.yaml)
    curl_path="" curl_model=""
    if [[ -n ${OPENAI_API_KEY:-} ]]; then
        overlays+=(-c config/overlays/quickstart-openai.yaml)
        curl_path=/v1/chat/completions curl_model=gpt-5-mini
        say "upstream: OpenAI (OPENAI_API_KEY is set)"
    fi
    if [[ -n ${ANTHROPIC_API_KEY:-} ]]; then
        overlays+=(-c config/overlays/quickstart-anthropic.yaml)
        [[ -n $curl_path ]] || curl_path=/v1/messages curl_model=claude-haiku-5-5
        say "upstream: Anthropic (ANTHROPIC_API_KEY is set)"
    fi
    if [[ -z $curl_path ]]; then
        start_simulator
        overlays+=(-c config/overlays/quickstart-simulator.yaml)
        curl_path=/v1/chat/completions curl_model=sim-hello
    fi
}

start_simulator() {
    local line tries=0
    SIM_PORT=$(free_port "${SIM_PORT:-3999}")
    export SIM_PORT
    : >"$scratch/sim.out"
    # A start of its own process group: Ctrl-C reaches this script first, which then ends both in order.
    (in_group "$bin/sallyport-sim" --listen "127.0.0.1:$SIM_PORT") >"$scratch/sim.out" 2>"$scratch/sim.err" </dev/null &
    simulator_pid=$!
    until line=$(grep -m 1 -o 'http://[0-9.:]*' "$scratch/sim.out"); do
        if ! kill -0 "$simulator_pid" 2>/dev/null || ((tries++ > 100)); then
            cat "$scratch/sim.err" >&2
            die "the upstream simulator did not start (above: what it said)"
        fi
        sleep 0.1
    done
    say "upstream: a SIMULATOR at $line (no OPENAI_API_KEY or ANTHROPIC_API_KEY is set); its answers are made up"
}

start_sallyport() {
    local tries=0
    (in_group "$bin/sallyport" run "${overlays[@]}") </dev/null &
    sallyport_pid=$!
    until curl -fsS -o "$scratch/ready" -m 2 "$gateway/health/ready" 2>/dev/null; do
        if ! kill -0 "$sallyport_pid" 2>/dev/null; then
            wait "$sallyport_pid" || true
            sallyport_pid=""
            die "sallyport did not start; its last lines above say why"
        fi
        ((tries++ < 600)) || die "sallyport is running but was not ready within a minute; see $gateway/health/ready"
        sleep 0.1
    done
}

# A first virtual key, if there is none at all. Sets `key` (empty: there was one).
first_key() {
    local list
    key=""
    list=$("$bin/sallyport" keys list "${overlays[@]}") || die "could not list the virtual keys"
    if ! grep -q 'sp-' <<<"$list"; then
        key=$("$bin/sallyport" keys create "${overlays[@]}" --quiet --name first-key --surfaces '*' --models '*') || die "could not make a first virtual key"
    fi
}

body_of() {
    if [[ $curl_path == /v1/messages ]]; then
        printf '{"model":"%s","max_tokens":200,"messages":[{"role":"user","content":"Say hello."}]}' "$curl_model"
    else
        printf '{"model":"%s","messages":[{"role":"user","content":"Say hello."}]}' "$curl_model"
    fi
}

banner() {
    local shown=${key:-\$SALLYPORT_KEY} quote="'"
    [[ -n $key ]] || quote='"'
    printf '\n%s\n\n' "Sallyport is running.  Ctrl-C stops it; its data stay in ${SALLYPORT_DATA_DIR:-$ROOT/data}."
    printf '  gateway      %s   OpenAI clients: base URL %s/v1; Anthropic clients: %s\n' "$gateway" "$gateway" "$gateway"
    printf '  admin API    %s/api/health   (token: %s)\n' "$admin" "${key:+above, }shown once, at the first start"
    if [[ -n $simulator_pid ]]; then
        printf '  upstream     SIMULATOR: made-up answers. For real ones: OPENAI_API_KEY=… make run\n'
    fi
    if [[ -n $key ]]; then
        printf '  virtual key  %s   (shown only this once)\n' "$key"
    else
        printf '  virtual key  shown at the first run. Another one: %s keys create %s --name NAME --surfaces "*" --models "*"\n' \
            "${bin#"$ROOT"/}/sallyport" "${overlays[*]}"
        printf '               export SALLYPORT_KEY=sp-… before pasting the next line\n'
    fi
    printf '\n  curl %s%s -H "content-type: application/json" -H %sauthorization: Bearer %s%s -d '"'%s'"'\n\n' \
        "$gateway" "$curl_path" "$quote" "$shown" "$quote" "$(body_of)"
}

deploy/bootstrap.sh run
check_space
check_port "$SALLYPORT_PORT" SALLYPORT_PORT
check_port "$SALLYPORT_ADMIN_PORT" SALLYPORT_ADMIN_PORT
say "building (the first time takes some minutes)"
cargo build --release --locked -p sallyport-proxy -p sallyport-benches --bin sallyport --bin sallyport-sim
bin=$(target_dir)/release
choose_providers
while (($# > 0)); do
    overlays+=("$1")
    shift
done
start_sallyport
first_key
banner
status=0
wait "$sallyport_pid" || status=$?
sallyport_pid=""
die "sallyport has ended by itself (status $status)"
