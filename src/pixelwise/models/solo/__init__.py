"""SOLO, Decoupled SOLO and SOLOv2, with their operators."""
