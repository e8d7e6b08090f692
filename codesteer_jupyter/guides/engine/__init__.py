"""The local guide's engine: a model in memory that reads, scores and writes on one kept KV cache.

Nothing is imported here. `engine.engine.Engine` is made by `guides.loaded.load`; the modules of
this package import torch and transformers, so import them where those are known to be there.
"""
