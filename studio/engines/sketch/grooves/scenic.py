"""Pictures: film pulse, orchestra, chip music and music without a beat."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES = {
    "cinematic_pulse": Groove(
        drums=(
            """
            toml x... .... .... ....
            """,
            """
            toml X..x ..x. X..x ..x.
            kick X... .... X... ....
            """,
            """
            kick  X... ..x. X... ..x.
            toml  X.xx X.xx X.xx X.xx
            tomm  .... .... .... ..xx
            snare .... .... .... ....|.... .... ..oo xxXX
            crash X... .... .... ....|.... .... .... ....
            """,
        ),
        percussion="toml X..x ..x. X..x .xx.",
        bass=("R--- ---- R--- ----", "R-R- R-R- R-R- R-R-"),
        comp=("X--- ---- ---- ----", "Xsss xsss Xsss xsss"),
        band=("taiko", "orchestral_kit", "strings", "cello", "french_horn", "brass", "choir"),
        melody="fanfare", counter="ostinato", loose=0.25, fill="timpani",
    ),
    "orchestral": Groove(
        drums=(
            """
            triangle o... .... .... ....
            """,
            """
            kick     o... .... .... ....
            triangle .... .... o... ....
            """,
            """
            kick  x... .... x... ....
            snare .... .... .... ..oo
            crash x... .... .... ....|.... .... .... ....|.... .... .... ....|.... .... .... ....
            """,
        ),
        percussion="toml x... .... x... ..oo",
        bass=("R--- ---- ---- ----", "R--- ---- 5--- ----|R--- ---- 3--- a---"),
        comp=("X--- ---- x--- ----", "x-x- x-x- x-x- x-x-"),
        comp_plucked=("1.2. 3.4. 3.2. 3.2.", "1.2. 3.4. 3.2. 3.2."),
        band=("strings", "cello", "french_horn", "flute", "harp", "timpani"),
        melody="lyrical", counter="ostinato", loose=0.5, fill="timpani",
    ),
    "chiptune_pulse": Groove(
        drums=(
            """
            kick x... .... x... ....
            hat  ..x. ..x. ..x. ..x.
            """,
            """
            kick  X... ..x. X... ....
            snare .... X... .... X...
            hat   x.x. x.x. x.x. x.x.
            """,
            """
            kick  X..x ..x. X.x. ....
            snare .... X... .... X..x
            hat   xxxx xxxx xxxx xxxx
            """,
        ),
        bass=("R.8. R.8. R.8. R.8.", "R.8R .8R. 5.8. R8a."),
        comp=("1234 1234 1234 1234", "1324 1324 1324 1432"),
        band=("electronic_kit", "synth_bass", "square_lead", "pluck", "saw_lead"),
        melody="chip", counter="arp16", loose=0.0, fill="snare_roll",
    ),
    "ambient_free": Groove(
        drums=(
            """
            triangle_open g... .... .... ....|.... .... .... ....
            """,
            """
            triangle_open g... .... .... ....|.... .... g... ....
            toml g... .... .... ....
            """,
            """
            kick o... .... .... ....
            shaker g... g... g... g...
            triangle_open .... .... g... ....
            """,
        ),
        percussion="shaker g... g.g. g... g.g.",
        bass=("R--- ---- ---- ----", "R--- ---- ---- ----|R--- ---- 5--- ----"),
        comp=("X--- ---- ---- ----", "1--- 2--- 3--- 4---|3--- 2--- 4--- 3---"),
        comp_plucked=("1--- 3--- 2--- 4---", "1-3- 2-4- 3-2- 4-3-"),
        band=("warm_pad", "space_pad", "piano", "bowed_pad", "crystal"),
        melody="sparse", counter="arp_slow", loose=0.8, fill="none", crash=False,
    ),
}  # fmt: skip
