"""The other end: a client for people, and a link that programs can use."""
