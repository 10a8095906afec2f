"""Mask R-CNN and Faster R-CNN, with their operators."""
