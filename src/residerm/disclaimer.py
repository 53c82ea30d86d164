"""The sentence that stands wherever a prediction is shown. It belongs to residerm: no file can replace it."""

DISCLAIMER = "Not a medical device and not a diagnosis: for research and teaching only."
