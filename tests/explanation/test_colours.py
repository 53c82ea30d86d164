"""Colours of evidence: signed, on an absolute scale, and transparent where there is no evidence."""

import numpy as np

from residerm.explanation.colours import AGAINST, FOR, coloured, overlaid


def test_no_evidence_is_transparent() -> None:
    assert (coloured(np.zeros((2, 3), np.float32), full=10) == 255).all()
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    bare = overlaid(image, np.zeros((4, 4), np.float32), full=10)
    assert (bare == bare[..., :1]).all()


def test_sign_and_amount_of_evidence() -> None:
    shown = coloured(np.array([[-20.0, -10.0, -1.0, 1.0, 10.0, 20.0]], np.float32), full=10)[0]
    np.testing.assert_array_equal(shown[0], AGAINST)
    np.testing.assert_array_equal(shown[1], AGAINST)
    np.testing.assert_array_equal(shown[4], FOR)
    np.testing.assert_array_equal(shown[5], FOR)
    assert shown[2].min() > 225
    assert shown[3].min() > 225
    assert shown[3][0] > shown[3][2]
    assert shown[2][2] > shown[2][0]


def test_scale_is_absolute() -> None:
    weak = np.array([[0.0, 0.01]], np.float32)
    assert (coloured(weak, full=10) >= 254).all()
