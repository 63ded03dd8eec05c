"""What is remembered: the journal, its threads, and the stores behind it."""
