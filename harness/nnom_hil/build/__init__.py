"""Firmware images: CMake, Ninja and arm-none-eabi-gcc, cached by content."""

from typing import TYPE_CHECKING

from nnom_hil.lazy import lazily

if TYPE_CHECKING:
    from nnom_hil.build.constants import Constants, constants_of
    from nnom_hil.build.contents import SectionSizes
    from nnom_hil.build.image import (
        Image,
        Program,
        build_image,
        build_program,
        check_drivers,
        drivers,
        joining_trees,
        kept_image,
        sharing_trees,
        tree_digest,
    )
    from nnom_hil.build.library import Kernels, Library, Optimise, cmsis_nn_tree, nnom_tree

__all__ = [
    "Constants",
    "Image",
    "Kernels",
    "Library",
    "Optimise",
    "Program",
    "SectionSizes",
    "build_image",
    "build_program",
    "check_drivers",
    "cmsis_nn_tree",
    "constants_of",
    "drivers",
    "joining_trees",
    "kept_image",
    "nnom_tree",
    "sharing_trees",
    "tree_digest",
]

__getattr__ = lazily(
    __name__,
    {
        "Constants": "constants",
        "Image": "image",
        "Kernels": "library",
        "Library": "library",
        "Optimise": "library",
        "Program": "image",
        "SectionSizes": "contents",
        "build_image": "image",
        "build_program": "image",
        "check_drivers": "image",
        "cmsis_nn_tree": "library",
        "constants_of": "constants",
        "drivers": "image",
        "joining_trees": "image",
        "kept_image": "image",
        "nnom_tree": "library",
        "sharing_trees": "image",
        "tree_digest": "image",
    },
)
