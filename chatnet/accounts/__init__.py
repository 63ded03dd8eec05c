"""Who is who: accounts, passwords, and the brakes on guessing them."""
