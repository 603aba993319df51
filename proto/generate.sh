#!/usr/bin/env bash
# Generates signer/v1 from the contract, into the tree or, with an argument, into that directory.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${1:-.}"
"${PYTHON:-python3}" -m grpc_tools.protoc -I proto --python_out="$out" --pyi_out="$out" \
    --grpc_python_out="$out" proto/signer/v1/*.proto
