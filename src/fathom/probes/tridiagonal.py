"""A symmetric matrix brought to tridiagonal form, from which it is inverted with every penalty added to its diagonal.

With K = Q T Q', T tridiagonal, (K + a I)^-1 = Q (T + a I)^-1 Q', and the middle takes no time (Elden 1977, BIT
17:134). The form takes a third of the time of an eigendecomposition, which would serve as well.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from fathom.statistics.arrays import FloatArray


class Tridiagonal:
    """The matrix K (size, size) of a regression's training, and the products of the test texts with it.

    Attributes:
        basis: Q, (size, size), orthogonal.
    """

    def __init__(self, matrix: FloatArray, test: FloatArray) -> None:
        """Take `matrix` (size, size), symmetric with eigenvalues of at least 0, and `test` (test texts, size)."""
        self._diagonal, self._beside, self.basis = _tridiagonal(matrix)
        self._test: FloatArray = np.asfortranarray((test @ self.basis).T)
        self._shrunk: dict[float, FloatArray] = {}
        self._smoothers: dict[tuple[float, ...], npt.NDArray[np.float32]] = {}

    def shrunk(self, penalty: float) -> FloatArray:
        """Return (T + penalty I)^-1 Q' test', (size, test texts); penalty is above 0."""
        if penalty not in self._shrunk:
            self._shrunk[penalty] = self.solve(penalty, self._test)
        return self._shrunk[penalty]

    def solve(self, penalty: float, right: FloatArray) -> FloatArray:
        """Return (T + penalty I)^-1 right, (size, columns)."""
        if len(self._diagonal) == 1:
            return right / (self._diagonal + penalty)
        diagonal, beside, failed = lapack.dpttrf(self._diagonal + penalty, self._beside)
        if failed:
            msg = f"penalty: {penalty:g}; too small for these states, whose products are not told from round-off"
            raise ValueError(msg)
        return np.asarray(lapack.dpttrs(diagonal, beside, right)[0], dtype=np.float64)

    def smoothers(self, penalties: tuple[float, ...]) -> npt.NDArray[np.float32]:
        """Return test (K + penalty I)^-1 of all penalties, one below the other: (penalties * test texts, size).

        In float32, whose products take half as long.
        """
        if penalties not in self._smoothers:
            basis = self._rounded_basis
            parts = [self.shrunk(penalty).T.astype(np.float32) @ basis.T for penalty in penalties]
            self._smoothers[penalties] = np.vstack(parts)
        return self._smoothers[penalties]

    @cached_property
    def _rounded_basis(self) -> npt.NDArray[np.float32]:
        return self.basis.astype(np.float32)


def _tridiagonal(matrix: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Diagonal and what stands beside it of T, and Q."""
    size = len(matrix)
    if size == 1:
        return matrix[0].copy(), np.zeros(0), np.ones((1, 1))
    work, _ = lapack.dsytrd_lwork(size, lower=1)
    reflectors, diagonal, beside, factors, _ = lapack.dsytrd(matrix, lower=1, lwork=int(work))
    # The reflectors lie where those of a Hessenberg form do, whose routine scipy has.
    work, _ = lapack.dorghr_lwork(size)
    basis, _ = lapack.dorghr(reflectors, factors, lwork=int(work))
    return diagonal, beside, basis
