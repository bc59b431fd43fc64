"""The link to the target's agent: transports, the frame codec, and the client."""
