"""A take, or any sound taken apart, as a project a DAW opens: parts, notes, tempo map and section markers."""
