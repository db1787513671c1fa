"""Invitations: a person who signs in as the invited one becomes a member."""
