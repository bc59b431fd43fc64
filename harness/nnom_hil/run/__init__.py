"""Runs: plan, prepare, execute, judge, keep."""
