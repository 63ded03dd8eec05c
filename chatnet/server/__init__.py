"""Who is listening: sessions, the network they meet in, and the fan-out."""
