"""Reading of one statement by rules: which criteria it has, and which words stay unread."""
