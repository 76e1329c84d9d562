#!/usr/bin/env bash
# Prints the folder cargo builds into, whether it was set by CARGO_TARGET_DIR, by a cargo config or not at all.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo metadata --no-deps --format-version 1 --offline 2>/dev/null |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
