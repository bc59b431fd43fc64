"""Bundled models and data sets, and loaders for the user's own."""
