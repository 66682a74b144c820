"""The studio beside a DAW: what its plug-in asks for, and where it finds the studio."""
