"""Attention between very many and very few tokens, as in SAM's decoder, by plain matrix products.

A decoder's call has thousands of image tokens but some ten of prompts, and heads of 8 channels: general
attention spends its time on moving heads about. Here the few tokens become block-diagonal matrices, so that
one product does all heads of the many, where they lie in memory. The result is that of any other way.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AttentionInterface

NAME = "sanerf_few_tokens"


def few_tokens_attention(
    module: torch.nn.Module,
    query: Float[Tensor, "b heads n c"],
    key: Float[Tensor, "b heads m c"],
    value: Float[Tensor, "b heads m c"],
    attention_mask: None,
    scaling: float,
    dropout: float = 0.0,
    is_causal: bool = False,
) -> tuple[Float[Tensor, "b n heads c"], None]:
    """softmax(query · keyᵀ · scaling) · value, a head at a time; signature of transformers' registry."""
    heads, c = query.shape[1], query.shape[3]
    if query.shape[2] >= key.shape[2]:
        scores = _blocks(key * scaling) @ _flat(query).transpose(1, 2)
        weights = (
            scores.unflatten(1, (heads, -1)).softmax(2).flatten(1, 2)
        )  # fast, as it is not the last axis
        return (weights.transpose(1, 2) @ _blocks(value)).unflatten(2, (heads, c)), None
    scores = _flat(key) @ _blocks(query * scaling).transpose(1, 2)
    every = scores.softmax(1).transpose(1, 2) @ _flat(value)  # each head's weights with all heads' values
    own = every.unflatten(1, (heads, -1)).unflatten(3, (heads, c)).diagonal(dim1=1, dim2=3)
    return own.transpose(2, 3), None


def _flat(x: Float[Tensor, "b heads n c"]) -> Float[Tensor, "b n heads_c"]:
    return x.transpose(1, 2).flatten(2)


def _blocks(x: Float[Tensor, "b heads n c"]) -> Float[Tensor, "b heads_n heads_c"]:
    """The heads as blocks on a diagonal."""
    heads = x.shape[1]
    eye = torch.eye(heads, dtype=x.dtype, device=x.device)
    return (x[:, :, :, None] * eye[:, None, :, None]).flatten(3).flatten(1, 2)


AttentionInterface.register(NAME, few_tokens_attention)
