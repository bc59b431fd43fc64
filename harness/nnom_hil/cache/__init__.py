"""What took long to make, kept for the next run: prepared models, libraries, images.

An entry is a folder named by what went into it. It is written beside its place, brought to the disk
and renamed, and its bytes are checked whenever they are read: what is damaged, of another version
or cannot be read is made again, with one line of notice. Entries that were not used for longest go
when there are too many bytes; those that a running process uses stay.
"""

from nnom_hil.cache.care import Usage, clear, usage, verify
from nnom_hil.cache.content import Kept, UnfitError
from nnom_hil.cache.obtaining import obtain, work_folder
from nnom_hil.cache.parcels import Parcel, is_kept, pack, unpack
from nnom_hil.cache.places import Entry, limit_bytes

__all__ = [
    "Entry",
    "Kept",
    "Parcel",
    "UnfitError",
    "Usage",
    "clear",
    "is_kept",
    "limit_bytes",
    "obtain",
    "pack",
    "unpack",
    "usage",
    "verify",
    "work_folder",
]
