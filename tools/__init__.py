"""Generators of documentation. No part of the app."""
