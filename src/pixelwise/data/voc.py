def detect(p): return None
