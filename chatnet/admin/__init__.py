"""Who is in charge? What an operator does to what is kept, from a shell."""
