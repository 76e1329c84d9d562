#!/usr/bin/env bash
# Runs one cargo command and says at every moment what it is doing:
#     scripts/cargo.sh build --locked --workspace
# A terminal shows one line, renewed every second; elsewhere a line is printed every 12 seconds.
# What the compiler has to say passes through unchanged, the exit code is cargo's. V=1 lists every crate.
set -euo pipefail
shopt -s extglob
cd "$(dirname "$0")/.."

readonly QUIET_PERIOD_S=12
command_name="cargo $1"
target_dir=$(scripts/target-dir.sh)
started_at=$EPOCHSECONDS

# Cargo's standard output, if it has any, goes to ours; its standard error is what we read.
main() {
    [ -t 1 ] && color=always || color=auto
    {
        CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=240 CARGO_TERM_COLOR=$color \
            cargo "$@" 2>&1 >&3 | stdbuf -oL tr '\r' '\n' | follow
    } 3>&1
}

# Reads cargo's lines, passes messages on and keeps the status line alive while nothing comes.
follow() {
    local line partial='' plain steps='' now='waiting for cargo' interval=$QUIET_PERIOD_S status
    [ -t 1 ] && interval=1
    local told_at=$EPOCHSECONDS
    while true; do
        status=0
        IFS= read -r -t 1 line || status=$?
        if ((status == 0)); then
            line=$partial$line partial=''
            plain=$(strip_colour "$line")
            case $plain in
                *' Building ['*'] '*/*)
                    plain=${plain#*'] '} steps=${plain%%:*} now=''
                    [[ $plain == *': '* ]] && now=${plain#*: }
                    now=$(trim "$now") steps=$(trim "$steps")
                    ;;
                *' Downloading ['* | *' Fetch ['*) now=$(trim "$plain") ;;
                *' Downloaded '* | *' Downloading crates'*) now="fetching crates from the registry" ;;
                *' Compiling '* | *' Checking '* | *' Documenting '* | *' Fresh '* | *' Dirty '*)
                    [ "${V:-0}" = 1 ] && message "$line"
                    ;;
                *) message "$line" ;;
            esac
        elif ((status > 128)); then
            partial=$partial$line
        else
            break
        fi
        if ((EPOCHSECONDS - told_at >= interval)); then
            told_at=$EPOCHSECONDS
            show_status "$steps" "$now"
        fi
    done
    clear_status
}

show_status() { # steps done, what is being built
    local text
    text=$(printf '%6s  %s' "$(minutes)" "$command_name")
    [ -n "$1" ] && text+=", step $1"
    if [[ $2 == *'librocksdb-sys(build)'* ]]; then
        text+=", RocksDB: $(rocksdb_files) C++ files (once, about 10 minutes on two idle cores)"
    fi
    [ -n "$2" ] && text+=", now: $2"
    if [ -t 1 ]; then
        printf '\r\033[K%s' "${text:0:$((${COLUMNS:-$(tput cols 2>/dev/null || echo 80)} - 1))}"
    else
        printf '%s\n' "$text"
    fi
}

clear_status() { if [ -t 1 ]; then printf '\r\033[K'; fi; }
message() { clear_status && printf '%s\n' "$1"; }
minutes() { printf '%d:%02d' $(((EPOCHSECONDS - started_at) / 60)) $(((EPOCHSECONDS - started_at) % 60)); }
strip_colour() { printf '%s' "${1//$'\033'[[]*([0-9;])[A-Za-z]/}"; }

trim() {
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf '%s' "${text%"${text##*[![:space:]]}"}"
}

# "213 of 338": object files of RocksDB made by this run, and how many there will be.
rocksdb_files() {
    local made total
    made=$(find "$target_dir"/*/build/librocksdb-sys-*/out -name '*.o' -newermt "@$started_at" 2>/dev/null | wc -l)
    total=$(cat "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/librocksdb-sys-"$(rocksdb_version)"/rocksdb_lib_sources.txt 2>/dev/null | grep -c '' || true)
    if ((total > 0)); then printf '%d of %d' "$made" "$total"; else printf '%d' "$made"; fi
}

rocksdb_version() { sed -n '/^name = "librocksdb-sys"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock; }

main "$@"
