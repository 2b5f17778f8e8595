import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.server.binary import decode_arrays, encode_arrays

DTYPES = ["<f4", "<f2", "<f8", "<u4", "<i8", "|u1", ">i4"]
ANY_ARRAY = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(np.dtype(dtype), array_shapes(min_dims=1, max_dims=3, min_side=0))
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), ANY_ARRAY, max_size=4))
def test_arrays_come_back_as_they_were_packed(given_arrays: dict) -> None:
    back = decode_arrays(encode_arrays(given_arrays))
    assert list(back) == list(given_arrays)
    for name, array in given_arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype.newbyteorder("<")


def test_the_layout_is_the_documented_one() -> None:
    body = encode_arrays({"a": np.array([1, 2, 3], "<u4"), "b": np.array([[1.5]], "<f4")})
    assert body[:4] == b"FMI1"
    start = 8 + int.from_bytes(body[4:8], "little")
    assert start % 8 == 0
    assert json.loads(body[8:start]) == {
        "arrays": [
            {"name": "a", "dtype": "<u4", "shape": [3], "offset": 0},
            {"name": "b", "dtype": "<f4", "shape": [1, 1], "offset": 16},
        ]
    }
    assert np.frombuffer(body, "<f4", 1, start + 16).tolist() == [1.5]


def test_slices_are_packed_by_their_values() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    assert np.array_equal(decode_arrays(encode_arrays({"x": array}))["x"], array)


@pytest.mark.parametrize("cut", [0, 3, 7, 20, -8])
def test_a_body_cut_short_is_an_error(cut: int) -> None:
    body = encode_arrays({"x": np.arange(10, dtype=np.float32)})
    with pytest.raises(CorruptArtifactError):
        decode_arrays(body[:cut])


def test_objects_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="dtype object"):
        encode_arrays({"x": np.array([{}], dtype=object)})


def test_a_header_that_asks_for_objects_is_refused() -> None:
    body = encode_arrays({"x": np.zeros(2, "<f4")}).replace(b'"<f4"', b'"|O8"')
    with pytest.raises(CorruptArtifactError):
        decode_arrays(body)
