"""Who may use the platform API: its tokens, its operators, and what each role may do."""
