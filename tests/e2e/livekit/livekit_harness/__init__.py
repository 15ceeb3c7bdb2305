"""Real rooms for tests and benchmarks: a livekit-server, participants, an agent, the sandbox; all on this machine."""
