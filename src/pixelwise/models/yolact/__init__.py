"""YOLACT, with its operators."""
