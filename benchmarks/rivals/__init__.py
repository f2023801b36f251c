"""The rivals, one small file each, behind ``base.Rival`` and, in the lossy mode, ``lossy.LossyRival``."""
