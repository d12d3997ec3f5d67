"""Training of six architectures of MMSegmentation, with their own classifier or with GMMSeg's head.

There are recipes for Cityscapes at full size, and reduced recipes for the synthetic streets.
"""
