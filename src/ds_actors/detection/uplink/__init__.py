"""The actor that sends every sample over one WebSocket, and what it decides."""
