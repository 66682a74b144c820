"""Brazil, Cuba, Colombia, Argentina: clave, surdo, guacharaca and marcato."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES: dict[str, Groove] = {
    "bossa_nova": Groove(
        drums=(
            """
            hat oooo oooo oooo oooo
            rim x..x ..x. ..x. ....
            """,
            """
            kick x..x x..x x..x x..x
            hat  xoxo xoxo xoxo xoxo
            rim  x..x ..x. ..x. .x..|..x. .x.. x..x ..x.
            """,
            """
            kick  x..x x..x x..x x..x
            hat   xoxo xoxo xoxo xoxo
            rim   x..x ..x. ..x. .x..|..x. .x.. x..x ..x.
            shaker oxox oxox oxox oxox
            """,
        ),
        percussion="""
            shaker xoxo xoxo xoxo xoxo
            triangle .... ..o. .... ..o.
        """,
        bass=("R--- ---. 5--- ---.", "R--R 5--5 R--R 5--a|R--R 5--5 8--8 5--a"),
        comp=("X--- --x- ---- x---", "x-.x -.x- .x-. x-..|.x-. x-.x -.x- ..x-"),
        comp_plucked=("b--x --b- x--x ----", "b-.x -.x- b.x- .x-.|bx-. x-.x b.x- ..x-"),
        band=("hand_percussion", "acoustic_bass", "nylon_guitar", "flute", "drum_kit"),
        melody="bossa", counter="long", loose=0.4, fill="soft", crash=False,
    ),
    "samba": Groove(
        drums=(
            """
            toml   .... x... .... x...
            shaker xoox xoox xoox xoox
            """,
            """
            kick   x..o x..o x..o x..o
            toml   .... X... .... X...
            snare  x.ox .xox .x.o x.ox
            shaker xoox xoox xoox xoox
            """,
            """
            kick   X..o X..o X..o X..o
            toml   o... X... o... X..o
            snare  XoxX oXox oXox XoxX
            shaker xoox xoox xoox xoox
            agogo_hi x.x. .x.. x.x. .x..
            agogo_lo ...x x..x ...x x...
            """,
        ),
        percussion="""
            agogo_hi x.x. .x.. x... x...
            agogo_lo ...x ..x. ..x. ..x.
            tamb     xoox xoox xoox xoox
        """,
        bass=("R--. l--. R--. l--.", "R..r l..R R..r l..a"),
        comp=("x--- x-x- .x-- x---", "x.x. .x.x .x.x .x..|.x.x x.x. x.x. x.x."),
        comp_plucked=("b.xx .x.x .xbx .x.x", "xsxs .x.x sx.x .x.x|.xsx x.xs x.x. xsxs"),
        band=("drum_kit", "hand_percussion", "acoustic_bass", "nylon_guitar", "brass", "whistle"),
        melody="latin", counter="answer", loose=0.4, fill="latin",
    ),
    "cumbia": Groove(
        drums=(
            """
            kick x... .... x... ....
            guiro x.xx x.xx x.xx x.xx
            """,
            """
            kick  x... x... x... x...
            rim   ..x. ..x. ..x. ..x.
            guiro X.xx X.xx X.xx X.xx
            """,
            """
            kick  X... x... X... x...
            snare ..x. ..x. ..x. .xx.
            guiro X.xx X.xx X.xx X.xx
            cow   x.x. x.x. x.x. x.x.
            """,
        ),
        percussion="""
            conga_hi ..xx ..x. ..xx ..x.
            conga_lo x... x... x... x...
            maracas  x.x. x.x. x.x. x.x.
        """,
        bass=("R--- .... 3-5- ....", "R--. .... 3-.. 5-..|R--. .... 5-.. 3.a."),
        comp=("..x. ..x. ..x. ..x.", "..s. ..s. ..s. ..ss"),
        band=("drum_kit", "hand_percussion", "finger_bass", "accordion", "brass", "clarinet"),
        melody="latin", counter="answer", loose=0.4, fill="latin",
    ),
    "tango": Groove(
        drums=(
            """
            rim x... x... x... x...
            """,
            """
            kick  x... .... x... ....
            snare .... .... .... ..go
            rim   x... o... x... o.o.
            """,
            """
            kick  X... o... X... o...
            snare ...x .... ...x ..xx|.... ..x. .... .oxx
            """,
        ),
        bass=("R-.. 5-.. R-.. 5-..", "R-.. R-.. 5-.. R-aa|R--R --R- R-.. 5-a."),
        comp=("X-.. x-.. X-.. x-..", "X... x... X... x..s|X--X --X- X... x..."),
        band=("acoustic_bass", "piano", "accordion", "violin", "strings"),
        melody="tango", counter="long", loose=0.5, fill="soft", crash=False,
    ),
}  # fmt: skip

# The son clave in cut time: 3-2 over two bars; the bass leaves out the downbeat and takes the next chord early.
GROOVES["salsa_tumbao"] = Groove(
    drums=(
        """
        rim x... ..x. .... x...|.... x... x... ....
        """,
        """
        bell    x... x.x. x... x.x.
        timb_lo .... .... .... ..x.
        rim     x... ..x. .... x...|.... x... x... ....
        """,
        """
        bell    X.x. X.xx X.x. X.xx
        timb_hi .... .... .... ..xx|.... .... .... x.xx
        kick    .... ..o. .... ..o.
        rim     x... ..x. .... x...|.... x... x... ....
        """,
    ),
    percussion="""
        conga_mute x.x. ..x. x.x. ..x.
        conga_hi   .... x... .... ....
        conga_lo   .... .... .... x.x.
        maracas    x.xx x.xx x.xx x.xx
        claves     x... ..x. .... x...|.... x... x... ....
    """,
    bass=("R--- --5- ---- n---", "R--- --5- ---- n---|---- --5- ---- n---"),
    comp=("X--- --x- ---- x---", "x.x. .x.x .x.x .x.x|x.x. .x.x .x.x .xx."),
    band=("drum_kit", "hand_percussion", "acoustic_bass", "piano", "brass", "trumpet"),
    melody="latin",
    counter="stabs",
    loose=0.35,
    fill="latin",
)
