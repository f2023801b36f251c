"""``radcodec train``: makes a model; needs the optional extra ``train``."""

from __future__ import annotations

from pathlib import Path

import click

from radcodec.cli.common import told_of
from radcodec.cli.errors import DONE


@click.command()
@click.argument("config", metavar="CONFIG.toml", type=click.Path(path_type=Path))
@click.option("--restart", is_flag=True, help="Start again instead of going on from the last checkpoint.")
def train(config: Path, restart: bool) -> int:
    """Train a model as a configuration says; the ones under models/ reproduce what ships."""
    with told_of(str(config)):
        if not config.is_file():
            raise FileNotFoundError(2, "expected a configuration file, found none", str(config))
        try:
            from radcodec.training.run import train as run_training
        except ModuleNotFoundError as error:
            raise click.UsageError(
                f"training needs {error.name}, which is not installed: pip install 'radcodec[train]'"
            ) from error
        folder = run_training(config, resume=not restart)
    click.echo(f"{config} -> {folder}")
    return DONE
