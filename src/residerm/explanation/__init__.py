"""Explanations of predictions: the evidence for and against a class in an image, and how faithful it is.

| file | contents |
|---|---|
| `target` | the quantity that is explained: a weighted sum of the logits |
| `evidence` | maps of signed values, in logits |
| `cam` | class activation maps: exact, with NumPy only |
| `occlusion`, `infill` | the change when a window is covered, and what covers it |
| `stages`, `gradient`, `integrated` | methods based on gradients, with torch |
| `colours` | evidence as colour, on the same scale for every image |

The package is called `explanation` because `residerm.explain` is a function.
"""
