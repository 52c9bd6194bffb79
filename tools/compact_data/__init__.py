"""Pictures to train the compact segmenter on: ray-cast solids and layered shapes, truth by construction."""
