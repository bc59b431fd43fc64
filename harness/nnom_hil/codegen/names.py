"""Names from a model become C identifiers that cannot collide, shadow a keyword or inject text."""

import re
from collections.abc import Iterable

__all__ = ["c_identifiers"]

# Keywords of C11 and C++, and the plain words that NNoM's headers put into the global namespace.
_RESERVED = frozenset(
    {
        "alignas", "alignof", "and", "asm", "auto", "bool", "border", "break", "case", "catch",
        "char", "class", "const", "constexpr", "continue", "decltype", "default", "delete",
        "dilation", "do", "double", "else", "enum", "explicit", "export", "extern", "false",
        "float", "for", "friend", "goto", "if", "inline", "int", "kernel", "layer", "long", "main",
        "model", "mutable", "namespace", "new", "noexcept", "not", "nullptr", "operator", "or",
        "private", "protected", "public", "register", "restrict", "return", "shape", "short",
        "signed", "sizeof", "static", "stride", "struct", "switch", "template", "this", "throw",
        "true", "try", "typedef", "typename", "union", "unsigned", "using", "virtual", "void",
        "volatile", "while", "xor"
    }
)  # fmt: skip


def c_identifiers(names: Iterable[str]) -> dict[str, str]:
    """Return an identifier for each name: letters, digits and `_`, unique in any letter case."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "layer"
        if stem[0].isdigit() or stem.lower() in _RESERVED or stem.lower().startswith("nnom"):
            stem = f"l_{stem}"
        candidate, n = stem, 2
        # macros are the upper-cased names, so letter case alone does not tell two layers apart
        while candidate.upper() in taken:
            candidate, n = f"{stem}_{n}", n + 1
        taken.add(candidate.upper())
        result[name] = candidate
    return result
