"""What a browser is shown: the page, the WebSocket it talks through, and facts about the server."""
