"""Models: the catalogue, what is here, and bringing them."""
