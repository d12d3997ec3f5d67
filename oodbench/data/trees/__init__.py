"""Files in a folder or an archive, read alike."""
