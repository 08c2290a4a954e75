import numpy as np
import pytest

from numerics.systems.exact_arithmetic import check_exact_arithmetic


def single_precision(a, b):
    return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float64)


def one_addition_too_many(a, b):
    # What a fast algorithm does: form a sum of entries before multiplying.
    half = a.shape[1] // 2
    s = (a[:, :half] + a[:, half:]) @ (b[:half] + b[half:])
    return s - a[:, :half] @ b[half:] - a[:, half:] @ b[:half]


def last_term_missing(a, b):
    return a[:, :-1] @ b[:-1] if a.shape[0] > 1 and not a.flags.c_contiguous else a @ b


@pytest.mark.parametrize("matmul", [single_precision, one_addition_too_many, last_term_missing])
def test_an_inexact_product_is_noticed(matmul):
    with pytest.raises(ArithmeticError, match="matrix product"):
        check_exact_arithmetic(matmul)


def test_the_test_passes_and_is_run_once():
    check_exact_arithmetic()
    hits = check_exact_arithmetic.cache_info().hits
    check_exact_arithmetic()
    assert check_exact_arithmetic.cache_info().hits == hits + 1
