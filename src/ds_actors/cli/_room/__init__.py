"""`ds-actors room`: a supervised tree of livekit-server, the sandbox, the monitor and a web page."""
