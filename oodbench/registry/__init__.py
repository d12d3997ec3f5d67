"""Registry of plugins.

The registry finds plugins without importing them and identifies their code.
"""

from oodbench.registry.entry import KINDS, Entry, check_card
from oodbench.registry.registry import Registry, key_values, make_spec, method_label

__all__ = ["KINDS", "Entry", "Registry", "check_card", "key_values", "make_spec", "method_label"]
