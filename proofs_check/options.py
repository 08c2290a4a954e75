"""Options and arguments that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is standard output."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="From which all randomness is derived.")]

Target = Annotated[str, typer.Argument(metavar="TARGET", show_default=False)]
Clone = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=BLOCKS",
        help="Clones along one axis, h=0,1/2,3; units left out stand alone. Repeat for more axes.",
    ),
]
Freeze = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS:UNIT=VALUE", help="A unit frozen at a constant, h:3=0. Repeat for more."
    ),
]
Mirror = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=BLOCKS",
        help="Clones some of which have the opposite value, h=0,-1/2,3. Repeat for more axes.",
    ),
]
Zero = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS:UNIT", help="A unit whose weights and biases are all 0, h:3. Repeat for more."
    ),
]
Bits = Annotated[float, typer.Option(help="A proof is wrong with chance ≤ 2^-bits.")]
