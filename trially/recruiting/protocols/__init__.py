"""What a study asks for: its documents, and the versions of its protocol with their criteria."""
