"""The version of trially."""

VERSION = "0.1.0"
