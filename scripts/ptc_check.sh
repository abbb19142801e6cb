#!/bin/sh
# The hook `ptc-check` of .pre-commit-hooks.yaml. It runs where the files are, and compiles ptc the first time.
exec cargo run --quiet --release --locked --manifest-path "$(dirname "$0")/../Cargo.toml" --package ptc -- check "$@"
