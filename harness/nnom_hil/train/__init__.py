"""Fine-tuning: the integers of a quantised graph, trained toward its float model.

simulate.py is the graph as a TensorFlow function with the reference's own bytes, distil.py trains
its weights. Formats are never touched. TensorFlow is imported here only, inside functions.
"""
