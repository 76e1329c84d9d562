#!/usr/bin/env bash
# Builds, checks and runs the contracts with what scripts/setup.sh put into the target folder:
#     scripts/contracts.sh build    compiles them and writes the artifacts that are committed
#     scripts/contracts.sh check    compiles them and compares the artifacts byte for byte
#     scripts/contracts.sh test     runs them on a real node of a chain, on the loopback
#     scripts/contracts.sh gas      measures what each act costs and writes the table of docs/contract.md
set -euo pipefail
cd "$(dirname "$0")/.."

installed=$(scripts/target-dir.sh)/contracts
export NODE_PATH=$installed/node_modules
for own in "$installed"/node/node_modules/node-linux-*/bin; do
    [ -x "$own/node" ] && PATH=$own:$PATH
done

if ! cmp -s node/contracts/package-lock.json "$installed/installed.json"; then
    echo 'contracts: compiler and test chain are not installed, or not these versions; run: scripts/setup.sh test' >&2
    exit 1
fi
case ${1:-} in
    build) node node/contracts/build.mjs ;;
    check) node node/contracts/build.mjs --check ;;
    test) timeout 120 node --test --test-reporter=spec node/contracts/test/charter.test.mjs ;;
    gas) node node/contracts/gas.mjs docs/contract.md ;;
    *) echo "scripts/contracts.sh: say 'build', 'check', 'test' or 'gas'" >&2 && exit 2 ;;
esac
