"""What a user may choose about a header: which API, which order of data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Api", "DenseOrder", "HeaderOptions", "Layout"]


class Api(StrEnum):
    """NNoM's two interfaces: configuration structures (0.4), or one constructor call a layer."""

    STRUCT = "struct"
    LAYER = "layer"


class Layout(StrEnum):
    """Order of data and weights, NNoM's NNOM_USING_CHW."""

    HWC = "hwc"
    CHW = "chw"


class DenseOrder(StrEnum):
    """Order of dense weights, NNoM's DENSE_WEIGHT_OPT: interleaved by four, or row by row."""

    INTERLEAVED = "interleaved"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderOptions:
    """portable: right on NNoM's own library as well; the graph must come from portable()."""

    api: Api = Api.STRUCT
    layout: Layout = Layout.HWC
    dense_order: DenseOrder = DenseOrder.INTERLEAVED
    portable: bool = False

    @property
    def tells_formats(self) -> bool:
        """Whether the library learns each layer's fraction bits; the layer API has no room."""
        return self.api is Api.STRUCT

    def guards(self, *, has_dense: bool, needs: Mapping[str, str] | None = None) -> list[str]:
        """Return preprocessor lines that stop a build for a library that reads the header wrongly.

        has_dense: layers with one weight format, whose order depends on a switch. needs: macros of
        what only our library has, and what it is.
        """
        unless = {Layout.HWC: "#ifdef", Layout.CHW: "#ifndef"}[self.layout]
        word = {Layout.HWC: "without", Layout.CHW: "with"}[self.layout]
        lines = [
            f"{unless} NNOM_USING_CHW",
            f'#error "this header is for a library built {word} NNOM_USING_CHW"',
            "#endif",
        ]
        if has_dense:
            opt = self.dense_order is DenseOrder.INTERLEAVED
            lines += [
                f"#if {'!' if opt else ''}DENSE_WEIGHT_OPT",
                f'#error "this header is for a library built with DENSE_WEIGHT_OPT {int(opt)}"',
                "#endif",
            ]
        for macro, what in (needs or {}).items():
            lines += [
                f"#ifndef {macro}",
                f'#error "{what}: build on the NNoM library of nnom-hil, or convert with '
                '--portable"',
                "#endif",
            ]
        return lines
