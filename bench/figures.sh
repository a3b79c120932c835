#!/bin/sh
# Every figure of docs/performance.md, one after the other, on a machine that does nothing else: about half an
# hour. `bench/figures.sh FOLDER` puts what is printed into FOLDER, and folders of data into its `scratch`.
set -eu
cd "$(dirname "$0")"
out="${1:-target/figures}"
mkdir -p "$out/scratch"
out="$(cd "$out" && pwd)"
(cd .. && cargo build --release -p levada)
cargo build --release
levada="$(cd .. && cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/levada"
programs="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release"

say() { printf '\n== %s\n' "$1"; }

say "against the floor"
"$programs/compare" --levada "$levada" --lean --rounds 4 --folder-bytes 5GB \
    --json "$out/compare.json" --plot "$out/steps.svg" | tee "$out/compare.md"
say "against its peers"
"$programs/peers" --levada "$levada" --seconds 4 | tee "$out/peers.md"
for memory in 256MiB 512MiB; do
    say "scale, --memory $memory"
    "$programs/scale" --levada "$levada" --memory "$memory" --scratch "$out/scratch" | tee "$out/scale-$memory.md"
done
rmdir "$out/scratch"
