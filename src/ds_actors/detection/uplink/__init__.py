"""The actor that sends all samples over one WebSocket, and its decisions."""
