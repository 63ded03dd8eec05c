"""End-to-end encryption: what only devices know. See docs/encryption.md for what travels."""
