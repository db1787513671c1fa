"""Documents of studies: encrypted files, and their text in pages."""
