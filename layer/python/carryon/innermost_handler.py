"""What a vendor's wrapper is told to load in the place of the function's own handler.

A file and not a module made at run time: every way of importing finds it, those that look on the disk included.
"""

from .runtime.vendor_handlers import load_for_vendor as __getattr__  # noqa: F401 called for each attribute of this module
