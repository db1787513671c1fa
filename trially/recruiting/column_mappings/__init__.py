"""Column mappings: which column of a source's CSV files holds which field, and how it is written.

A mapping is a JSON document that is stored with its source. Imports read files by it.
"""
