"""Six architectures of MMSegmentation, as they are and with GMMSeg's head: recipes for Cityscapes at full size, and of
small twins for the drawn streets."""
