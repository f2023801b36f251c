"""The detail layer: learned residual coding to the exact image or one within a bound (docs/format.md, section 8)."""
