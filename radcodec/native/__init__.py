"""The native core: C sources, and the library that the build makes of them. `radcodec.runtime.native` loads it."""
