"""The definition of the language: its nodes, their fields, how they are read and written."""
