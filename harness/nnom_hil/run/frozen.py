"""The last that a forkserver imports: what it has by then is no business of its children's garbage
collector, which would copy every page of it.
"""

import gc

__all__: list[str] = []

gc.collect()
gc.freeze()
