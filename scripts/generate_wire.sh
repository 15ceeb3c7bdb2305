#!/usr/bin/env bash
# Generates the protobuf code from our .proto files. grpcio-tools 1.71 on purpose: newer code fails on protobuf 5, which is
# the floor that LiveKit leaves; and in an environment of its own, so that the pins are not held at protobuf 5.
set -euo pipefail
cd "$(dirname "$0")/../src"
for proto in detection/uplink/streaming detectors/open_inference; do
  uv run --no-project --isolated --python 3.11 --with grpcio-tools==1.71.2 --with 'setuptools<81' \
    python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. "ds_actors/$proto.proto"
  # The generator leaves out type arguments, which strict checkers miss; sed -i differs between systems.
  stub="ds_actors/${proto}_pb2.pyi"
  sed 's/_Mapping\]/_Mapping[str, object]]/g' "$stub" >"$stub.new"
  mv "$stub.new" "$stub"
  for suffix in py pyi; do
    mv "ds_actors/${proto}_pb2.$suffix" "ds_actors/$(dirname "$proto")/_$(basename "$proto")_pb2.$suffix"
  done
done
