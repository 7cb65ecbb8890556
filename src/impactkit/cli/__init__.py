"""The command line."""

from impactkit.cli.app import app, main

__all__ = ["app", "main"]
