"""Why a network answers wrongly: pure functions from evidence to findings, a module a family.

model.py: the trained weights. data.py: vectors and labels. formats.py: float against reference.
target.py: reference against target, by the suspects of suspects.py, inputs.py and contents.py.
printed.py: consoles of others. None knows how the evidence was had; run/explain.py gathers it.
"""
