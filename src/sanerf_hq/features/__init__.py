"""Where embeddings come from."""

from sanerf_hq.features.cache import EmbeddingCache as EmbeddingCache
