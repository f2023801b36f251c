"""What codecs do to fluxes, positions, noise, moment maps and stacks, at equal bound and at equal size."""
