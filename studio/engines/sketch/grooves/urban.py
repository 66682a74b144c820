"""Hip hop and its family: boom bap, lo-fi, trap, and the west African and southern African dance floors of today."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES = {
    "boom_bap": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  x.x. x.x. x.x. x.x.
            rim  .... x... .... x...
            """,
            """
            kick  X..x .... ..x. ....|X... ...x .xx. ....
            snare .... X... .... X...|.... X... .... X..g
            hat   x.x. x.x. x.x. x.x.
            """,
            """
            kick  X..x ...x ..X. ....|X..x .... .xX. ...o
            snare .... X..g .g.. X...|.... X..g .... X..g
            hat   x.xo x.x. x.xo x.x.
            open  .... .... .... ..o.
            """,
        ),
        percussion="shaker o.xo o.xo o.xo o.xo",
        bass=("R--- --.. ..R- ....", "R-.R ..5. ..R- .a..|R-.. ...R .R8- .5a."),
        comp=("X--- ---- .... ..x-", "x-.. ..x- .... x-..|x-.. ..x- ...x --.."),
        band=("drum_kit", "acoustic_bass", "electric_piano", "strings", "vibraphone"),
        melody="riff", counter="answer", swing=0.4, loose=0.5, fill="snare_roll", drag={"snare": 0.008},
    ),
    "lofi_swing": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  o.o. o.o. o.o. o.o.
            """,
            """
            kick x... ...o ..x. ....|x... .... .ox. ....
            rim  .... x... .... x...
            hat  o.o. o.og o.o. o.o.
            """,
            """
            kick  x..o .... ..x. ...o|x... ...o .ox. ....
            snare .... x... .... x..g
            hat   o.og o.og o.og o.og
            """,
        ),
        percussion="shaker g.og g.og g.og g.og",
        bass=("R--- ---- ..5- ----", "R--- ..r- 5--- --a-|R--- ---. 8-5- --a-"),
        comp=("X--- ---- ---- ----", "x--- ---- .x-- ----|x--- --o- .x-- ..o-"),
        band=("room_kit", "acoustic_bass", "electric_piano", "warm_pad", "vibraphone"),
        melody="sparse", counter="answer", swing=0.5, loose=0.9, fill="soft", crash=False,
        drag={"snare": 0.014, "rim": 0.014, "hat": 0.006},
    ),
    "trap": Groove(
        drums=(
            """
            hat  x.x. x.x. x.x. x.x.
            rim  .... .... x... ....
            kick x... .... .... ....
            """,
            """
            kick X... .... ..x. ....|X... ...x .... ..x.
            clap .... .... X... ....
            hat  x.x. x.x. xxx. x.x.|x.x. xxxx x.x. xxx.
            """,
            """
            kick  X..x .... ..x. ...x|X... ..x. ..x. .x..
            clap  .... .... X... ....
            snare .... .... X... ....|.... .... X... ..gx
            hat   xoxo xoxo xxxx xoxo|xoxo xxxx xoxo xxxx
            open  .... ..x. .... ....|.... .... .... ..x.
            """,
        ),
        percussion="cow .... ...o .... ....|.... .... ..o. ....",
        bass=("R--- ---- --R- ----", "R--- ---- ..R- ----|R--- --.R --8- .a--"),
        comp=("X--- ---- ---- ----", "x--- ---- ---x ----|x--- ---- x--- ----"),
        band=("808_kit", "sub_bass", "piano", "choir", "pluck"),
        melody="riff", counter="arp", loose=0.0, fill="hats", crash=False,
    ),
    "afrobeat": Groove(
        drums=(
            """
            kick x... ..x. .... ..x.
            hat  x.xx x.xx x.xx x.xx
            """,
            """
            kick  x... ..x. x... ..x.|x... ..x. ..x. ..x.
            snare .... x..g ..x. .g..
            hat   x.xx x.xx x.xx x.xx
            """,
            """
            kick  X... ..x. X..x ..x.|X... ..x. ..x. x.x.
            snare .g.. X..g ..X. .g.g
            hat   xoxx xoxx xoxx xoxx
            open  .... .... .... ..x.
            """,
        ),
        percussion="""
            shaker xoxo xoxo xoxo xoxo
            conga_hi x..x ..x. x..x ..x.
            conga_lo ..x. x... ..x. x.x.
            claves x..x ..x. ..x. x...
        """,
        bass=("R..R ..5. ..R. 8...", "R.R. .5R. ..8R .53a|R.R. .5R. .R8. 5.a."),
        comp=("..s. ..s. ..s. ..s.", "..s. .ss. ..s. .s.s"),
        comp_plucked=("1.2. 3.2. 1.2. 3.2.", "12.3 2.12 .321 2.3."),
        band=("drum_kit", "hand_percussion", "finger_bass", "muted_guitar", "brass", "tenor_sax"),
        melody="latin", counter="answer", loose=0.5, fill="toms",
    ),
    "afrobeats": Groove(
        drums=(
            """
            kick x... .... x... ....
            rim  ...x ..x. ...x ..x.
            """,
            """
            kick  x... x... x... x...
            snare ...x ..x. ...x ..x.
            hat   o.xo o.xo o.xo o.xo
            """,
            """
            kick  X..o x... X..o x...|X..o x... X... x.o.
            snare ...X ..x. ...X ..x.|...X ..x. ...X .gx.
            hat   ogxg ogxg ogxg ogxg
            clap  .... x... .... x...
            """,
        ),
        percussion="""
            shaker ogxg ogxg ogxg ogxg
            conga_hi ...x ..x. ...x ..x.
            wood_hi x..x ..x. ..x. x...
        """,
        bass=("R--. ..R- .... 5-..", "R-.R ..R. 5-.R ..a.|R-.R ..8. 5-.3 ..a."),
        comp=("..x- ..x- ..x- ..x-", "x..x ..x. .x.. x...|x..x ..x. .x.x ...."),
        comp_plucked=("1.23 .2.1 .23. 2...", "1.23 .321 .232 1.3."),
        band=("808_kit", "hand_percussion", "sub_bass", "marimba", "warm_pad", "pan_flute"),
        melody="latin", counter="answer", loose=0.25, fill="hats",
    ),
    "amapiano": Groove(
        drums=(
            """
            shaker xgxg xgxg xgxg xgxg
            rim    ...x .... ..x. ....
            """,
            """
            kick   x... .... x... ....
            shaker xgxg xgxg xgxg xgxg
            rim    ...x ..x. ...x ..x.
            """,
            """
            kick   x... x... x... x...
            clap   .... x... .... x...
            shaker xoxg xoxg xoxg xoxg
            rim    ...x ..x. ..x. x..x
            """,
        ),
        percussion="""
            toml ..x. ...x .x.. x...|..x. ...x .xx. ..x.
            conga_hi x..x .... x..x ..x.
        """,
        bass=("...R --.. ..R- ....", "...R -.R. .8-. R.5-|...R -.R. .r8- 3.a-"),
        comp=("X--- ---- --x- ----", "x--. ..x- -... x--.|x--. ..x- .x-- ...."),
        band=("electronic_kit", "hand_percussion", "sub_bass", "electric_piano", "warm_pad", "flute"),
        melody="sparse", counter="answer", swing=0.25, loose=0.2, fill="hats", pump=1.5,
    ),
}  # fmt: skip
