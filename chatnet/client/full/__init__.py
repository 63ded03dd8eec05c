"""The full-screen client: what is on the screen is known without Textual, and shown with it."""
