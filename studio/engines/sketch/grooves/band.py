"""Rock, punk, metal, country, folk, waltz and march: bands in a room."""

from __future__ import annotations

from studio.engines.sketch.grooves import Groove

GROOVES = {
    "rock_straight": Groove(
        drums=(
            """
            kick x... .... x... ....
            hat  x.x. x.x. x.x. x.x.
            rim  .... x... .... x...
            """,
            """
            kick  X... .... X.x. ....|X... ..x. X... ....
            snare .... X... .... X...
            hat   X.x. X.x. X.x. X.x.
            """,
            """
            kick  X... ..x. X.x. ....|X..x .... X.x. ..x.
            snare .... X... .... X...|.... X... .... X..g
            ride  X.x. X.x. X.x. X.x.
            tamb  .... x... .... x...
            """,
        ),
        percussion="tamb ..o. x.o. ..o. x.o.",
        bass=("R-R- R-R- R-R- R-R-", "R.R. R.R. R.R. R.a.|R.R. R.R. R.5. 8.a."),
        comp=("X--- ---- X--- ----", "X-.x --x- X-.x x-x-"),
        comp_plucked=("1-2- 3-4- 3-2- 3-2-", "X--- x-x- X-.x x-x-"),
        band=("drum_kit", "pick_bass", "overdriven_guitar", "rock_organ", "clean_guitar"),
        melody="anthem", counter="answer", loose=0.45, fill="toms",
    ),
    "rock_half_time": Groove(
        drums=(
            """
            kick x... .... .... ..x.
            hat  x... x... x... x...
            """,
            """
            kick  X... ..x. .... ..x.|X... .... .... x.x.
            snare .... .... X... ....
            hat   X.x. X.x. X.x. X.x.
            """,
            """
            kick  X..x ..x. .... ..x.|X..x .... ..x. x.x.
            snare .... .... X... ....|.... .... X... ..g.
            ride  X... X... X... X...
            crash X... .... .... ....|.... .... .... ....
            """,
        ),
        percussion="tamb x... x... X... x...",
        bass=("R--- ---- R--- ----", "R--R --R- R--- --5-|R--R --R- 8--- 5-a-"),
        comp=("X--- ---- ---- ----", "X--- --x- X--- --x-"),
        comp_plucked=("1-2- 3-2- 4-3- 2-3-", "X--- --x- X--- --x-"),
        band=("power_kit", "pick_bass", "distorted_guitar", "strings", "clean_guitar"),
        melody="lyrical", counter="long", loose=0.4, fill="toms",
    ),
    "punk": Groove(
        drums=(
            """
            kick  x... ..x. x... ..x.
            snare .... x... .... x...
            hat   x.x. x.x. x.x. x.x.
            """,
            """
            kick  X.x. .... X.x. ....
            snare .... X... .... X...
            hat   X.x. X.x. X.x. X.x.
            """,
            """
            kick  X... X... X... X...|X... X... X... X.x.
            snare ..X. ..X. ..X. ..X.|..X. ..X. ..X. ..X.
            crash X... .... .... ....|.... .... .... ....
            ride  X.X. X.X. X.X. X.X.
            """,
        ),
        bass=("R.R. R.R. R.R. R.R.", "R.R. R.R. R.R. R.a."),
        comp=("X.x. X.x. X.x. X.x.", "X.x. X.x. X.x. X.xx"),
        band=("power_kit", "pick_bass", "distorted_guitar", "overdriven_guitar"),
        melody="anthem", counter="long", loose=0.4, fill="snare_roll",
    ),
    "metal_double_kick": Groove(
        drums=(
            """
            kick  X... ..x. X... ..x.
            snare .... .... X... ....
            ride  X... X... X... X...
            """,
            """
            kick  X.xx X.xx X.xx X.xx
            snare .... X... .... X...
            hat   X... X... X... X...
            """,
            """
            kick  xxxx xxxx xxxx xxxx|xxxx xxxx xxxx xxxx
            snare .... X... .... X...|.... X... .... X.X.
            ride  X.X. X.X. X.X. X.X.
            crash X... .... .... ....|.... .... .... ....
            """,
        ),
        bass=("R.rr R.rr R.rr R.rr", "Rrrr Rrrr Rrrr Rr5a"),
        comp=("X--- X--- X--- X---", "Xsss Xsss X--s sssX|Xsss Xsss X--s X-X-"),
        band=("power_kit", "pick_bass", "distorted_guitar", "choir", "overdriven_guitar"),
        melody="riff", counter="arp16", loose=0.15, fill="toms",
    ),
    "country_train": Groove(
        drums=(
            """
            kick x... .... x... ....
            rim  ..x. ..x. ..x. ..x.
            """,
            """
            kick  x... .... x... ....
            snare ogXg ogXg ogXg ogXg
            """,
            """
            kick  X... x... X... x...
            snare xgXg xgXg xgXg xgXo
            tamb  ..x. ..x. ..x. ..x.
            """,
        ),
        percussion="tamb ..o. ..x. ..o. ..x.",
        bass=("R--- .... 5--- ....", "R--. .... l--. ..a.|R--. .... 5--. 3.a."),
        comp=("..x. ..x. ..x. ..x.", "b.x. b.xs b.x. b.xs"),
        comp_plucked=("b.d. b.d. b.d. b.d.", "b.du b.du b.du b.du"),
        band=("drum_kit", "acoustic_bass", "steel_guitar", "banjo", "violin"),
        melody="folk", counter="answer", loose=0.45, fill="snare_roll", crash=False,
    ),
    "folk_strum": Groove(
        drums=(
            """
            tamb ..o. ..o. ..o. ..o.
            """,
            """
            kick x... .... x... ....
            tamb .... x... .... x...
            """,
            """
            kick  x... .... x.x. ....
            snare .... o... .... o...
            tamb  ..o. x.o. ..o. x.o.
            """,
        ),
        percussion="shaker o.xo o.xo o.xo o.xo",
        bass=("R--- ---- 5--- ----", "R--- --R- 5--- --a-"),
        comp=("X--- ---- x--- ----", "x--- x-x- --x- x-x-"),
        comp_plucked=("1.3. 2.3. 1.3. 2.3.", "d... d.u. ..u. d.u."),
        band=("steel_guitar", "acoustic_bass", "violin", "hand_percussion", "accordion"),
        melody="folk", counter="long", loose=0.6, fill="soft", crash=False,
    ),
    "waltz": Groove(
        drums=(
            """
            kick x... .... ....
            rim  .... o... o...
            """,
            """
            kick  x... .... ....
            snare .... o... o...
            hat   .... x... x...
            """,
            """
            kick  X... .... ....|X... .... ....
            snare .... x... x...|.... x... x.o.
            ride  x... x... x.x.|x... x... x.x.
            tamb  .... x.o. x.o.|.... x.o. x.o.
            """,
        ),
        percussion="triangle .... o... o...",
        bass=("R--- ---- ----", "R--- .... ....|5--- .... a---", "R--- 3--- 5---|R--- 5--- a---"),
        comp=(".... x--. x--.", ".... x-.. x-..|.... x-.. x-s."),
        comp_plucked=("b... d... d...", "b--- d-.. d-u-"),
        band=("acoustic_bass", "piano", "strings", "violin", "orchestral_kit"),
        beats=3, melody="lyrical", counter="long", loose=0.5, fill="soft", crash=False,
    ),
    "march": Groove(
        drums=(
            """
            kick  x... x...
            snare ..o. ..o.
            """,
            """
            kick  X... X...|X... X...
            snare x.xx x.x.|x.xx xxxx
            """,
            """
            kick  X... X...|X... X...
            snare X.xx Xoxo|X.xx XxXx
            crash .... ....|X... ....
            """,
        ),
        percussion="triangle x... x...",
        bass=("R-.. 5-..", "R-.. l-..|R-.. 5.a."),
        comp=("..x. ..x.", "..s. ..s."),
        band=("orchestral_kit", "tuba", "brass", "french_horn", "trumpet", "piccolo"),
        beats=2, melody="fanfare", counter="answer", loose=0.3, fill="snare_roll",
    ),
}  # fmt: skip
