"""Ray is not tried on Windows."""

import sys

collect_ignore = ["test_ray.py", "test_sent_files.py"] if sys.platform == "win32" else []
