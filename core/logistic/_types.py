"""Names for the kinds of arrays that go through a fit."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Reals = NDArray[np.float32] | NDArray[np.float64]
Indices = NDArray[np.int32] | NDArray[np.int64]
Matrix = Any
"""(sample, feature) C-ordered array or scipy.sparse CSR, float32 or float64."""
Given = Any
"""What a caller may hand in: arrays, tables, lists, sparse matrices."""
Unrolled = tuple[int, ...]
"""Tells compiled loops a small number of rows by its length; empty where they are many."""


class Compressed(NamedTuple):
    """The arrays of a CSR or CSC matrix, as compiled loops take them."""

    data: Reals
    indices: Indices
    indptr: Indices


def is_sparse(x: Matrix) -> bool:
    """Say whether x is a matrix of scipy.sparse."""
    return bool(sparse.issparse(x))


def compressed(x: Matrix) -> Compressed:
    """Return the arrays of a CSR or CSC matrix."""
    return Compressed(x.data, x.indices, x.indptr)
