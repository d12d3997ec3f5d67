"""Recipes for Cityscapes at full size: six architectures of MMSegmentation, each as it is and with GMMSeg's head."""
