"""``python -m radcodec`` is the command line."""

from __future__ import annotations

from radcodec.cli import main

if __name__ == "__main__":
    main()
