"""SANeRF-HQ: promptable 3D object segmentation from posed photos."""
