"""Mutation testing: do the tests notice a product that computes something else? `make mutants`."""
