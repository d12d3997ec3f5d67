"""Python files of the user.

They are imported together with the files next to them, and identified by all of that code.
"""

from oodbench.user_code.importing import ImportedFile, import_python_file
from oodbench.user_code.missing import explain_missing_modules
from oodbench.user_code.sources import digest_module, is_installed
from oodbench.user_code.usage import collect_used_code, record_used_code

__all__ = [
    "ImportedFile",
    "collect_used_code",
    "digest_module",
    "explain_missing_modules",
    "import_python_file",
    "is_installed",
    "record_used_code",
]
