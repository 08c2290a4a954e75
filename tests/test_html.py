"""What objects show of themselves in a notebook."""

from fractions import Fraction
from itertools import count

import pytest

from numerics.exact import prove_invariance
from theory.graph import Builder
from theory.html_table import NUM_SHOWN, html_table
from theory.invariance import check_invariance, refute
from theory.manifold import ambient, equitable, incoming_equitable, trap
from theory.partition import make_partition
from theory.primitives import Constant
from theory.symbolic import gradient_field
from theory.zoo import mlp

NET = mlp([2, 4, 1])
CLONES = make_partition(NET.sizes, {"h1": [[0, 1], [2, 3]]})


def rows(html):
    return html.count("<tr><td>")


def test_text_is_escaped():
    assert html_table("a < b", ["<"], [("&",)], 1) == (
        "<p>a &lt; b</p><table><tr><th>&lt;</th></tr><tr><td>&amp;</td></tr></table>"
    )


def test_no_more_rows_are_taken_than_shown():
    html = html_table("long", (), ((k,) for k in count()), 10**9)
    assert rows(html) == NUM_SHOWN
    assert html.endswith(f"<p>… and {10**9 - NUM_SHOWN:,} more</p>")


@pytest.mark.parametrize("num_rows", [NUM_SHOWN, NUM_SHOWN + 1])
def test_rows_that_fit_are_not_counted_as_left_out(num_rows):
    html = html_table("", (), [(k,) for k in range(num_rows)], num_rows)
    assert ("1 more" in html) == (num_rows > NUM_SHOWN)


def test_architecture_lists_its_parameters_and_frozen_units():
    html = NET.freeze("h1", 3, Fraction(1, 2))._repr_html_()
    assert "axes x 2, h1 4, y 1; frozen: h1[3] = 1/2" in html
    assert "<tr><td>W1</td><td>x × h1</td><td>2 × 4</td><td>8</td></tr>" in html
    assert rows(html) == len(NET.parameters) + 1
    assert f"<td>{NET.num_parameters}</td>" in html
    assert "frozen" not in NET._repr_html_()


def test_graph_lists_its_nodes_and_marks_outputs():
    graph = NET.graph()
    html = graph._repr_html_()
    assert rows(html) == len(graph.nodes)
    assert f"<td>{graph.outputs['y']} → y</td>" in html


def test_a_long_constant_is_cut_short():
    builder = Builder()
    k = builder.add(Constant((Fraction(1, 3),) * 100, (100,)))
    assert len(builder.finish({"y": k})._repr_html_()) < 400


def test_manifold_lists_its_constraints():
    html = equitable(NET, CLONES)._repr_html_()
    assert html.startswith("<p>IE∩OE: dimension 9 of 17</p>")
    assert "<td>W1[1, 2] - W1[1, 3] = 0</td><td>W1:CZ</td>" in html
    assert rows(html) == 8


def test_manifold_shows_coefficients_and_right_sides():
    net = mlp([1, 1, 1]).freeze("h1", 0, 2)
    html = trap(net, {("W2", 0): Fraction(5), ("W1", 0): Fraction(-1, 2)})._repr_html_()
    assert "<td>W2[0, 0] - 2 b2[0] = 5</td>" in html
    assert "<td>W1[0, 0] = -1/2</td>" in html


def test_manifold_without_constraints_has_no_table():
    assert ambient(NET)._repr_html_() == "<p>all parameters: dimension 17 of 17</p>"


def test_a_large_manifold_is_shown_in_part():
    net = mlp([784, 2048, 10])
    clones = make_partition(net.sizes, {"h1": [range(1024), range(1024, 2048)]})
    assert rows(equitable(net, clones)._repr_html_()) == NUM_SHOWN


def test_exact_result_shows_its_bound():
    html = prove_invariance(NET, equitable(NET, CLONES))._repr_html_()
    assert html.startswith("<p>proved with error ≤ 2^-")
    assert "<td>arguments of function symbols, m</td><td>4</td>" in html


def test_refutation_is_shown_as_it_prints():
    found = refute(NET, incoming_equitable(NET, CLONES))
    assert found is not None
    assert found._repr_html_().startswith("<pre>mlp:2-4-1:phi: the gradient leaves")
    assert "∂ℓ/∂" in found._repr_html_()


def test_plain_text_is_short_and_the_same_in_every_run():
    manifold = equitable(NET, CLONES)
    assert repr(NET) == "Architecture 'mlp:2-4-1:phi' (x 2, h1 4, y 1) with 17 parameters"
    assert repr(manifold) == "IE∩OE: dimension 9 of 17"
    assert repr(ambient(NET)) == "all parameters: dimension 17 of 17"
    field = gradient_field(NET)
    assert repr(field) == f"gradient of an arbitrary loss of {NET!r}"
    for checked in (manifold, incoming_equitable(NET, CLONES)):
        answer = check_invariance(NET, checked)
        assert repr(answer) == str(answer)
