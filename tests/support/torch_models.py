"""Writes tests/data/onnx anew: small PyTorch models by both of PyTorch's exporters.

    python -m tests.support.torch_models    # needs torch, onnx and onnxscript, which CI does not

What exporters write is kept as it is, but for descriptions of where in the source it came from.
"""

# mypy: disable-error-code="misc"
import io
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

FOLDER = Path(__file__).parents[1] / "data" / "onnx"


class Mlp(nn.Module):
    shape = (8,)

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 12), nn.Linear(12, 4)

    def forward(self, x: Any) -> Any:
        return torch.softmax(self.b(torch.tanh(self.a(x))), 1)


class Digits(nn.Module):
    shape = (1, 12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.body(x)


class Residual(nn.Module):
    shape = (3, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=1, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.a, self.b = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.down, self.side = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.Conv2d(6, 8, 1, stride=2)
        self.end = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(self.norm(self.stem(x)), 3, 2, 1)  # of values of either sign
        x = F.relu(x + self.b(F.relu(self.a(x))))
        x = F.relu(self.down(x) + self.side(x))
        x = F.max_pool2d(x, 3, 2, 1)
        return self.end(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Mobile(nn.Module):
    shape = (3, 12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point = nn.Conv2d(8, 8, 1)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.end = nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        x = F.relu6(self.deep(F.hardswish(self.stem(x))))
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        x = F.silu(self.point(x * gate))
        return self.end(x.mean([2, 3]))


class Signal(nn.Module):
    shape = (2, 24)

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(2, 6, 5, padding=4, dilation=2)
        self.b = nn.Conv1d(6, 6, 3, stride=2, groups=2)
        self.end = nn.Linear(30, 3)

    def forward(self, x: Any) -> Any:
        x = F.leaky_relu(self.a(x), 0.1)
        x = F.avg_pool1d(self.b(x), 3, 2, 1)
        return self.end(F.max_pool1d(x, 2, 1).flatten(1))


class Decoder(nn.Module):
    shape = (2, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
        self.more = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Any) -> Any:
        return torch.sigmoid(self.more(F.relu(self.up(F.relu(self.down(x))))))


class Skips(nn.Module):
    shape = (2, 9, 10)

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, (1, 3), padding=(0, 1))
        self.b = nn.Conv2d(4, 4, (3, 2), stride=(2, 1))
        self.end = nn.Conv2d(10, 3, 1)

    def forward(self, x: Any) -> Any:
        x = F.pad(x, (1, 0, 2, 1))
        a = F.relu(self.a(x))
        b = F.interpolate(self.b(a), scale_factor=2)
        y = torch.cat([a[:, :, 1:11, :10], b[:, :, :10, 2:12], x[:, :, 2:, 1:]], 1)
        return self.end(F.max_pool2d(y, 3, 2, 1, ceil_mode=True))


class Last(nn.Module):
    """A convolution with its last two layers on channels that come last, as ConvNeXt has it."""

    shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.a, self.wide, self.thin = nn.Conv2d(3, 6, 3), nn.Linear(6, 12), nn.Linear(12, 6)

    def forward(self, x: Any) -> Any:
        x = self.a(x * 2 - 1)
        y = self.thin(F.relu(self.wide(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        return F.avg_pool2d((x + y).clamp(-1, 1), 3, 2, 1).amax((2, 3))


class Memory(nn.Module):
    shape = (6, 4)

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.end = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        y, _ = self.cell(x)
        return self.end(y[:, -1])


class Both(nn.Module):
    shape = (6, 4)

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.end = nn.GRU(4, 3, batch_first=True, bidirectional=True), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        y, _ = self.cell(x)
        return self.end(y).mean(1)


class State(nn.Module):
    shape = (5, 3)

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.end = nn.LSTM(3, 4, batch_first=True, bidirectional=True), nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        _, (h, _) = self.cell(x)
        return self.end(torch.cat([h[0], h[1]], 1))


class Simple(nn.Module):
    shape = (5, 3)

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.end = nn.RNN(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        _, h = self.cell(x)
        return self.end(h[0])


MODELS = (
    Mlp, Digits, Residual, Mobile, Signal, Decoder, Skips, Last, Memory, Both, State, Simple,
)  # fmt: skip
OPSETS = (11, 13, 17)
RECURRENT = {"memory", "both", "state", "simple"}


def randomise(model: Any) -> None:
    """Give statistics of batch normalisation values that are not their first."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)


def bare(proto: Any) -> Any:
    """Return a model without what tells where it came from, which is most of its bytes."""
    del proto.metadata_props[:]
    proto.graph.doc_string = proto.doc_string = ""
    del proto.graph.metadata_props[:]
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input,
                 *proto.graph.output, *proto.graph.initializer):  # fmt: skip
        part.doc_string = ""
        del part.metadata_props[:]
    return proto


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    for number, kind in enumerate(MODELS):
        torch.manual_seed(number)
        model: Any = kind()
        randomise(model)
        model.eval()
        name, x = kind.__name__.lower(), torch.randn(1, *model.shape)
        buffer = io.BytesIO()
        torch.onnx.export(
            model, (x,), buffer, dynamo=False, opset_version=OPSETS[number % len(OPSETS)],
            input_names=["x"], dynamic_axes={"x": {0: "n"}},
        )  # fmt: skip
        onnx.save(bare(onnx.load_from_string(buffer.getvalue())), FOLDER / f"{name}_script.onnx")
        dynamic = None if name in RECURRENT else ({0: torch.export.Dim("n")},)
        program = torch.onnx.export(
            model, (x,), dynamo=True, input_names=["x"], dynamic_shapes=dynamic, verbose=False
        )
        onnx.save(bare(program.model_proto), FOLDER / f"{name}_dynamo.onnx")


if __name__ == "__main__":
    main()
