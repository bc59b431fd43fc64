"""Reports: rendered from records and templates only, so that any old one can be made again."""
