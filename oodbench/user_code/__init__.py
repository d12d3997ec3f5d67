"""Imports of the user's Python files.

A file is imported together with the files next to it, and identified by all of that code.
"""

from oodbench.user_code.code_identity import code_identity
from oodbench.user_code.importing import ImportedFile, import_python_file
from oodbench.user_code.missing import explain_missing_modules
from oodbench.user_code.sources import digest_module, is_installed, read_source
from oodbench.user_code.usage import collect_used_code, record_used_code

__all__ = [
    "ImportedFile",
    "code_identity",
    "collect_used_code",
    "digest_module",
    "explain_missing_modules",
    "import_python_file",
    "is_installed",
    "read_source",
    "record_used_code",
]
