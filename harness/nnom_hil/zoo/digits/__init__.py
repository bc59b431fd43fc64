"""The bundled digits CNN: the training script and its result, digits.keras."""
