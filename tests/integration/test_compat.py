"""Training scripts written against NNoM's names run unchanged but for the import."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.native import NNOM

NEW_SCRIPT = """
from nnom import *
from tensorflow.keras.models import Model, load_model
from tensorflow.keras.layers import *
from sklearn.datasets import load_digits

model_name = 'digits_model.h5'

def train(x_train, y_train, x_test, y_test, epochs=25):
    inputs = Input(shape=x_train.shape[1:])
    x = Conv2D(16, kernel_size=(3, 3), strides=(1, 1), padding='same')(inputs)
    x = BatchNormalization()(x)
    x = LeakyReLU(0.2)(x)
    x = MaxPool2D((2, 2), strides=(2, 2), padding='same')(x)
    x = Dropout(0.1)(x)
    x = DepthwiseConv2D(depth_multiplier=2, kernel_size=(3, 3), dilation_rate=(2, 2),
                        padding='same')(x)
    x = BatchNormalization()(x)
    x = ReLU(negative_slope=0.2, threshold=0, max_value=6)(x)
    x = Flatten()(x)
    x = Dense(32)(x)
    x = ReLU()(x)
    x = Dense(10)(x)
    predictions = Softmax()(x)
    model = Model(inputs=inputs, outputs=predictions)
    model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
    model.fit(x_train, y_train, batch_size=32, epochs=epochs, verbose=0, shuffle=False)
    model.save(model_name)

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype('float32') / 16
onehot = tf.keras.utils.to_categorical(labels, 10)
x_train, x_test = images[:1400], images[1400:]
y_train, y_test = onehot[:1400], onehot[1400:]
train(x_train, y_train, x_test, y_test)
model = load_model(model_name)
generate_test_bin(x_test * 127, y_test, name='test_data.bin')
model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
scores = evaluate_model(model, x_test, y_test, running_time=True)
generate_model(model, x_test, format='hwc', per_channel_quant=False, name='weights.h')
np.save('labels.npy', labels[1400:])
np.save('scores.npy', scores)
"""

OLD_SCRIPT = """
from nnom_utils import *
import tensorflow as tf
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D, ReLU, Softmax
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype('float32') / 16
x_train, x_test = images[:1400], images[1400:]
model = Sequential()
model.add(Input((8, 8, 1)))
model.add(Conv2D(12, 3, padding='same'))
model.add(ReLU())
model.add(MaxPooling2D(2))
model.add(Flatten())
model.add(Dense(10))
model.add(Softmax())
model.compile(loss='sparse_categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
model.fit(x_train, labels[:1400], batch_size=32, epochs=25, verbose=0)
scores = evaluate_model(model, x_test, labels[1400:])
generate_model(model, x_test, name='weights.h')
shifts = layers_output_ranges(model, x_test)
generate_weights(model, name='again.h', shift_list=shifts)
generate_test_bin(x_test * 127, labels[1400:].astype('uint8'), name='test_data.bin')
np.save('labels.npy', labels[1400:])
np.save('scores.npy', scores)
"""

# As NNoM's examples read the file: blocks of 128 labels and 128 records.
READER = """
#include "weights.h"
int main(void)
{
    uint8_t labels[128];
    size_t right = 0, all = 0;
    nnom_model_t *model = nnom_model_create();
    FILE *file = fopen("test_data.bin", "rb");
    while (fread(labels, 1, 128, file) == 128) {
        for (size_t i = 0; i < 128; i++) {
            uint32_t label;
            float prob;
            if (fread(nnom_input_data, 1, sizeof(nnom_input_data), file) != sizeof(nnom_input_data))
                break;
            nnom_predict(model, &label, &prob);
            right += label == labels[i];
            all++;
        }
    }
    fprintf(stderr, "%d %d\\n", (int)right, (int)all);
    return 0;
}
"""


def run_script(script: str, folder: Path) -> str:
    changed = re.sub(r"from nnom import", "from nnom_hil.compat import", script)
    changed = re.sub(r"from nnom_utils import", "from nnom_hil.compat.nnom_utils import", changed)
    (folder / "script.py").write_text(changed)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def answers(folder: Path, header: str) -> tuple[int, int]:
    """Return how many of how many records the C program answers rightly."""
    (folder / "main.c").write_text(READER.replace("weights.h", header))
    sources = [str(p) for p in NNOM.glob("src/**/*.c")]
    command = ["cc", "-std=c99", "-O1", f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}", "main.c"]
    subprocess.run([*command, *sources, "-lm", "-o", "main"], cwd=folder, check=True)
    done = subprocess.run(["./main"], cwd=folder, capture_output=True, text=True, check=True)
    right, count = map(int, done.stderr.split())
    return right, count


@pytest.mark.parametrize("script", [NEW_SCRIPT, OLD_SCRIPT], ids=["nnom", "nnom_utils"])
def test_script_runs_unchanged_but_for_the_import(script: str, tmp_path: Path) -> None:
    printed = run_script(script, tmp_path)
    assert "binary test file generated: test_data.bin" in printed
    assert "test data length: 397" in printed
    scores = np.load(tmp_path / "scores.npy")
    assert f"Top 1: {scores[1]}" in printed
    assert (tmp_path / "evaluation.txt").read_text().count("Top 1:") == 1
    right, count = answers(tmp_path, "weights.h")
    assert count == 397
    assert scores[1] > 0.85
    assert abs(right / count - scores[1]) <= 0.01
    if script is OLD_SCRIPT:
        assert "Conv2D(12, kernel(3, 3)" in (tmp_path / "weights.h").read_text()
        assert answers(tmp_path, "again.h") == (right, count)
        assert (tmp_path / ".shift_list").exists()
    else:
        assert "conv2d_s(&" in (tmp_path / "weights.h").read_text()
        assert (tmp_path / ".layer_q_list").read_text().startswith("{'input_layer")


def test_formats_in_two_steps_give_the_header_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """quantize_output() and quantize_weights() are what generate_model() does, taken apart."""
    import keras

    from nnom_hil.compat import (
        generate_model,
        quantize_output,
        quantize_rnn_intermediate_output,
        quantize_weights,
    )
    from nnom_hil.errors import UsageError

    monkeypatch.chdir(tmp_path)
    layers = keras.layers
    gru = layers.GRU(5, name="gru")
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Conv1D(4, 3, activation="tanh", padding="same"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            gru,
            layers.Dense(3, activation="softmax"),
        ]
    )
    x = np.random.default_rng(0).uniform(-100, 100, (40, 6, 3)).astype(np.float32)
    formats = quantize_output(model, x)
    quantize_weights(model, "two.h", per_channel_quant=False, layer_q_list=formats)
    generate_model(model, x, name="one.h")
    one, two = (Path(name).read_text().splitlines()[1:] for name in ("one.h", "two.h"))
    assert one == two
    features = np.random.default_rng(1).normal(0, 1, (9, 6, 4)).astype(np.float32)
    assert quantize_rnn_intermediate_output(gru, features)[0] == 7
    with pytest.raises(UsageError, match="layer_q_list is needed"):
        quantize_weights(model)
    with pytest.raises(UsageError, match="format 'nchw' is unknown"):
        generate_model(model, x, format="nchw")
