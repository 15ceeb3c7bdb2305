#!/usr/bin/env bash
# Generates the protobuf code from our .proto. grpcio-tools 1.71 on purpose: newer code fails on protobuf 5, which is
# the floor that LiveKit leaves; and in an environment of its own, so that the pins are not held at protobuf 5.
set -euo pipefail
cd "$(dirname "$0")/../src"
uv run --no-project --isolated --python 3.11 --with grpcio-tools==1.71.2 --with 'setuptools<81' \
  python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. ds_actors/detection/uplink/streaming.proto
cd ds_actors/detection/uplink
mv streaming_pb2.py _streaming_pb2.py
mv streaming_pb2.pyi _streaming_pb2.pyi
