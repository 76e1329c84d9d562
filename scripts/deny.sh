#!/usr/bin/env bash
# Checks the dependencies against deny.toml: licences, bans and sources always; known vulnerabilities when the
# advisory database can be fetched. Where it cannot (no way out of the machine) it says loudly what was not checked.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$(scripts/target-dir.sh)/tools/bin:$PATH"

readonly FETCH_LIMIT_S=90

cargo deny --locked check --hide-inclusion-graph bans licenses sources

if GIT_TERMINAL_PROMPT=0 timeout "$FETCH_LIMIT_S" cargo deny --locked fetch db >/dev/null 2>&1; then
    cargo deny --locked check --hide-inclusion-graph advisories
else
    cat <<'TEXT'
  ┌──────────────────────────────────────────────────────────────────────────────┐
  │ NOT CHECKED: known vulnerabilities and yanked crates.                        │
  │ The RustSec advisory database could not be fetched from this machine.        │
  │ On a machine with a way out run: scripts/deny.sh                             │
  └──────────────────────────────────────────────────────────────────────────────┘
TEXT
fi
