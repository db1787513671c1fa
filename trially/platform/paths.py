"""Paths of the platform API that its own answers name."""

PREFIX = "/platform"
OPERATIONS = "/api/v1/platform/operations"

SLUG_EXAMPLE = "acme"
