"""Radio Galaxy Zoo, the 108k batches: sources of the VLA FIRST survey, 150 x 150 pixels of 1.8 arcsec, 8 bits.

There are 53 training batches of up to 2000 images and one for tests. Each is a dictionary of data (a list of 22500
uint8 an image), filenames, src_ids, mb_flag and LAS (largest angular size, arcsec). The flag is 1 if the source is also
in MiraBest; leave it out before testing on MiraBest. There are no classes. Some images occur more than once. The noise
was cut off as in MiraBest.

References
----------
Slijepcevic et al. 2024, arXiv:2305.16127 (the set and its use); Wong et al. 2025, arXiv:2412.14502 (the catalogue).
Layout: the script that wrote such batches and the loaders that read them (class RGZ108k of github.com/inigoval/byol).
"""

from __future__ import annotations

from radcodec.training.datasets.archives import Archive, BatchFile
from radcodec.training.datasets.batches import BatchSet
from radcodec.training.datasets.mirabest import CUT_SIGMA

_TRAIN_MD5 = """
    3f0c0eefdfafc0c5b373ad82c6cf9e38 c39657f335fa8957e9e7cfe35b3503fe 711cb401d9a039ad90ee61f652361a7e
    2d46b5031e9b8220886124876cb8b426 8cb6644a59368abddc91af006fd67160 b523102c655c44e575eb1ccae8af3a56
    58da5e781a566c331e105799d35b801c cdab6dd1245f9e91c2e5efb00212cd04 20ef83c0c07c033c2a1b6b0e028a342d
    dd4e59f515b1309bbf80488f7352c2a6 23d4e845d685c8183b4283277cc5ed72 7905d89ba2ef1bc722e4d45357cc5562
    753ce85f565a72fa0c2aaa458a6ea5e0 4145e21c48163d593eac403fdc259c5d 713b1f15328e58c210a815affc6d4104
    bd45f4895bed648f20b2b2fa5d483281 e8fe6c5f408280bd122b64eb1bbc9ad0 1b35a3c4da301c7899356f890f8c08af
    357af43d0c18b448d38f37d1390d194e c908a88e9f62975fabf9e2241fe0a02b 231b1413a2f0c8fda02c496c0b0d9ffb
    8f1b27f220f5253d18da1a4d7c46cc91 6008ce450b4a4de0f81407da811e6fbf 180c351fd32c3b204cac17e2fac7b98d
    51be04715b303da51cbe3640a164662b 9cb972ae3069541dc4fa096ea95149eb 065d888e4b131485f0a54089245849df
    d0430812428aefaabcec8c4cd8f0a838 221bdd97fa36d0697deb13e4f708b74f 81eaec70f17f7ff5f0c7f3fbc9d4060c
    f6ccddbf6122c0bac8befb7e7d5d386e e7cdf96948440478929bc0565d572610 940d07f47d5d98f4a034d2dbc7937f59
    a5c97a274671c0536751e1041a05c0a9 d4dbb71e9e92b61bfde9a2d31dfb6ec8 208ef8426ce9079d65a215a9b89941bc
    60d0ca138812e1a8e2d439f5621fa7f6 b17ff76a0457dc47e331668c34c0e7e6 28712e629d7a7ceba527ba77184ee9c5
    a9b575bb7f108e63e4392f5dd1672d31 3390460da44022c13d24f883556a18eb 7297ca4b77c6059150f471969ca3827a
    0d0e610231994ff3663c662f4b960340 386a2d3472fbd97330bb7b8bb7e0ff2f 1124b3bbbe0c7f9c14f964c4533bd565
    18a53af11a51c44632f4ce3c0b012e5c 05e6a4d27381dcd505e9bea7286929a6 2c666e471cbd0b547d72bfe0aba04988
    1fde041df048985818326d4f587126c9 8f2f127fab28d83b8b9182119db16732 30b39c698faca92bc1a7c2a68efad3e8
    e9866820972ed2b23a46bea4cea1afd8 379b92e4ad1c6128ec09703120a5e77f
"""

RGZ108K = BatchSet(
    archive=Archive(
        file="rgz108k-batches-python.tar.gz",
        # The published loaders give the archive's name and hashes, but it is not uploaded yet. The authors have it.
        url=None,
        md5="3fef587aa2aa3ece3b01b125977ae19d",
        folder="rgz108k-batches-py",
        train=tuple(
            BatchFile(name=f"data_batch_{number}", md5=md5) for number, md5 in enumerate(_TRAIN_MD5.split(), start=1)
        ),
        test=(BatchFile(name="test_batch", md5="6c42ba92dc3239fd6ab5597b120741a0"),),
        meta=BatchFile(name="batches.meta", md5="d5d3d04e1d462b02b69285af3391ba25"),
    ),
    side_px=150,
    bands=1,
    cut_sigma=CUT_SIGMA,
    has_labels=False,
    columns=("src_ids", "mb_flag", "LAS"),
)
