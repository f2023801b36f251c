"""Posterior samples of lossy images, drawn by a diffusion model: a viewer, never a measurement. Needs torch."""
