"""Models: float graph, Keras import, quantiser, quantised graph, bit-exact reference."""
