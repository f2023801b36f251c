"""The detail layer: learned residual coding that gives the exact image or one within a bound (docs/format.md, section 8)."""
