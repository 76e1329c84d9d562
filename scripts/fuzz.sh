#!/usr/bin/env bash
# Runs the fuzz targets of fuzz/ for a number of seconds each, all at the same time:
#     scripts/fuzz.sh 60                 every target of fuzz/fuzz_targets
#     scripts/fuzz.sh 600 record         only this one
# It needs neither nightly nor cargo-fuzz: libFuzzer comes as a crate, and the coverage it steers by is a stable
# LLVM pass. AddressSanitizer is left out, since our crates forbid unsafe code; debug assertions and overflow checks are on.
# What was learned is kept in the target folder between runs; fuzz/seeds/TARGET is read when there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MEMORY_LIMIT_MB=1024
readonly INPUT_LIMIT_S=10
# Matches the largest record and token that are accepted, with room for one over the limit.
readonly INPUT_BYTES_MAX=131072

seconds=${1:?say for how many seconds, e.g. scripts/fuzz.sh 60}
shift
host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=$(scripts/target-dir.sh)/fuzz

main() {
    local targets=("$@") target failed=0
    [ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(find fuzz/fuzz_targets -name '*.rs' -printf '%f\n' | sed 's/\.rs$//' | sort)
    build
    trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
    local -A job=()
    for target in "${targets[@]}"; do
        run "$target" &
        job[$target]=$!
    done
    for target in "${targets[@]}"; do
        if wait "${job[$target]}"; then passed "$target"; else failed=1 && report "$target"; fi
    done
    return "$failed"
}

# `--target` keeps the flags away from build scripts, which would not link with them.
build() {
    cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null || {
        echo 'fuzz/Cargo.lock lags behind the dependencies of our crates: cargo update --workspace --manifest-path fuzz/Cargo.toml' >&2
        exit 1
    }
    local flags=(
        --cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1
        -Cpasses=sancov-module
        -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
    )
    RUSTFLAGS="${flags[*]}" scripts/cargo.sh build --locked --release --manifest-path fuzz/Cargo.toml \
        --target "$host" --target-dir "$target_dir"
}

run() { # target
    local corpus=$target_dir/corpus/$1 seeds=fuzz/seeds/$1 found=$target_dir/found/$1
    mkdir -p "$corpus" "$found"
    local sources=("$corpus")
    [ -d "$seeds" ] && sources+=("$seeds")
    "$target_dir/$host/release/$1" "${sources[@]}" -artifact_prefix="$found/" -max_total_time="$seconds" \
        -rss_limit_mb="$MEMORY_LIMIT_MB" -timeout="$INPUT_LIMIT_S" -max_len="$INPUT_BYTES_MAX" \
        -use_value_profile=1 -verbosity=1 -print_final_stats=1 >"$target_dir/$1.log" 2>&1
}

passed() { # target
    local log=$target_dir/$1.log runs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf 'fuzz %s: %s inputs in %s s, coverage %s, nothing found\n' \
        "$1" "${runs:?no input was run, see $log}" "$seconds" "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)"
}

report() { # target
    local log=$target_dir/$1.log input
    tail -60 "$log"
    input=$(sed -n 's/.*Test unit written to //p' "$log" | head -1)
    printf 'fuzz %s: FAILED, the whole story is in %s\n' "$1" "$log" >&2
    [ -z "$input" ] || printf 'To see it again: %s %s\n' "$target_dir/$host/release/$1" "$input" >&2
}

main "$@"
