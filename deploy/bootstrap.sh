#!/usr/bin/env bash
# Installs what a fresh Debian machine lacks besides Rust and Node. Quick and silent when nothing is missing.
#
#   deploy/bootstrap.sh build   to compile: a C compiler, cmake, pkg-config, OpenSSL's headers
#   deploy/bootstrap.sh run     build, and the PostgreSQL server's binaries (no cluster is made, nothing is started)
#   deploy/bootstrap.sh test    run, and redis-server (not started), Python with venv, oathtool
set -euo pipefail
SAY_AS=bootstrap
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

want=${1:-run}
packages=()

need() { # need PACKAGE test-command…
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || packages+=("$package")
}

has() { command -v "$1"; }

# OpenSSL's headers: pkg-config may itself be missing.
has_openssl() { pkg-config --exists openssl || [[ -n ${OPENSSL_DIR:-} ]]; }

has_venv() { python3 -c 'import ensurepip, venv'; }

needs_build() {
    command -v cargo >/dev/null 2>&1 ||
        die "cargo is not installed. Install Rust (https://rustup.rs), open a new shell and try again."
    need build-essential has cc
    need build-essential has c++
    need build-essential has make
    need cmake has cmake
    need pkg-config has pkg-config
    need libssl-dev has_openssl
}

needs_run() {
    needs_build
    need postgresql postgres_bin
    need curl has curl
    need ca-certificates test -s /etc/ssl/certs/ca-certificates.crt
    need util-linux has setsid
}

needs_test() {
    needs_run
    need redis-server has redis-server
    need python3 has python3
    need python3-venv has_venv
    need procps has ps
    need oathtool has oathtool
}

case $want in
build) needs_build ;;
run) needs_run ;;
test) needs_test ;;
*) die "usage: bootstrap.sh build|run|test" ;;
esac

if ((${#packages[@]} == 0)); then
    exit 0
fi
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)

if ! command -v apt-get >/dev/null 2>&1; then
    die "missing: ${packages[*]} (Debian's names). This is not a Debian machine: install them with its package manager and try again."
fi
as_root=()
if ((EUID != 0)); then
    if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
        as_root=(sudo)
        say "missing: ${packages[*]}; installing them with sudo"
        sudo -v || die "missing: ${packages[*]}. Ask an administrator to run: apt-get install ${packages[*]}"
    else
        die "missing: ${packages[*]}. Neither root nor sudo here; ask an administrator to run: apt-get install ${packages[*]}"
    fi
fi
root() { "${as_root[@]}" "$@"; }

# Packages that bring a service would make a cluster and start it: forbid both while we install, and leave no trace.
no_cluster=/etc/postgresql-common/createcluster.d/zz-sallyport.conf
no_start=/usr/sbin/policy-rc.d
made_no_start=false
tidy() {
    root rm -f "$no_cluster" || true
    if $made_no_start; then
        root rm -f "$no_start" || true
    fi
}
trap tidy EXIT
root mkdir -p "${no_cluster%/*}"
printf 'create_main_cluster = false\n' | root tee "$no_cluster" >/dev/null
if [[ ! -e $no_start ]]; then
    made_no_start=true
    printf '#!/bin/sh\nexit 101\n' | root tee "$no_start" >/dev/null
    root chmod 755 "$no_start"
fi

apt() {
    root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}
step "reading the package lists" apt update ||
    die "apt-get update failed: is there a network, and are /etc/apt/sources.list* right?"
step "installing ${packages[*]}" apt install --no-install-recommends "${packages[@]}" ||
    die "apt-get could not install ${packages[*]}"

# Present, but nobody's service: the tests start their own.
if [[ " ${packages[*]} " == *" redis-server "* ]] && [[ -d /run/systemd/system ]]; then
    root systemctl disable --quiet redis-server 2>/dev/null || true
fi
say "installed: ${packages[*]}"
