#!/usr/bin/env bash
# Fails unless the tag, where one is given, states the version in the code: vX.Y.Z, or plugin-vX.Y.Z for the plugin's.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  "") exit 0 ;;
  plugin-v*) file=adapters/livekit/livekit/plugins/dataspike/version.py tagged=${1#plugin-v} ;;
  v*) file=src/ds_actors/_version.py tagged=${1#v} ;;
  *) echo "the tag $1 is neither vX.Y.Z nor plugin-vX.Y.Z" >&2; exit 1 ;;
esac
stated=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$file")
[ "$stated" = "$tagged" ] || { echo "the tag says $tagged, and $file says $stated: change one of them" >&2; exit 1; }
