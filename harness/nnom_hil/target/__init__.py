"""Targets: what runs an image and offers its console. They look the same from outside."""
