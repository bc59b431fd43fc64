"""Firmware images: CMake, Ninja and arm-none-eabi-gcc, cached by content."""

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
