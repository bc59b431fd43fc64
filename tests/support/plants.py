"""Faults planted where people plant them: in headers, C, images, models, vectors and labels."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.cli.app import run_app
from nnom_hil.explanations import Cause
from nnom_hil.paths import firmware_dir

Plant = Callable[["Nursery"], list[str | Path]]
"""Plants its fault in a folder of its own; returns what explain is given beside the board."""


@dataclass(frozen=True, kw_only=True)
class Nursery:
    """What faults are planted into. model, data: files of the healthy network; other: of one of
    the same shape with other weights. folder: to write into.
    """

    model: Path
    data: Path
    other: Path
    folder: Path

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        with np.load(self.data) as npz:
            return dict(npz)

    def with_data(self, **changes: npt.NDArray[Any]) -> list[str | Path]:
        file = self.folder / "data.npz"
        arrays: dict[str, Any] = {**self.arrays(), **changes}
        np.savez(file, **arrays)
        return [self.model, "--data", file]

    def header(self, model: Path | None = None, *options: str) -> str:
        file = self.folder / "weights.h"
        command = ["convert", str(model or self.model), "--data", str(self.data), "-o", str(file)]
        assert run_app([*command, "--json", *options]) == 0
        return file.read_text()

    def with_header(self, text: str, *options: str) -> list[str | Path]:
        file = self.folder / "weights.h"
        file.write_text(text)
        return [self.model, "--data", self.data, "--weights", file, *options]

    def with_tree(self, file: str, before: str, after: str) -> list[str | Path]:
        """Change one place in a copy of the library."""
        tree = self.folder / "nnom"
        shutil.copytree(firmware_dir() / "nnom", tree)
        source = tree / "src" / "kernels" / file
        text = source.read_text()
        assert before in text, before
        source.write_text(text.replace(before, after, 1))
        return [self.model, "--data", self.data, "--nnom", tree, "--portable"]

    def with_model(self, change: Callable[[Any], Any]) -> list[str | Path]:
        import keras

        model = keras.models.load_model(self.model)
        file = self.folder / "changed.keras"
        change(model).save(file)
        return [file, "--data", self.data]


def numbers(header: str, macro: str) -> list[int]:
    found = re.search(rf"#define {macro} \{{(.*?)\}}", header)
    assert found is not None, macro
    return [int(v) for v in found[1].split(",")]


def rewritten(header: str, macro: str, values: Any) -> str:
    text = ", ".join(str(int(v)) for v in values)
    changed = re.sub(rf"(#define {macro} )\{{.*?\}}", rf"\1{{{text}}}", header, count=1)
    assert changed != header
    return changed


def wrong_shift(at: Nursery) -> list[str | Path]:
    header = at.header()
    shifts = numbers(header, "CONV2D_1_OUTPUT_RSHIFT")
    return at.with_header(rewritten(header, "CONV2D_1_OUTPUT_RSHIFT", [s + 1 for s in shifts]))


def swapped_channels(at: Nursery) -> list[str | Path]:
    header = at.header()
    kernel = np.array(numbers(header, "TENSOR_CONV2D_2_KERNEL_0")).reshape(12, -1)
    kernel[[2, 7]] = kernel[[7, 2]]
    return at.with_header(rewritten(header, "TENSOR_CONV2D_2_KERNEL_0", kernel.ravel()))


def overflow(at: Nursery) -> list[str | Path]:
    return [
        *at.with_tree(
            "requantise.h",
            "value < 0 ? 0 : nnom_sat_s8(value)",
            "value < 0 ? 0 : (int8_t)(uint8_t)value",
        ),
        "--method",
        "percentile",
        "--percentile",
        "97",
    ]


def stale_weights(at: Nursery) -> list[str | Path]:
    return at.with_header(at.header(at.other))


def miscompiled_kernel(at: Nursery) -> list[str | Path]:
    return at.with_tree("plain/dot.h", "s3 += v * w3[i]", "s3 -= v * w3[i]")


def scaled_twice(at: Nursery) -> list[str | Path]:
    return at.with_data(x=at.arrays()["x"] / 255)


def label_order(at: Nursery) -> list[str | Path]:
    order = np.array([0, 1, 5, 3, 4, 9, 6, 7, 8, 2])
    return at.with_data(y=order[at.arrays()["y"]])


def truncated_flash(at: Nursery) -> list[str | Path]:
    image = built(at, at.model)
    data = image.read_bytes()
    cut = data.find(kernel_bytes(at, "TENSOR_DENSE_KERNEL_0"))
    assert cut > 0
    image.write_bytes(data[: cut + 100])
    return [at.model, "--data", at.data, "--image", image]


def kernel_bytes(at: Nursery, macro: str) -> bytes:
    return np.array(numbers(at.header(), macro), np.int8).tobytes()


def wrong_dense_order(at: Nursery) -> list[str | Path]:
    header = at.header()
    kernel = np.array(numbers(header, "TENSOR_DENSE_KERNEL_0")).reshape(10, -1)
    return at.with_header(rewritten(header, "TENSOR_DENSE_KERNEL_0", kernel.T.ravel()))


def wrong_padding(at: Nursery) -> list[str | Path]:
    header = at.header()
    assert ".pad_value" in header
    text = re.sub(r",\n\s+\.pad_value = -?\d+", "", header)
    return at.with_header(text)


def nan_weights(at: Nursery) -> list[str | Path]:
    def change(model: Any) -> Any:
        layer = model.get_layer("conv2d_2")
        kernel, bias = layer.get_weights()
        kernel[1, 1, 3, 5] = np.nan
        layer.set_weights([kernel, bias])
        return model

    return at.with_model(change)


def saturated_channel(at: Nursery) -> list[str | Path]:
    x = at.arrays()["x"].copy()
    x[..., 1] *= 0.04
    return at.with_data(x_calib=x)


def double_softmax(at: Nursery) -> list[str | Path]:
    def change(model: Any) -> Any:
        import keras

        return keras.Model(model.inputs, keras.layers.Softmax(name="again")(model.outputs[0]))

    return at.with_model(change)


def byte_order(at: Nursery) -> list[str | Path]:
    header = at.header()
    kernel = np.array(numbers(header, "TENSOR_CONV2D_2_KERNEL_0")).reshape(-1, 4)
    return at.with_header(rewritten(header, "TENSOR_CONV2D_2_KERNEL_0", kernel[:, ::-1].ravel()))


PLANTED: dict[str, tuple[Plant, Cause, str | None]] = {
    "wrong shift": (wrong_shift, Cause.WRONG_SHIFT, "conv2d_1"),
    "swapped channels": (swapped_channels, Cause.SWAPPED_CHANNELS, "conv2d_2"),
    "overflow": (overflow, Cause.OVERFLOW, "conv2d_2"),
    "stale weights": (stale_weights, Cause.STALE_WEIGHTS, "conv2d_1"),
    "miscompiled kernel": (miscompiled_kernel, Cause.KERNEL, "conv2d_1"),
    "input scaled twice": (scaled_twice, Cause.INPUT_SCALE, None),
    "label order": (label_order, Cause.LABEL_ORDER, None),
    "truncated flash": (truncated_flash, Cause.TRUNCATED_FLASH, "dense"),
    "wrong dense order": (wrong_dense_order, Cause.DENSE_ORDER, "dense"),
    "wrong padding": (wrong_padding, Cause.PADDING, "conv2d_1"),
    "NaN weights": (nan_weights, Cause.NAN_WEIGHTS, "conv2d_2"),
    "a channel saturated": (saturated_channel, Cause.SATURATION, "input"),
    "double softmax": (double_softmax, Cause.DOUBLE_SOFTMAX, "again"),
    "byte order": (byte_order, Cause.BYTE_ORDER, "conv2d_2"),
}
"""The fault, who plants it, and the cause and layer that are at fault."""


# ---- beyond the fourteen


def colours_reversed(at: Nursery) -> list[str | Path]:
    return at.with_data(x=at.arrays()["x"][..., ::-1])


def valid_padding(at: Nursery) -> list[str | Path]:
    return at.with_header(at.header().replace("PADDING_SAME", "PADDING_VALID", 1))


def a_row_less(at: Nursery) -> list[str | Path]:
    return at.with_tree("plain/nnom_maxpool_s8.c", "m < y.last;", "m < y.last - 1;")


def bias_subtracted(at: Nursery) -> list[str | Path]:
    start = "nnom_scale_up(s->bias[channel], s->bias_shift[channel * s->per_channel])"
    return at.with_tree("requantise.h", f"{start} + round", f"round - {start}")


def built(at: Nursery, model: Path) -> Path:
    folder = at.folder / "built"
    command = ["build", "--board", "native", "--model", str(model), "--data", str(at.data)]
    assert run_app([*command, "-o", str(folder)]) == 0
    return folder / "native.elf"


def erased_tail(at: Nursery) -> list[str | Path]:
    image = built(at, at.model)
    data, kernel = bytearray(image.read_bytes()), kernel_bytes(at, "TENSOR_CONV2D_2_KERNEL_0")
    start = data.find(kernel)
    data[start + 300 : start + len(kernel)] = b"\xff" * (len(kernel) - 300)
    image.write_bytes(data)
    return [at.model, "--data", at.data, "--image", image]


def stale_image(at: Nursery) -> list[str | Path]:
    return [at.model, "--data", at.data, "--image", built(at, at.other)]


def flipped_bit(at: Nursery) -> list[str | Path]:
    header = at.header()
    kernel = numbers(header, "TENSOR_CONV2D_1_KERNEL_0")
    kernel[17] ^= 64
    return at.with_header(rewritten(header, "TENSOR_CONV2D_1_KERNEL_0", kernel))


def stuck_channel(at: Nursery) -> list[str | Path]:
    header = at.header()
    bias, shift = (numbers(header, name) for name in
                   ("TENSOR_CONV2D_1_BIAS_0", "CONV2D_1_BIAS_LSHIFT"))  # fmt: skip
    bias[3], shift[3] = 127, shift[3] + 5
    header = rewritten(header, "TENSOR_CONV2D_1_BIAS_0", bias)
    return at.with_header(rewritten(header, "CONV2D_1_BIAS_LSHIFT", shift))


OTHERS: dict[str, tuple[Plant, Cause, str | None]] = {
    "colours reversed": (colours_reversed, Cause.CHANNEL_ORDER, None),
    "valid padding": (valid_padding, Cause.PADDING, "conv2d_1"),
    "a row less": (a_row_less, Cause.KERNEL, "max_pooling2d"),
    "bias subtracted": (bias_subtracted, Cause.KERNEL, "conv2d_1"),
    "erased tail": (erased_tail, Cause.TRUNCATED_FLASH, "conv2d_2"),
    "stale image": (stale_image, Cause.STALE_WEIGHTS, None),
    "flipped bit": (flipped_bit, Cause.DAMAGED_WEIGHTS, "conv2d_1"),
    "stuck channel": (stuck_channel, Cause.SATURATION, "conv2d_1"),
}
"""Faults that explain was not made for first; what it says of them must be true, too."""


def colour_digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Digits of 8 x 8 with three channels that differ: ink, its blurred shadow, paper."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    ink = digits.images / 16.0
    shadow = 0.5 * (np.roll(ink, 1, axis=1) + np.roll(ink, 1, axis=2))
    x = np.stack([ink, shadow, 0.8 * (1 - ink) ** 2], axis=-1)
    return x.astype(np.float32), digits.target.astype(np.int64)


def trained(seed: int) -> Any:
    """A network that knows the digits: random convolutions, and a readout by least squares."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3), name="input"),
            layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2d_1"),
            layers.MaxPooling2D(2, name="max_pooling2d"),
            layers.Conv2D(12, 3, padding="same", activation="relu", name="conv2d_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, name="dense"),
            layers.Softmax(name="softmax"),
        ]
    )
    rng = np.random.default_rng(seed)
    for name in ("conv2d_1", "conv2d_2"):
        kernel, bias = model.get_layer(name).get_weights()
        kernel = rng.normal(0, 1.4 / np.sqrt(kernel[..., 0].size), kernel.shape)
        model.get_layer(name).set_weights([kernel, rng.normal(0, 0.1, bias.shape)])
    x, y = colour_digits()
    inside = keras.Model(model.inputs, model.get_layer("flatten").output)
    features = np.hstack([inside.predict(x, verbose=0), np.ones((len(x), 1))])
    wanted = np.where(np.arange(10) == y[:, np.newaxis], 6.0, -2.0)
    ridge = features.T @ features + 0.05 * np.eye(features.shape[1])
    found = np.linalg.solve(ridge, features.T @ wanted)
    model.get_layer("dense").set_weights([found[:-1], found[-1]])
    return model


def nursery(folder: Path) -> Nursery:
    """Return the healthy network, its data and its sister, written into a folder."""
    for seed, name in ((1, "digits"), (2, "other")):
        trained(seed).save(folder / f"{name}.keras")
    x, y = colour_digits()
    np.savez(folder / "digits.npz", x=x[:300], y=y[:300])
    return Nursery(
        model=folder / "digits.keras",
        data=folder / "digits.npz",
        other=folder / "other.keras",
        folder=folder,
    )
