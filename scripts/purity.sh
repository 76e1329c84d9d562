#!/usr/bin/env bash
# Checks what the pure crates are built from. What their code may call is checked by clippy (protocol/clippy.toml).
#   x0-protocol: no runtime, network, storage, clock or thread crate at all; randomness, calendar and global
#                tables only below x0-crypto, which makes keys, prints token expiries and hashes membership.
#   x0-sim:      builds without RocksDB, libp2p and Tor.
set -euo pipefail
cd "$(dirname "$0")/.."

# Regular expressions over crate names.
readonly IO='tokio.*|mio|async-std|async-io|smol|socket2|rustix|nix|polling|hyper.*|reqwest|axum.*|libp2p.*|hickory.*|rocksdb|librocksdb-sys|arti-.*|tempfile|notify'
readonly THREADS='rayon.*|crossbeam.*|threadpool|async-executor|parking_lot.*|dashmap'
readonly CLOCKS='chrono|web-time|instant|quanta|coarsetime'
readonly BELOW_CRYPTO_ONLY='getrandom|rand|rand_.*|fastrand|time|time-core|once_cell'
# Below x0-crypto the committee's keys stand on commonware, whose helpers bring a part of tokio that has no runtime,
# and locks and thread pools that are never used: everything runs in turn (`Sequential`), and blst is built without
# threads. By any other way the same crates are still found.
readonly OF_THE_COMMITTEES_KEYS=(--prune commonware-utils --prune commonware-macros --prune commonware-parallel --prune blst)
readonly HEAVY='rocksdb|librocksdb-sys|libp2p.*|arti-.*|tor-.*'

main() {
    forbid x0-protocol "$IO|$THREADS|$CLOCKS" 'its rules must stay free of IO, threads and clocks' \
        "${OF_THE_COMMITTEES_KEYS[@]}"
    forbid_direct x0-protocol "$BELOW_CRYPTO_ONLY" 'randomness and time come in as inputs'
    forbid x0-sim "$HEAVY" 'the simulator builds alone'
    echo 'purity: x0-protocol and x0-sim are built from what they may be built from'
}

forbid() { # crate, pattern, why, further arguments of `cargo tree`
    local tree
    tree=$(names "$1" --edges normal,no-proc-macro "${@:4}")
    report "$1" "$3" "$(grep -xE "$2" <<<"$tree" || true)"
}

forbid_direct() { # crate, pattern, why
    local tree
    tree=$(names "$1" --edges normal,no-proc-macro --depth 1)
    report "$1" "$3" "$(grep -xE "$2" <<<"$tree" || true)"
}

names() { # crate, further arguments of `cargo tree`
    cargo tree --locked --package "$1" --prefix none --format '{p}' "${@:2}" | cut -d' ' -f1 | sort -u
}

report() { # crate, why, offenders
    [ -z "$3" ] && return
    printf 'purity: %s depends on: %s\n%s. To see the way: cargo tree -p %s -i %s\n' \
        "$1" "$(tr '\n' ' ' <<<"$3")" "$2" "$1" "$(head -1 <<<"$3")" >&2
    exit 1
}

main "$@"
