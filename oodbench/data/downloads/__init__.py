"""Downloads of archives over HTTP."""
