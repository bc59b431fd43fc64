"""NNoM's Python names over our converter: `from nnom_hil.compat import *` for `from nnom import *`.

Signatures, files and printed lines are NNoM's (NNOM_COMPAT.md 5.1 and 5.7); the headers are ours,
without the faults marked there. Like NNoM's, the star import also hands over np, tf, K and the
names of Keras and its layers.
"""

import os
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from nnom_hil.extras import need

need("convert", "nnom_hil.compat")

import keras
import keras.layers
import numpy as np
import tensorflow as tf
from keras import backend as K  # noqa: N812  # the name that scripts use
from keras.layers import *  # noqa: F403

from nnom_hil.compat.helpers import (
    compare,
    convert_q7_q15_weights,
    convert_to_x4_q7_weights,
    convert_to_x4_q15_weights,
    f2q,
    find_dec_bits_kld,
    find_dec_bits_max_min,
    find_dec_bits_max_min_axis,
    find_offset,
    fuse_bn_to_conv,
    is_gru_layer,
    is_lstm_layer,
    is_rnn_layer,
    is_shift_fixed,
    is_shift_layer,
    layer_name_from_tensor,
    q2f,
    quantize_data,
    show_weights,
)
from nnom_hil.compat.scripts import (
    evaluate_model,
    generate_model,
    generate_test_bin,
    quantize_output,
    quantize_rnn_intermediate_output,
    quantize_weights,
)

model_major_version = 0
model_sub_version = 4
model_reversion = 3

__all__ = [
    "K",
    "compare",
    "convert_q7_q15_weights",
    "convert_to_x4_q7_weights",
    "convert_to_x4_q15_weights",
    "evaluate_model",
    "f2q",
    "find_dec_bits_kld",
    "find_dec_bits_max_min",
    "find_dec_bits_max_min_axis",
    "find_offset",
    "fuse_bn_to_conv",
    "generate_model",
    "generate_test_bin",
    "is_gru_layer",
    "is_lstm_layer",
    "is_rnn_layer",
    "is_shift_fixed",
    "is_shift_layer",
    "keras",
    "layer_name_from_tensor",
    "model_major_version",
    "model_reversion",
    "model_sub_version",
    "np",
    "q2f",
    "quantize_data",
    "quantize_output",
    "quantize_rnn_intermediate_output",
    "quantize_weights",
    "show_weights",
    "tf",
    "time",
    "warnings",
]
__all__ += [name for name in dir(keras.layers) if not name.startswith("_")]
__all__ += [name for name in ("Model", "Sequential", "layers", "models") if hasattr(keras, name)]
Model, Sequential, layers, models = keras.Model, keras.Sequential, keras.layers, keras.models
