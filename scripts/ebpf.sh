#!/usr/bin/env bash
# The programs in the kernel (ebpf/programs), which have a toolchain of their own:
#     scripts/ebpf.sh build     build the object and print where it is
#     scripts/ebpf.sh check     build it and compare it with ebpf/loader/programs.o, which is checked in
#     scripts/ebpf.sh update    build it and check it in as ebpf/loader/programs.o
# The first run installs bpf-linker into the target folder, about 2 minutes. Building and running the node takes none of this:
# the object is part of the source.
#
# The object depends on the compiler and its LLVM. With those that ebpf/programs/toolchain.txt names, every instruction,
# table, map and relocation is the same in whatever folder it is built; not so a number that the compiler writes into
# names of symbols, which depends on the folder. With other versions `check` says so, and the `root` stage of scripts/test.sh
# judges the object by what it does. Exit code 3: something is missing, and the line that installs it was printed.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BPF_LINKER=0.13.0
readonly CHECKED_IN=ebpf/loader/programs.o
readonly TOOLCHAIN=ebpf/programs/toolchain.txt
readonly TARGET=bpfel-unknown-none
work=$(scripts/target-dir.sh)/ebpf

main() {
    case ${1:-} in
        build | check | update) ;;
        *) echo "scripts/ebpf.sh: say 'build', 'check' or 'update'" >&2 && exit 2 ;;
    esac
    find_compiler
    find_llvm
    install_linker
    build
    case $1 in
        build) echo "$work/programs.o" ;;
        check) compare ;;
        update) cp "$work/programs.o" "$CHECKED_IN" && toolchain >"$TOOLCHAIN" ;;
    esac
}

# The core library is compiled for the kernel, so its source is needed: a component of rustup, or a package of Debian, whose
# compiler then goes with it (mixing them fails).
find_compiler() {
    has_source rustc || ! command -v rustup >/dev/null || rustup component add rust-src >&2 || true
    if ! has_source rustc && ! has_source /usr/bin/rustc && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo 'ebpf: installing rustc-web and rust-web-src' >&2
        install_packages rustc-web rust-web-src
    fi
    if has_source rustc; then
        RUSTC=$(rustup which rustc 2>/dev/null || command -v rustc)
    elif has_source /usr/bin/rustc; then
        RUSTC=/usr/bin/rustc
    else
        missing 'the source of the core library' 'rustup component add rust-src' \
            'sudo apt-get install -y --no-install-recommends rustc-web rust-web-src'
    fi
    export RUSTC
    major=$("$RUSTC" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
}

has_source() { [ -e "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core/src/lib.rs" ]; }

# bpf-linker is linked against the LLVM of the compiler's major version; llvm-strip comes with it.
find_llvm() {
    local prefix
    for prefix in "${LLVM_PREFIX:-}" "/usr/lib/llvm-$major" "/usr/lib/llvm$major" "/usr/lib64/llvm$major" "/opt/homebrew/opt/llvm@$major"; do
        [ -n "$prefix" ] && [ -x "$prefix/bin/llvm-strip" ] && [ -e "$prefix/include/llvm-c/Core.h" ] && llvm=$prefix && return
    done
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "ebpf: installing llvm-$major-dev" >&2
        install_packages "llvm-$major-dev"
        llvm=/usr/lib/llvm-$major
        [ -x "$llvm/bin/llvm-strip" ] && return
    fi
    missing "LLVM $major, the version of this compiler, with its headers" \
        "sudo apt-get install -y --no-install-recommends llvm-$major-dev"
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null; } >&2 || true
}

install_linker() {
    local wanted="$BPF_LINKER, LLVM $major"
    [ -x "$work/tools/bin/bpf-linker" ] && [ "$(cat "$work/tools/installed.txt" 2>/dev/null)" = "$wanted" ] && return
    echo "ebpf: installing bpf-linker $wanted into $work/tools" >&2
    LLVM_PREFIX=$llvm PATH="$llvm/bin:$PATH" env -u RUSTC cargo install bpf-linker --version "$BPF_LINKER" --locked --quiet --force \
        --no-default-features --features "llvm-$major" --root "$work/tools" --target-dir "$work/tools/build" >&2
    rm -rf "$work/tools/build"
    echo "$wanted" >"$work/tools/installed.txt"
}

# Paths of this machine do not get into the object. RUSTC_BOOTSTRAP lets a stable compiler build its core library.
build() {
    local flags=(
        -Clink-arg=--btf -Cdebuginfo=2
        "--remap-path-prefix=$PWD=/x0"
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
        "--remap-path-prefix=$("$RUSTC" --print sysroot)=/rust"
    )
    local joined
    joined=$(printf '%s\x1f' "${flags[@]}")
    (
        cd ebpf/programs
        RUSTC_BOOTSTRAP=1 PATH="$work/tools/bin:$PATH" CARGO_TARGET_DIR="$work/programs" \
            CARGO_ENCODED_RUSTFLAGS=${joined%$'\x1f'} \
            cargo build --locked --quiet --release -Zbuild-std=core --target "$TARGET" >&2
    )
    "$llvm/bin/llvm-strip" -g -o "$work/programs.o" "$work/programs/$TARGET/release/x0-ebpf-programs"
}

compare() {
    if [ "$(content "$work/programs.o")" = "$(content "$CHECKED_IN")" ]; then
        echo "ebpf: $CHECKED_IN is what its source makes, instruction for instruction"
    elif [ "$(toolchain)" = "$(cat "$TOOLCHAIN")" ]; then
        echo "ebpf: $CHECKED_IN is not what its source makes: run scripts/ebpf.sh update, and check it in" >&2
        exit 1
    else
        printf 'ebpf: built by another toolchain than %s: the tests of the root stage judge it.\n' "$CHECKED_IN"
        printf '      here:       %s\n      checked in: %s\n' "$(toolchain)" "$(cat "$TOOLCHAIN")"
    fi
}

# All that the kernel is given, but for the type information, whose names carry the number of the folder.
content() { # object
    "$llvm/bin/llvm-objdump" --full-contents --disassemble --reloc --headers "$1" |
        awk '/^Contents of section|^Disassembly of section/ { skip = /\.BTF|\.strtab|\.symtab|\.rel/ } !skip' |
        sed -e 1,3d -e 's/Cs[0-9A-Za-z]*_/Cs_/g' -e '/ \.strtab \| \.BTF /d' | sha256sum
}

toolchain() { echo "$("$RUSTC" --version), LLVM $("$llvm/bin/llvm-strip" --version | grep -o 'version [0-9.]*' | head -1 | cut -d' ' -f2), bpf-linker $BPF_LINKER"; }

missing() { # what, lines that install it, one of which will do
    local what=$1 line
    shift
    printf 'ebpf: missing: %s. Install it, then run this again:\n' "$what" >&2
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 3
}

main "$@"
