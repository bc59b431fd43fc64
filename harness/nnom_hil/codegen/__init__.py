"""Code generation: pure functions from quantised graphs and board facts to text."""
