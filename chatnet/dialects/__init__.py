"""What units mean: bytes to commands, entries and replies to bytes. Pure."""
