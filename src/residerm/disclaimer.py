"""The sentence shown with every prediction. It is part of residerm's code: no file can replace it."""

DISCLAIMER = "Not a medical device and not a diagnosis: for research and teaching only."
