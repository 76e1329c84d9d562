#!/usr/bin/env bash
# Everything that must hold before a change lands, cheap checks first; `make test` and CI run exactly this.
# Stops at the first stage that fails, says how long each took, what was left on the disk after it and the end of what
# failed, and closes with the test runner's own summary.
#     scripts/test.sh                    all stages
#     scripts/test.sh purity lint        only these, in this order
# Time: FUZZ_SECONDS (default 6) is what each fuzz target gets. CI gives the whole run 90 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly STAGES=(setup format scripts purity deny contracts build ebpf lint tests root doctests docs sim fuzz journeys)
readonly JOURNEYS=(join capabilities crash partition committee committee-change standby mass-action override vote violation takeover data charter vault rotation seizure tiers emergency dashboard)

# The line in which the test runner says how many tests there were.
readonly COUNTED='Summary .*tests? run: '
# How many of the last lines of a stage that failed are said once more at the end.
readonly LAST_LINES=40

times=()
current=''
summary=''
log=$(mktemp)

main() {
    local stages=("$@") stage
    [ ${#stages[@]} -gt 0 ] || stages=("${STAGES[@]}")
    trap close EXIT
    for stage in "${stages[@]}"; do
        declare -F "stage_$stage" >/dev/null || { echo "no stage '$stage'; there are: ${STAGES[*]}" >&2 && exit 2; }
        begin "$stage"
        "stage_$stage" 2>&1 | tee "$log"
        ! grep -qE "$COUNTED" "$log" || summary=$(grep -E "$COUNTED" "$log" | tail -1)
        end
    done
}

# Installs what is missing, on this machine and into the target folder.
stage_setup() { scripts/setup.sh test; }

stage_format() {
    cargo fmt --all --check
    cargo fmt --check --manifest-path ebpf/programs/Cargo.toml
}

stage_scripts() { shellcheck scripts/*.sh .ci/run; }

# The pure core has no IO below it, the simulator nothing heavy.
stage_purity() { scripts/purity.sh; }

# Licences, forbidden and doubled crates, sources, known vulnerabilities.
stage_deny() { scripts/deny.sh; }

# The committed code is what the sources compile to, and it does on a real chain what it says.
stage_contracts() {
    scripts/contracts.sh check
    scripts/contracts.sh test
}

# One selection of crates in one profile serves running, testing and the journeys: RocksDB is compiled once.
stage_build() { scripts/cargo.sh build --locked --workspace; }

# The programs in the kernel, built from source and compared with those that are checked in. Without their toolchain that is
# not checked; the programs themselves are, by the root stage.
stage_ebpf() {
    local code=0
    scripts/ebpf.sh check || code=$?
    [ "$code" = 3 ] || return "$code"
    printf '!!! NOT CHECKED, for its tools are missing: that ebpf/loader/programs.o is what its source makes\n'
    [ -z "${CI:-}" ]
}

# Enforces the purity of protocol/ as well: its clippy.toml forbids clocks, threads, hash maps and so on.
stage_lint() { scripts/cargo.sh clippy --locked --workspace --all-targets -- --deny warnings; }

stage_tests() {
    scripts/cargo.sh test --locked --workspace --no-run
    if PATH="$(tools)" cargo nextest --version >/dev/null 2>&1; then
        PATH="$(tools)" cargo nextest run --locked --workspace --no-fail-fast
        return
    fi
    echo 'cargo-nextest is not here: running the tests with cargo test, one program after the other'
    local counts code=0
    counts=$(mktemp)
    cargo test --locked --workspace --lib --bins --tests --no-fail-fast 2>&1 | tee "$counts" || code=$?
    awk '/^test result: /{p += $4; f += $6; s += $8}
        END{printf "Summary %d tests run: %d passed, %d failed, %d skipped\n", p + f, p, f, s}' "$counts"
    rm "$counts"
    return "$code"
}

# Tests that need rights of their own, in a mount namespace of their own so that nothing stays behind.
stage_root() {
    local needs_root='a_full_disk_loses_nothing_and_writes_on_when_there_is_space'
    if [ "$(id -u)" != 0 ]; then
        printf '!!! NOT CHECKED, for it takes root: %s\n' "$needs_root" 'the charter in the kernel (ebpf/loader/tests/root, node/tests/root)'
        [ -z "${CI:-}" ] || return 1
        return
    fi
    timeout 600 unshare --mount cargo test --locked --workspace --lib -- --ignored --exact "store::tests::room::$needs_root"
    kernel_tests
    # Programs of another toolchain than those checked in are judged by what they do.
    local built
    built=$(target_dir)/ebpf/programs.o
    if [ -e "$built" ] && ! scripts/ebpf.sh check | grep -q 'instruction for instruction'; then
        X0_PROBE_PROGRAMS=$built kernel_tests
    fi
}

kernel_tests() {
    timeout 900 unshare --mount cargo test --locked --workspace --test root -- --ignored --test-threads 2
}

stage_doctests() { cargo test --locked --workspace --doc --quiet; }

stage_docs() { RUSTDOCFLAGS='--deny warnings' scripts/cargo.sh doc --locked --workspace --no-deps; }

# By itself, so that it does not lean on features that other crates of the workspace switch on.
stage_sim() { scripts/cargo.sh check --locked --package x0-sim; }

stage_fuzz() { scripts/fuzz.sh "${FUZZ_SECONDS:-6}"; }

# Real processes, start to end; each prints its own account.
stage_journeys() {
    local journey
    for journey in "${JOURNEYS[@]}"; do
        "$(target_dir)/debug/x0-testnet" journey "$journey"
    done
}

begin() {
    current=$1 began_at=$EPOCHSECONDS
    printf '\n── %s %s\n' "$1" "$(date +%H:%M:%S)"
}

end() {
    times+=("$(printf '%6s  %-10s %s free' "$(minutes $((EPOCHSECONDS - began_at)))" "$current" "$(disk_left)")")
    current=''
}

# Prints the table whether or not all went well, and what a stage said before it failed; the exit code stays what it was.
close() {
    local code=$?
    [ -z "$current" ] ||
        times+=("$(printf '%6s  %-10s %s free, FAILED' "$(minutes $((EPOCHSECONDS - began_at)))" "$current" "$(disk_left)")")
    printf '\n── time, minutes and seconds; disk\n'
    printf '%s\n' "${times[@]}"
    printf '%6s  in all\n' "$(minutes $((EPOCHSECONDS - started_at)))"
    if [ -n "$current" ]; then
        printf '\n── the last that %s said\n' "$current"
        tail -n "$LAST_LINES" "$log"
    fi
    [ -z "$summary" ] || printf '%s\n' "$summary"
    rm -f "$log"
    exit "$code"
}

minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
target_dir() { scripts/target-dir.sh; }
# Of the target folder, where all that is built goes.
disk_left() { df --human-readable --output=avail "$(target_dir)" | tail -1 | tr -d ' '; }
tools() { printf '%s/tools/bin:%s' "$(target_dir)" "$PATH"; }

readonly started_at=$EPOCHSECONDS
main "$@"
