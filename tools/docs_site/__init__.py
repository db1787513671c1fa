"""The documentation's site: `make docs-site` builds it."""
