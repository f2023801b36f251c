"""CIFAR-10: 60000 small colour photographs in ten classes, for debugging models.

References
----------
Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images. Address, layout and the archive's MD5:
www.cs.toronto.edu/~kriz/cifar.html; MD5 of its files: torchvision.datasets.CIFAR10.
"""

from __future__ import annotations

from radcodec.training.datasets.archives import Archive, BatchFile
from radcodec.training.datasets.batches import BatchSet

CIFAR10 = BatchSet(
    archive=Archive(
        file="cifar-10-python.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        folder="cifar-10-batches-py",
        train=(
            BatchFile(name="data_batch_1", md5="c99cafc152244af753f735de768cd75f"),
            BatchFile(name="data_batch_2", md5="d4bba439e000b95fd0a9bffe97cbabec"),
            BatchFile(name="data_batch_3", md5="54ebc095f3ab1f0389bbae665268c751"),
            BatchFile(name="data_batch_4", md5="634d18415352ddfa80567beed471001a"),
            BatchFile(name="data_batch_5", md5="482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        test=(BatchFile(name="test_batch", md5="40351d587109b95175f43aff81a1287e"),),
        meta=BatchFile(name="batches.meta", md5="5ff9c542aee3614f3951f8cda6e48888"),
    ),
    side_px=32,
    bands=3,
    cut_sigma=None,
    has_labels=True,
)
