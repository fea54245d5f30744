# shellcheck shell=bash
# What the scripts of this directory share: messages, a step with progress, finding binaries. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT
STARTED=$SECONDS

# Rust's own installer puts cargo here and leaves PATH to the next login.
if ! command -v cargo >/dev/null 2>&1 && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    export PATH
fi

# One progress line, with the time since the script began.
say() {
    printf '%s [%3ds] %s\n' "${SAY_AS:-sallyport}" "$((SECONDS - STARTED))" "$*"
}

# A sentence that says what to do, and the end.
die() {
    printf '%s: %s\n' "${SAY_AS:-sallyport}" "$*" >&2
    exit 1
}

# step "what" command…: runs it with its output in a file; a line every 20 s, the output only if it fails.
step() {
    local what=$1 log pid status=0 waited=0
    shift
    log=$(mktemp)
    say "$what …"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        waited=$((waited + 1))
        if ((waited % 100 == 0)); then
            say "  still: $what ($(tail -n 1 "$log" | cut -c1-70))"
        fi
    done
    wait "$pid" || status=$?
    if ((status != 0)); then
        tail -n 40 "$log" >&2
        printf '%s: %s: failed with status %d (above: the end of its output)\n' "${SAY_AS:-sallyport}" "$what" "$status" >&2
    fi
    rm -f "$log"
    return "$status"
}

# Prints the directory that holds both initdb and postgres; fails if there is none.
postgres_bin() {
    local dir found=""
    if command -v initdb >/dev/null 2>&1 && command -v postgres >/dev/null 2>&1; then
        dirname "$(readlink -f "$(command -v initdb)")"
        return 0
    fi
    for dir in /usr/lib/postgresql/*/bin; do
        if [[ -x $dir/initdb && -x $dir/postgres ]]; then
            found=$dir
        fi
    done
    [[ -n $found ]] && printf '%s\n' "$found"
}

# Where cargo puts its output.
target_dir() {
    printf '%s\n' "${CARGO_TARGET_DIR:-$ROOT/target}"
}

# A free TCP port of 127.0.0.1 from $1 on.
free_port() {
    local port=$1
    while port_taken "$port"; do
        port=$((port + 1))
    done
    printf '%s\n' "$port"
}

# Does anybody accept connections on 127.0.0.1:$1?
port_taken() {
    (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Who listens on port $1, as far as we may know: "nginx (process 4711)".
port_holder() {
    local line
    command -v ss >/dev/null 2>&1 || return 0
    line=$(ss -Hltnp "sport = :$1" 2>/dev/null | head -n 1)
    if [[ $line =~ \(\"([^\"]+)\",pid=([0-9]+) ]]; then
        printf '%s (process %s)' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    fi
}

# Ends the process group $1: TERM, up to $2 seconds of patience, KILL.
end_group() {
    local pid=$1 patience=$2 tries=0
    kill -TERM -- "-$pid" 2>/dev/null || return 0
    while kill -0 -- "-$pid" 2>/dev/null; do
        if ((tries >= patience * 10)); then
            kill -KILL -- "-$pid" 2>/dev/null || true
            return 0
        fi
        sleep 0.1
        tries=$((tries + 1))
    done
}

# in_group command…: runs it as the leader of its own process group, which ends if this script is killed outright.
in_group() {
    if command -v setpriv >/dev/null 2>&1 && setpriv --pdeathsig TERM true 2>/dev/null; then
        exec setsid setpriv --pdeathsig TERM "$@"
    fi
    exec setsid "$@"
}

# npm_env dir from "what": packages in exactly the versions of the lock file in `from`, below `dir`; installed anew only
# when that file changes.
npm_env() {
    local dir=$1 from=$2 what=$3 want have=""
    want=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -d' ' -f1)
    [[ -f $dir/node_modules/.lock.sha256 ]] && have=$(<"$dir/node_modules/.lock.sha256")
    [[ $want == "$have" ]] && return 0
    command -v npm >/dev/null 2>&1 ||
        die "npm is not installed; $what come as npm packages. Install Node with npm and try again."
    if [[ ! $dir -ef $from ]]; then
        mkdir -p "$dir"
        cp "$from/package.json" "$from/package-lock.json" "$from/.npmrc" "$dir/"
    fi
    # It takes out what is there first.
    step "installing $what" npm ci --prefix "$dir" || die "npm could not install $what (above: what it said)"
    printf '%s\n' "$want" >"$dir/node_modules/.lock.sha256"
}

# A virtual environment with exactly the versions of requirements.txt; made anew only when that file changes.
python_env() {
    local want have=""
    want=$(sha256sum proxy/tests/sdk/requirements.txt | cut -d' ' -f1)
    [[ -f .venv/requirements.sha256 ]] && have=$(<.venv/requirements.sha256)
    [[ $want == "$have" ]] && return 0
    rm -rf .venv
    step "making a Python environment" python3 -m venv .venv
    step "installing the official SDKs" .venv/bin/pip install --disable-pip-version-check -q -r proxy/tests/sdk/requirements.txt
    printf '%s\n' "$want" >.venv/requirements.sha256
}
