"""Transverse blocks of layers: closed forms, what is shared, false neighbours."""

from dataclasses import replace

import pytest
import sympy

from theory.errors import ArchitectureError
from theory.stability import LAYERS, derive_exchangeable
from theory.stability.exchange import own_term
from theory.stability.exchangeable_layers import (
    attention_heads,
    convolution_channels,
    glu_units,
    normalised_units,
)


@pytest.mark.parametrize("name", LAYERS)
def test_closed_form(name):
    found = derive_exchangeable(LAYERS[name]())
    assert found.verdict == "proved", str(found)
    assert found.matrix == found.matrix.T


@pytest.mark.parametrize("layer", [convolution_channels(), glu_units()], ids=["conv", "glu"])
def test_clones_that_add_up_have_their_own_second_derivative(layer):
    own = replace(layer, formula=own_term(layer.clones[0]))
    assert derive_exchangeable(own).closed_form.verdict == "proved"


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_shared_statistics_stand_still(kind):
    layer = normalised_units(kind)
    moving = replace(layer, formula=own_term(layer.clones[0]))
    assert derive_exchangeable(moving).closed_form.verdict == "refuted"


@pytest.mark.parametrize(
    "layer", [convolution_channels(), attention_heads(), glu_units(2)], ids=["conv", "heads", "glu"]
)
def test_one_wrong_entry_is_refuted(layer):
    def false(loss):
        matrix = layer.formula(loss).copy()
        place = next(k for k in range(matrix.rows * matrix.cols) if matrix[k] != 0)
        matrix[place] = -matrix[place]
        return matrix

    assert derive_exchangeable(replace(layer, formula=false)).closed_form.verdict == "refuted"


def test_gated_units_have_no_second_derivative_by_the_value():
    found = derive_exchangeable(glu_units(2))
    assert found.matrix[:2, :2] == sympy.zeros(2, 2)


def test_clones_that_are_not_exchangeable_are_refuted():
    # Values of one unit against gates of the other: no permutation of the network.
    layer = glu_units(2)
    other = layer.clones[1]
    crossed = (layer.clones[0], (*other[2:4], *other[:2], other[4]))
    assert derive_exchangeable(replace(layer, clones=crossed)).verdict == "refuted"


def test_clones_must_correspond():
    layer = glu_units(2)
    with pytest.raises(ArchitectureError, match="equally many"):
        replace(layer, clones=(layer.clones[0], layer.clones[1][:2]))
    with pytest.raises(ArchitectureError, match="share"):
        replace(layer, clones=(layer.clones[0], layer.clones[0]))
    with pytest.raises(ArchitectureError, match="at least two"):
        replace(layer, clones=layer.clones[:1])


def test_shown():
    found = derive_exchangeable(convolution_channels())
    for text in (found._repr_latex_(), found._repr_html_(), found.to_latex(), str(found)):
        assert text.count("{") == text.count("}")
        assert text.count("$") % 2 == 0
