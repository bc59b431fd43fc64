#!/usr/bin/env bash
# Keras 3.15.1: a Softmax over several axes, saved as HDF5, loads as a softmax over the last axis.
#
# Softmax(axis=(1, 2)) is valid and written with both axes into the file's model_config. load_model() gives
# a layer whose axis is -1 again, without a warning, so that its outputs add up to one along the
# last axis instead of over both. The same model saved as .keras loads as it was.
#
# Seen: "axis saved [1, 2], loaded from .keras [1, 2], from .h5 -1".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 h5py==3.16.0
cd "$folder"
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PY'
import json
import sys

import h5py
import keras
import numpy as np

model = keras.Sequential([keras.Input((3, 4)), keras.layers.Softmax(axis=(1, 2))])
for name in ("model.keras", "model.h5"):
    model.save(name)
config = json.loads(h5py.File("model.h5", "r").attrs["model_config"])
saved = config["config"]["layers"][-1]["config"]["axis"]
kept, changed = (keras.models.load_model(f"model.{kind}") for kind in ("keras", "h5"))
x = np.random.default_rng(0).normal(size=(1, 3, 4)).astype("float32")
print(
    f"axis saved {list(saved)}, loaded from .keras {kept.layers[-1].axis}, "
    f"from .h5 {changed.layers[-1].axis}"
)
same = np.allclose(model.predict(x, verbose=0), kept.predict(x, verbose=0))
other = np.abs(model.predict(x, verbose=0) - changed.predict(x, verbose=0)).max()
sys.exit(0 if same and changed.layers[-1].axis == -1 and other > 0.01 else 1)
PY
echo "as described"
