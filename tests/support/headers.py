"""Generated headers, built with the library on this machine and run."""

import re
import subprocess
from pathlib import Path

import numpy as np

from nnom_hil.codegen.names import c_identifiers
from nnom_hil.model.qgraph import Int8, QGraph
from nnom_hil.run.verdict import activation_name, layer_type
from tests.support.native import NNOM, SANITIZERS, library_objects

MAIN = """
#include "weights.h"
int main(void)
{
    nnom_model_t *model = nnom_model_create();
    FILE *told = fopen("told.txt", "w");
    fprintf(told, "%lu %lu\\n", (unsigned long)model_buffer_size(model),
            (unsigned long)nnom_mem_stat());
    for (nnom_layer_t *layer = model->head; layer != NULL; layer = layer->shortcut) {
        const nnom_tensor_t *t = layer->out->tensor;
        const long offset = (long)((uint8_t *)t->p_data - (uint8_t *)model->buffer);
        fprintf(told, "%s %s %s %ld %d %ld", default_layer_names[layer->type],
                layer->config == NULL || layer->config->name == NULL ? "-" : layer->config->name,
                layer->actail == NULL ? "-" : default_activation_names[layer->actail->type],
                offset, t->bitwidth, (long)t->q_dec[0]);
        for (int i = 0; i < t->num_dim; i++) {
            fprintf(told, " %d", t->dim[i]);
        }
        fprintf(told, "\\n");
    }
    fclose(told);
    FILE *in = fopen("in.bin", "rb"), *out = fopen("out.bin", "wb");
    while (fread(nnom_input_data, sizeof(nnom_input_data), 1, in) == 1) {
        if (model_run(model) != NN_SUCCESS) return 1;
        fwrite(nnom_output_data, sizeof(nnom_output_data), 1, out);
    }
    fclose(in), fclose(out);
    model_delete(model);
    return 0;
}
"""


class Library:
    """The library in one configuration, compiled once for any number of headers."""

    def __init__(self, *flags: str) -> None:
        self._flags = ["-g", "-O1", *SANITIZERS, *flags]
        self._flags += [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
        self._objects = library_objects(*flags)

    def run(
        self, header: str, x: Int8, folder: Path, compiler: tuple[str, ...] = ("cc", "-std=c99")
    ) -> Int8:
        """Return the outputs (n, outputs) of a header's model for inputs x (n, ...).

        compiler: of the program; the library is always C.
        """
        folder.mkdir(exist_ok=True)
        (folder / "weights.h").write_text(header)
        (folder / "main.c").write_text(MAIN)
        (folder / "in.bin").write_bytes(x.tobytes())
        command = [*compiler, *self._flags, "-O0", "main.c", "-xnone", *self._objects]
        command += ["-lm", "-o", "run"]
        subprocess.run(command, cwd=folder, check=True)
        subprocess.run([folder / "run"], cwd=folder, check=True, capture_output=True)
        out = np.frombuffer((folder / "out.bin").read_bytes(), dtype=np.int8)
        return out.reshape(len(x), -1)

    def check_what_it_says(self, graph: QGraph, folder: Path, *, compat: bool = False) -> None:
        """Compare the C structures of the last run there, and its header's macros, with the graph.

        graph: the one that the header was written from, made portable if the header is.
        """
        first, *rows = (folder / "told.txt").read_text().splitlines()
        buffer_size, taken = map(int, first.split())
        assert buffer_size <= taken
        header = (folder / "weights.h").read_text()
        macros = dict(re.findall(r"^#define (\w+)_OUTPUT_(?:DEC|SHIFT) (-?\d+)$", header, re.M))
        ident = c_identifiers([n for node in graph.nodes for n in (node.name, node.tail_name) if n])
        decs = graph.library_decs(compat=compat)
        for node, row in zip(graph.nodes, rows, strict=True):
            kind, name, activation, *numbers = row.split()
            offset, bitwidth, dec, *shape = map(int, numbers)
            assert kind == layer_type(node).split("/")[0], row
            assert name in {"-", ident[node.name]}, row
            assert activation == (activation_name(node) or "-"), row
            assert (tuple(shape), bitwidth, dec) == (node.shape, 8, decs[node.name]), row
            assert offset >= 0, row
            assert offset + node.size <= buffer_size, row
            for called in (node.name, node.tail_name):
                assert macros.get(ident.get(called, "").upper(), str(node.dec)) == str(node.dec)
        assert len(macros) >= len(graph.nodes) - 1
        for node, tensor in ((graph.input, ident[graph.input.name]), (graph.output, "output0")):
            for dims in re.findall(rf"tensor_{tensor}_dim\[\] = {{(.*)}};", header):
                held = tuple(int(d) for d in dims.split(","))
                assert node.shape == (1,) * (len(node.shape) - len(held)) + held
