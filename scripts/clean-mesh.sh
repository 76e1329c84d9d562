#!/usr/bin/env bash
# Removes the folders of local meshes that were killed before they could clean up after themselves.
# A folder that a running process still names on its command line is left alone, and said.
set -euo pipefail

for mesh in "${TMPDIR:-/tmp}"/x0-testnet-*; do
    if [ ! -d "$mesh" ] || [ ! -O "$mesh" ]; then
        continue
    elif pgrep -f -- "$mesh" >/dev/null; then
        echo "$mesh is in use; end its mesh first (Ctrl-C where it runs)"
    else
        rm -rf -- "$mesh"
        echo "removed $mesh"
    fi
done
