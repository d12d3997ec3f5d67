"""Networks of MMSegmentation."""
