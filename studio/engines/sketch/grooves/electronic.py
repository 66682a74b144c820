"""Dance floors and machines: house, disco, techno, trance, electro, synthwave, garage, breaks, drum and bass, dubstep."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

_HOUSE_BAND = ("electronic_kit", "synth_bass", "bright_piano", "warm_pad", "pluck")

GROOVES = {
    "four_on_floor": Groove(
        drums=(
            """
            kick x... x... x... x...
            hat  ..x. ..x. ..x. ..x.
            """,
            """
            kick x... x... x... x...
            clap .... x... .... x...
            open ..x. ..x. ..x. ..x.
            hat  g.g. g.g. g.g. g.g?
            """,
            """
            kick X... X... X... X...|X... X... X... X..o
            clap .... X... .... X...|.... X... .... X..g
            open ..x. ..x. ..x. ..x.|..x. ..x. ..x. ..x.
            hat  o.go o.go o.go o.go|o.go o.go o.go oogo
            tamb ..g. o.g. ..g. o.g.|..g. o.g. ..g. o.g.
            """,
        ),
        percussion="""
            shaker g.og g.og g.og g.og
            conga_hi .... ..x. .... ..xo
            conga_lo .... .... ..x. ....
        """,
        bass=("..R- ..R- ..R- ..R-", "..R- ..R. ..R- r.8.|..R- ..R. ..R- ..5."),
        comp=("X--- ..x- .... x--.", "x--x --x. .x-- x-x.|x--x --x. .x-- ...x"),
        band=_HOUSE_BAND, melody="hook", counter="arp", loose=0.1, fill="electronic", pump=5.0,
    ),
    "disco": Groove(
        drums=(
            """
            kick x... x... x... x...
            hat  o.x. o.x. o.x. o.x.
            """,
            """
            kick  x... x... x... x...
            snare .... x... .... x...
            hat   x.oo x.oo x.oo x.oo
            open  ..x. ..x. ..x. ..x.
            """,
            """
            kick  X... X... X... X...|X... X... X... X...
            snare .... X... .... X...|.... X... .... X.go
            hat   xo.o xo.o xo.o xo.o|xo.o xo.o xo.o xo.o
            open  ..X. ..X. ..X. ..X.|..X. ..X. ..X. ..X.
            tamb  ..o. x.o. ..o. x.o.|..o. x.o. ..o. x.o.
            """,
        ),
        percussion="""
            conga_hi ..x. .xx. ..x. .xx.
            conga_lo x... ...x x... ....
            cow      .... x... .... x...
        """,
        bass=("R-8- R-8- R-8- R-8-", "R.8. R.8. R.8. R.8a|R.8. R.8. R.85 3.a."),
        comp=("..x- ..x- ..x- ..x-", "..s. s.s. ..s. s..s|..s. s.s. .ss. s..s"),
        comp_plucked=("..s. .ss. ..s. .ss.", "s.ss .ss. s.ss .s.s"),
        band=("drum_kit", "finger_bass", "clean_guitar", "strings", "brass"),
        melody="hook", counter="strings", loose=0.35, fill="toms", pump=1.5,
    ),
    "techno_rolling": Groove(
        drums=(
            """
            kick x... x... x... x...
            shaker g.o. g.o. g.o. g.o.
            """,
            """
            kick X... X... X... X...
            hat  ..x. ..x. ..x. ..x.
            rim  .... .... ...x ....|.... ..x. .... ....
            """,
            """
            kick X... X... X... X...|X... X... X... X...
            clap .... o... .... o...|.... o... .... o.g.
            open ..X. ..X. ..X. ..X.|..X. ..X. ..X. ..X.
            hat  ogog ogog ogog ogog|ogog ogog ogog ogog
            rim  ...x .... ..x. ...x|...x .... ..x. x...
            """,
        ),
        percussion="""
            tomh .... ..x. .... .x..|.... ..x. ...x ....
            wood_lo ...o .... .o.. ....|...o .... .o.. ..o.
        """,
        bass=(".rrr .rrr .rrr .rrr", ".RrR .RrR .RrR .Rr8"),
        comp=(".... ...s .... ....", "...s .... ..s. ....|...s .... ..s. ...s"),
        band=("electronic_kit", "synth_bass", "polysynth", "sweep_pad"),
        melody="riff", counter="arp", loose=0.0, fill="electronic", pump=6.0,
    ),
    "trance_offbeat": Groove(
        drums=(
            """
            kick x... x... x... x...
            hat  ..o. ..o. ..o. ..o.
            """,
            """
            kick X... X... X... X...
            clap .... x... .... x...
            open ..x. ..x. ..x. ..x.
            """,
            """
            kick X... X... X... X...|X... X... X... X...
            clap .... X... .... X...|.... X... .... X..g
            open ..X. ..X. ..X. ..X.|..X. ..X. ..X. ..X.
            hat  x.oo x.oo x.oo x.oo|x.oo x.oo x.oo x.oo
            ride x... x... x... x...|x... x... x... x...
            """,
        ),
        percussion="shaker goxo goxo goxo goxo",
        bass=("..R. ..R. ..R. ..R.", ".RR8 .RR8 .RR8 .RR8"),
        comp=("X--- ---- X--- ----", "x.x. .x.x .x.x x.x.|x.x. .x.x .x.x x.xx"),
        band=("electronic_kit", "synth_bass", "saw_lead", "warm_pad", "pluck"),
        melody="anthem", counter="arp16", loose=0.0, fill="electronic", pump=6.5,
    ),
    "electro": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  x.x. x.x. x.x. x.x.
            """,
            """
            kick  x..x .... ..x. ....|x..x .... x.x. ....
            snare .... x... .... x...|.... x... .... x...
            hat   x.x. x.x. x.x. x.xx
            cow   .... ..o. .o.. ....
            """,
            """
            kick  X..x ..x. ..X. .x..|X..x .... x.X. .x..
            snare .... X... .... X...|.... X... .... X..x
            clap  .... X... .... X...|.... X... .... X..x
            hat   xoxo xoxo xoxo xoxx
            cow   ..x. ..o. .x.. o...|..x. ..o. .x.. ..xx
            """,
        ),
        percussion="claves ..x. ...x .... x...",
        bass=("R..R ..R. ..R. .8..", "R.8R .8R. .RR8 .R3a|R.8R .8R. .RR8 R.5a"),
        comp=(".... x--- .... ....", "s... ..s. ...s ....|s... ..s. ...s .s.."),
        band=("808_kit", "synth_bass", "polysynth", "square_lead", "sweep_pad"),
        melody="riff", counter="arp16", loose=0.0, fill="electronic", pump=2.0,
    ),
    "synthwave_eighths": Groove(
        drums=(
            """
            kick x... .... x... ....
            hat  x.x. x.x. x.x. x.x.
            """,
            """
            kick  X... .... X... ....|X... .... X.x. ....
            snare .... X... .... X...
            hat   x.x. x.x. x.x. x.x.
            """,
            """
            kick  X... x... X... x...|X... x... X.x. x...
            snare .... X... .... X...|.... X... .... X...
            hat   xoxo xoxo xoxo xoxo
            open  .... .... .... ..x.
            tomm  .... .... .... ....|.... .... .... ..x.
            toml  .... .... .... ....|.... .... .... ...x
            """,
        ),
        percussion="clap .... x... .... x...",
        bass=("R.R. R.R. R.R. R.R.", "RrRr RrRr RrRr Rr8a"),
        comp=("X--- ---- ---- ----", "X--- --x- ---- x---"),
        band=("electronic_kit", "synth_bass", "polysynth", "warm_pad", "saw_lead"),
        melody="anthem", counter="arp16", loose=0.0, fill="toms", pump=3.0,
    ),
    "two_step_garage": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  ..x. ..x. ..x. ..x.
            """,
            """
            kick  X... .... ..x. ....|X... ...o ..x. ....
            snare .... X... .... X...
            hat   ..xo ..x. o.x. .ox.
            rim   ...o ...o .... .o..
            """,
            """
            kick  X... ...x ..X. ....|X..o .... ..X. .x..
            snare .... X... .... X...|.... X..g .... X..g
            hat   x.xo .ox. o.xo .oxo
            open  .... ..x. .... ..o.
            rim   .o.. ...x .o.. ....
            """,
        ),
        percussion="shaker ogxg ogxg ogxg ogxg",
        bass=("R-.. ...R --.. 5-..", "R-.8 ..R. .R-. 5.a.|R-.8 ..R. .3-. 5.8."),
        comp=("x-.. ..x- .... ....", "..x- .x.. ..x- ...x|..x- .x.. .x-- ..x."),
        band=("electronic_kit", "sub_bass", "fm_piano", "warm_pad", "vibraphone"),
        melody="riff", counter="answer", swing=0.55, loose=0.15, fill="electronic", pump=2.5,
    ),
    "breakbeat": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  x.x. x.x. x.x. x.x.
            rim  .... x... .... x...
            """,
            """
            kick  X.x. .... ..x. ....|X.x. .... ..x. .x..
            snare .... X..g .g.. X...|.... X..g .g.. X..g
            hat   x.x. x.x. x.x. x.x.
            """,
            """
            kick  X.x. .... ..xx ....|X.x. ..x. .x.. ....
            snare .... X..o .o.. X..o|.... X..o .o.. o.Xo
            hat   x.x. x.x. x.x. x.x.
            open  .... .... .... ..x.
            ride  x.x. x.x. x.x. x.x.
            """,
        ),
        percussion="bongo_hi ..x. ...x ..x. .x..",
        bass=("R--. ..R. --.. 5...", "R..R ..8. .R.. 5.a.|R..R ..8. .3.. 5.8a"),
        comp=("X--- .... .... ....", "s..s .... ..s. ....|s..s .... .s.. ..s."),
        band=("drum_kit", "synth_bass", "polysynth", "space_pad", "saw_lead"),
        melody="riff", counter="arp", loose=0.2, fill="snare_roll", pump=1.0,
    ),
    "drum_and_bass": Groove(
        drums=(
            """
            kick x... .... ..x. ....
            hat  x.x. x.x. x.x. x.x.
            """,
            """
            kick  X... .... ..X. ....
            snare .... X... .... X...
            hat   x.x. x.xo x.x. x.x.
            """,
            """
            kick  X... .... ..X. ....|X.x. .... ..X. ....
            snare .... X..g .g.. X...|.... X..g .g.. X..o
            hat   xgxg xgxg xgxg xgxg
            ride  x.x. x.x. x.x. x.x.
            """,
        ),
        percussion="shaker goxo goxo goxo goxo",
        bass=("R--- ---- --R- ----", "R--- --R- --.8 --a-|R--- ---- 5--- 3-a-"),
        comp=("X--- ---- ---- ----", "..x- ---- ..x- ----"),
        band=("electronic_kit", "sub_bass", "electric_piano", "atmosphere", "saw_lead"),
        melody="sparse", counter="arp16", loose=0.05, fill="snare_roll", pump=3.0,
    ),
    "dubstep_half_time": Groove(
        drums=(
            """
            kick x... .... .... ....
            hat  x... x... x... x...
            """,
            """
            kick  X... .... .... ..x.|X... ..x. .... ....
            snare .... .... X... ....
            hat   x.x. x.x. x.x. x.xx
            """,
            """
            kick  X... ..x. .... ..x.|X..x .... .... .x..
            snare .... .... X... ....|.... .... X... ...g
            clap  .... .... X... ....
            hat   x.xo x.x. xoxo x.xx
            open  .... .... ..x. ....
            """,
        ),
        percussion="rim ...x ..o. ...x ....",
        bass=("R--- ---- R--- ----", "R.R. RRR. 8-R- r.r.|R-rr r.R- 3-3- 5.r."),
        comp=("X--- ---- .... ....", "s... .... .... ..s.|s... ..s. .... ...."),
        band=("electronic_kit", "sub_bass", "saw_lead", "metallic_pad", "square_lead"),
        melody="sparse", counter="arp", loose=0.0, fill="electronic", pump=4.0,
    ),
}  # fmt: skip
