"""Modules whose threads or connections do not survive a fork, by what they are known as."""

from __future__ import annotations

__all__ = ["HOSTILE"]

HOSTILE = {
    "jax": "JAX",
    "jaxlib": "JAX",
    "tensorflow": "TensorFlow",
    "grpc": "gRPC",
    "polars": "Polars",
    "cupy": "CuPy",
    "ray": "Ray",
    "pyspark": "Spark",
}
