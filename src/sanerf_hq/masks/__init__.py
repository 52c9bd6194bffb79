"""Masks of views, as values."""

from sanerf_hq.masks.rle import RLE as RLE
