"""Which patients have another verdict by another version of a study's protocol."""
