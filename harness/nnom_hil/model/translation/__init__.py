"""What all front ends share, free of any framework.

problems.py tells what cannot be converted, place.py is where an operation of a model becomes nodes,
parts.py the nodes that several frameworks' operations become. tensors.py follows tensors whose
elements stand in another order than the graph's, operations.py is what formats of tensors, ONNX and
TFLite, have in common; check.py holds a graph against the framework's own runtime.
"""
