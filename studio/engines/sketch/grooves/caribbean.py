"""Jamaica and Puerto Rico: one drop, steppers, dancehall and dembow."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES = {
    "reggae_one_drop": Groove(
        drums=(
            """
            hat x.x. x.x. x.x. x.x.
            rim .... .... x... ....
            """,
            """
            kick .... .... X... ....
            rim  .... .... X... ....
            hat  x.xo x.xo x.xo x.xo
            """,
            """
            kick  .... .... X... ....|.... .... X... ..o.
            snare .... .... X... ....|.... .... X... .g.g
            hat   xoxo x.xo xoxo x.xo
            open  .... .... .... ..o.
            """,
        ),
        percussion="""
            shaker o.xo o.xo o.xo o.xo
            bongo_hi .... ..x. .... .xx.
        """,
        bass=("R--- ..R- 5-3- ....", "R--. ..r. 3-5- .R..|...R --5. 8-5- 3.a."),
        comp=(".... s... .... s...", "..s. ..s. ..s. ..s."),
        comp_plucked=(".... s... .... s...", ".... s..s .... s..s"),
        band=("drum_kit", "finger_bass", "drawbar_organ", "clean_guitar", "trombone"),
        melody="sparse", counter="answer", swing=0.3, loose=0.5, fill="toms",
    ),
    "dub_steppers": Groove(
        drums=(
            """
            kick x... x... x... x...
            hat  ..o. ..o. ..o. ..o.
            """,
            """
            kick X... X... X... X...
            rim  .... .... X... ....
            hat  x.xo x.xo x.xo x.xo
            """,
            """
            kick  X... X... X... X...
            snare .... .... X... ....|.... .... X..o ..o.
            hat   x.xo xxxo x.xo xxxo
            open  ..x. .... ..x. ....
            """,
        ),
        percussion="timb_hi .... .... .... ....|.... .... ...x .xx.",
        bass=("R--- R--- 3-5- ----", "R-R- ..3- 5-.. R-..|R-R- ..8- 5-3- ..a."),
        comp=("..s. .... ..s. ....", "..s. ..s. ..s. ..s."),
        band=("room_kit", "sub_bass", "drawbar_organ", "muted_guitar", "space_pad", "whistle"),
        melody="sparse", counter="answer", loose=0.25, fill="toms", pump=1.5,
    ),
    "dancehall": Groove(
        drums=(
            """
            kick x..x ..x. .... ....
            hat  x.x. x.x. x.x. x.x.
            """,
            """
            kick  X..x .... X..x ....
            snare .... ..X. .... ..X.
            hat   x.x. x.x. x.x. x.x.
            """,
            """
            kick  X..X ..o. X..X ....|X..X ..o. X..X ...o
            snare ...o ..X. ...o ..X.|...o ..X. ...o .xX.
            clap  .... ..X. .... ..X.
            hat   xoxo xoxo xoxo xoxo
            """,
        ),
        percussion="timb_hi ...x ..x. ...x .xx.",
        bass=("R--R --.. R--R ----", "R..R ..R. 8..R ..a.|R..R ..R. 5..3 ..a."),
        comp=("...s ..s. ...s ..s.", "..s. ..s. ..s. .ss."),
        band=("808_kit", "synth_bass", "polysynth", "brass", "pluck"),
        melody="riff", counter="stabs", loose=0.1, fill="hats", pump=1.0,
    ),
    "reggaeton_dembow": Groove(
        drums=(
            """
            kick x... x... x... x...
            rim  ...x ..x. ...x ..x.
            """,
            """
            kick  X... x... X... x...
            snare ...x ..x. ...x ..x.
            """,
            """
            kick  X... X... X... X...
            snare ...X ..X. ...X ..X.|...X ..X. ...X .oX.
            hat   o.x. o.x. o.x. o.x.
            clap  .... .... .... ....|.... .... .... ..x.
            """,
        ),
        percussion="""
            timb_hi ...o ..o. ...o ..o.
            guiro   x.x. x.x. x.x. x.x.
        """,
        bass=("R--- ..R- R--- ..R-", "R--R ..R. R--R ..5.|R--R ..R. 8--5 ..a."),
        comp=("X--- ---- ---- ----", "x..x ..x. x..x ..x."),
        comp_plucked=("1..2 ..3. 1..2 ..3.", "1..3 ..2. 1..3 ..4."),
        band=("electronic_kit", "sub_bass", "pluck", "warm_pad", "square_lead"),
        melody="riff", counter="arp", loose=0.05, fill="hats", pump=2.0,
    ),
}  # fmt: skip
