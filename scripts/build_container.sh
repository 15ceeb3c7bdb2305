#!/usr/bin/env bash
# Builds the image `deepfake-worker` with CONTAINER (docker, or podman with its options), from the image BASE if given.
# BASE=debian makes that image from Debian's packages, where no registry can be reached; it needs mmdebstrap and root. It
# trusts the certificates that were added to this machine: it is for trying the image, not for passing it on.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_FORMAT=docker   # podman's own format has no health check
read -ra engine <<< "${CONTAINER:-docker}"

if [ "${BASE:-}" = debian ]; then
  made=.cache/container/debian.tar
  if [ ! -e "$made" ]; then
    mkdir -p "$(dirname "$made")"
    # shellcheck disable=SC2016  # mmdebstrap's hooks have the new root as $1
    mmdebstrap --quiet --format=tar --variant=minbase --include=python3,python3-venv,ca-certificates \
      --customize-hook='copy-in /usr/local/share/ca-certificates /usr/local/share' \
      --customize-hook='chroot "$1" update-ca-certificates' trixie "$made.new"
    mv "$made.new" "$made"
  fi
  BASE=localhost/deepfake-base
  "${engine[@]}" import "$made" "$BASE"
fi

"${engine[@]}" build ${BASE:+--build-arg "BASE=$BASE"} --tag deepfake-worker \
  --file examples/deepfake-detection/Containerfile .
