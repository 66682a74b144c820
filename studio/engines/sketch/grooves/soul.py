"""Funk, Motown, soul, gospel and blues."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES = {
    "funk_16ths": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  xoxo xoxo xoxo xoxo
            rim  .... x... .... x...
            """,
            """
            kick  X.x. .... ..x. .x..|X.x. ..x. .x.. ....
            snare .... X..g .g.. X..g
            hat   xoxo xoxo xoxo xoxo
            """,
            """
            kick  X.x. ...x ..x. .x..|X.x. ..x. .xx. ...x
            snare .g.. X..g .g.g X..g|.g.. X..g .g.. X.gg
            hat   xoxo xoxo xoxo xo.o
            open  .... .... .... ..X.
            """,
        ),
        percussion="""
            conga_hi ..x. .x.x ..x. .xx.
            conga_lo x... ..x. x... ....
            cow      x... x... x... x...
        """,
        bass=("R--. ..r. ..R. 5.8.", "R..r .8R. ..rR .78a|R..r .8R. .5.8 7.5a"),
        comp=("X--. .... ..s. ....", "s..s ..s. .ss. ..s.|s..s ..s. .s.s ...."),
        comp_plucked=(".s.s .s.s .s.s .s.s", "s.ss .s.s s.ss .ss.|s.ss .s.s .s.s ssss"),
        band=("drum_kit", "slap_bass", "clavinet", "clean_guitar", "brass", "tenor_sax"),
        melody="riff", counter="stabs", swing=0.15, loose=0.4, fill="snare_roll",
    ),
    "motown": Groove(
        drums=(
            """
            kick x... .... x... ....
            tamb .... x... .... x...
            hat  x.x. x.x. x.x. x.x.
            """,
            """
            kick  x... ..x. x... ....|x... ..x. x.x. ....
            snare x... x... x... x...
            tamb  ..o. x.o. ..o. x.o.
            """,
            """
            kick  X... ..x. X... ..x.|X... ..x. X.x. ..x.
            snare X... X... X... X...|X... X... X... X.oo
            hat   x.x. x.x. x.x. x.x.
            tamb  o.o. X.o. o.o. X.o.
            """,
        ),
        percussion="tamb ooxo ooxo ooxo ooxo",
        bass=("R--- --R- 5--- 3---", "R--. .r3. 5..8 .5a.|R--. .r5. 8..7 .53a"),
        comp=("X--- .... x--- ....", "..s. s... ..s. s..."),
        comp_plucked=(".... s... .... s...", ".... X... .... X..."),
        band=("drum_kit", "finger_bass", "piano", "clean_guitar", "strings", "brass"),
        melody="hook", counter="strings", loose=0.4, fill="snare_roll",
    ),
    "soul_ballad": Groove(
        drums=(
            """
            kick x... .... x... ....
            hat  x.x. x.x. x.x. x.x.
            rim  .... o... .... o...
            """,
            """
            kick x... ..o. x... ....|x... ..o. x.o. ....
            rim  .... x... .... x...
            hat  x.o. x.o. x.o. x.o.
            """,
            """
            kick  X... ..x. x... ..o.|X... ..x. x.x. ....
            snare .... X... .... X...|.... X... .... X..g
            ride  x.o. x.o. x.o. x.o.
            """,
        ),
        percussion="shaker o.xo o.xo o.xo o.xo",
        bass=("R--- ---- ---- 5---", "R--- --R- 5--- 3-a-|R--- --8- 7-5- 3-a-"),
        comp=("X--- ---- x--- ----", "X--- x--- x-x- x---"),
        comp_plucked=("1-2- 3-2- 4-3- 2---", "1-2- 3-2- 4-3- 2-3-"),
        band=("room_kit", "finger_bass", "electric_piano", "drawbar_organ", "strings", "tenor_sax"),
        melody="lyrical", counter="long", loose=0.6, fill="toms",
    ),
    "slow_12_8": Groove(
        drums=(
            """
            kick x.. ... x.. ...
            rim  ... x.. ... x..
            hat  x.. x.. x.. x..
            """,
            """
            kick  x.. ... x.o ...
            snare ... X.. ... X..
            hat   xoo xoo xoo xoo
            """,
            """
            kick  X.. ..x X.x ...|X.. ..x X.. ..x
            snare ... X.. ... X..|... X.. ... X.o
            ride  xox xox xox xox
            """,
        ),
        percussion="tamb ... x.. ... x..",
        bass=("R-- --- 5-- ---", "R-- --R 5-- 3-a|R-- --5 8-- 5-a"),
        comp=("X-- --- x-- ---", "xss xss xss xss"),
        comp_plucked=("123 432 123 432", "123 432 123 432"),
        band=("drum_kit", "finger_bass", "piano", "drawbar_organ", "tenor_sax"),
        melody="lyrical", counter="long", loose=0.55, fill="toms",
    ),
    "gospel_shuffle": Groove(
        drums=(
            """
            clap ... x.. ... x..
            tamb x.o x.o x.o x.o
            """,
            """
            kick  x.. ... x.. ..x
            snare ... X.. ... X..
            hat   x.x x.x x.x x.x
            tamb  ..o x.o ..o x.o
            """,
            """
            kick  X.. x.. X.. x.x
            snare ..g X.. ..g X..|..g X.. ..g X.x
            ride  x.x x.x x.x x.x
            clap  ... X.. ... X..
            tamb  o.o x.o o.o x.o
            """,
        ),
        percussion="tamb ooo xoo ooo xoo",
        bass=("R-- 3-- 5-- 3--", "R-r 3-- 5-3 a--|R-- 5-7 8-5 a-a"),
        comp=("X-- ..x -.. x--", "x.x ..x x.. x.x|x.x ..x .x. x.x"),
        band=("drum_kit", "finger_bass", "drawbar_organ", "piano", "choir"),
        melody="blues", counter="answer", loose=0.5, fill="snare_roll",
    ),
    "blues_shuffle": Groove(
        drums=(
            """
            kick x.. ... x.. ...
            hat  x.. x.. x.. x..
            rim  ... x.. ... x..
            """,
            """
            kick  x.. ... x.. ...
            snare ... X.. ... X..
            ride  X.x X.x X.x X.x
            """,
            """
            kick  X.. x.. X.. x.x
            snare ..g X.g ..g X.g
            ride  X.x X.x X.x X.x
            pedal ... x.. ... x..
            """,
        ),
        percussion="tamb ... x.. ... x..",
        bass=("R-- R-- 5-- 5--", "R-r 3-3 5-5 7-5|8-8 7-7 5-5 3-a"),
        comp=("..x -.. ..x -..", "..x ... ..x s..|x-. ..x -.. ..s"),
        comp_plucked=("X-x X-x X-x X-x", "X-x X-x X-x X-x"),
        band=("drum_kit", "finger_bass", "overdriven_guitar", "piano", "harmonica", "drawbar_organ"),
        melody="blues", counter="answer", loose=0.5, fill="snare_roll",
    ),
}  # fmt: skip
