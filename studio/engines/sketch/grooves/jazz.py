"""Jazz: the swung ride and the walking bass, and the ballad with brushes."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES = {
    "jazz_swing": Groove(
        drums=(
            """
            ride  x.. x.. x.. x..
            pedal ... x.. ... x..
            """,
            """
            ride  x.. x.x x.. x.x
            pedal ... x.. ... x..
            kick  g.. g.. g.. g..
            snare ... ..g ... ...|..o ... ... ..g
            """,
            """
            ride  X.. X.x X.. X.x
            pedal ... x.. ... x..
            kick  o.. g.. o.. g.x|o.. ..x o.. g..
            snare ..o ..g ... ..o|... .go ..x ...
            """,
        ),
        percussion="shaker o.x o.x o.x o.x",
        bass=("R-- --- 5-- ---", "W-- W-- W-- W--"),
        comp=("X-- --- ... ...", "x-- ..s ... ...|..x --. ... ..s|... ..x --- ...|..s ... ..x --."),
        band=("jazz_kit", "acoustic_bass", "piano", "tenor_sax", "jazz_guitar"),
        melody="bebop", counter="answer", loose=0.6, fill="jazz", crash=False,
    ),
    "brushes_ballad": Groove(
        drums=(
            """
            swirl x... .... x... ....
            pedal .... o... .... o...
            """,
            """
            swirl x... o... x... o...
            pedal .... x... .... x...
            kick  g... .... g... ....
            """,
            """
            swirl x... o..o x... o..o
            snare .... o... .... o..g
            pedal .... x... .... x...
            ride  x... x..o x... x..o
            kick  o... .... o... ....
            """,
        ),
        bass=("R--- ---- 5--- ----", "R--- ---- 5--- --a-|R--- ---- 3--- 5-a-"),
        comp=("X--- ---- ---- ----", "x--- ---- ..x- ----|x--- --o- ---- ..o-"),
        band=("brush_kit", "acoustic_bass", "piano", "tenor_sax", "slow_strings"),
        melody="lyrical", counter="long", swing=0.7, swing_unit=8, loose=0.7, fill="soft", crash=False,
    ),
}  # fmt: skip
